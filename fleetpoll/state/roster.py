"""Who is alive, and what all are told to do. Orders ride back on the beats; the doorbell makes idle workers beat at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fleetpoll.state.connection import server_ms

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Scripts

STOP_KEPT_S = 86_400
"""By then all whom a stop was meant for have left; a drain stands until it is taken back."""


class Facts(msgspec.Struct, frozen=True):
    """What a worker says of itself with each beat."""

    host: str
    pid: int
    started_ms: int
    beat_s: float
    calls: int = 0
    version: str = ""
    doing: str = ""  # in a few words; releases before this one do not say


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's last sign of life."""

    worker_id: str
    beat_ms: int
    facts: Facts


class OrderKind(StrEnum):
    """What the fleet can be told."""

    DRAIN = "drain"  # finish the lease, claim nothing more, stay
    STOP = "stop"  # drain, and leave; holds for workers that had started by then


ORDER_KINDS = frozenset(OrderKind)


@dataclass(frozen=True, slots=True)
class Order:
    """An order to all workers, given at `given_ms` (Redis TIME)."""

    kind: OrderKind
    given_ms: int

    def holds_for(self, started_ms: int) -> bool:
        """Whether a worker that started at `started_ms` must obey: a stop is not for those that came after it."""
        return self.kind is OrderKind.DRAIN or started_ms <= self.given_ms


class Heard(NamedTuple):
    """What a worker hears with a beat: Redis TIME, the order that stands, and whether the roster did not know it."""

    now_ms: int
    order: Order | None
    new: bool


class Roster:
    """Beats and orders of one fleet."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys) -> None:
        self._client, self._scripts, self._keys = client, scripts, keys

    def beat(self, worker_id: str, facts: Facts, *, now_ms: int | None = None) -> Heard:
        """Show that a worker is alive, and hear what stands."""
        return self._beat(worker_id, msgspec.json.encode(facts).decode(), now_ms)

    def leave(self, worker_id: str) -> None:
        """Take a worker off the roster."""
        self._beat(worker_id, "", None)

    def _beat(self, worker_id: str, facts: str, now_ms: int | None) -> Heard:
        args = ("" if now_ms is None else now_ms, worker_id, facts)
        k = self._keys
        stamp, order, new = self._scripts.run("beat", (k.roster, k.order, k.leases, k.troubles, k.doorbell), args)
        return Heard(int(stamp), parse_order(order), bool(new))

    def workers(self) -> list[Beat]:
        """All workers that are on the roster, the longest serving first."""
        roster: Any = self._client.hgetall(self._keys.roster)
        return parse_roster(roster)

    def command(self, kind: OrderKind | None) -> None:
        """Give all workers an order, or take the one that stands back (None)."""
        if kind is None:
            self._client.delete(self._keys.order)
        else:
            kept_s = STOP_KEPT_S if kind is OrderKind.STOP else None
            self._client.set(self._keys.order, f"{kind} {self.now_ms()}", ex=kept_s)
        self._client.publish(self._keys.doorbell, "order")

    def order(self) -> Order | None:
        """The order that stands."""
        text: Any = self._client.get(self._keys.order)
        return parse_order(text or "")

    def now_ms(self) -> int:
        """Redis TIME in ms."""
        return server_ms(self._client)


def parse_roster(roster: Mapping[str, str]) -> list[Beat]:
    """The beats of a roster, the longest serving worker first; what is no beat is left out, as the sweep will."""
    beats = []
    for worker_id, text in roster.items():
        stamp, _, facts = text.partition(" ")
        with suppress(ValueError, RecursionError):
            beats.append(Beat(worker_id, int(stamp), msgspec.json.decode(facts, type=Facts)))
    return sorted(beats, key=lambda beat: (beat.facts.started_ms, beat.worker_id))


def parse_order(text: str) -> Order | None:
    """An order from its stored form, 'KIND MS'; None for '' and for what only a newer release understands."""
    kind, _, given = text.partition(" ")
    return Order(OrderKind(kind), int(given)) if kind in ORDER_KINDS and given.isdecimal() else None

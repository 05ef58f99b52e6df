"""Which workers AWS fails: so a fleet raises one alarm, tries in turns, and recovers together. Empty while all is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Scripts

ALARM_MS = 60_000
"""An alarm is raised once in this time for one kind of trouble, however often that comes and goes."""


class Trouble(msgspec.Struct, frozen=True):
    """What a worker says of its trouble: the kind of failure, AWS's code and words, where, and how often in a row."""

    kind: str
    code: str
    words: str
    host: str
    failures: int

    @property
    def mark(self) -> str:
        """What makes two troubles the same: their kind and code, in one word."""
        return f"{self.kind}/{''.join(c for c in self.code if c.isascii() and c.isalnum())[:64]}"


class Standing(NamedTuple):
    """How a worker stands among the others.

    `turn_s` is until it is its turn to try again, `in_turn` whether all try one after the other, because nobody was
    answered since its last failure; `same` are in this very trouble, `troubled` in any, of the `workers` on the roster.
    `answered` are the calls that AWS answered so far. `alarm`: it has been raised by this report, or is over with it.
    """

    turn_s: float
    in_turn: bool
    same: int
    troubled: int
    workers: int
    answered: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class Troubled:
    """A worker in trouble, since when, and when it will try again (Redis TIME)."""

    worker_id: str
    turn_ms: int
    since_ms: int
    trouble: Trouble


class Troubles:
    """The troubles of one fleet with AWS."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys) -> None:
        self._client, self._scripts, self._keys = client, scripts, keys

    def report(
        self, worker_id: str, trouble: Trouble, pause_s: float, every_s: float, *, now_ms: int | None = None
    ) -> Standing:
        """AWS fails this worker, still or anew.

        It wants a pause of `pause_s`; while nobody is answered, all shall try in turn, `every_s` apart.
        """
        facts = msgspec.json.encode(trouble).decode()
        return self._run(worker_id, trouble, facts, round(pause_s * 1000), round(every_s * 1000), now_ms)

    def over(self, worker_id: str, trouble: Trouble, *, now_ms: int | None = None) -> Standing:
        """AWS answers this worker again: all others in trouble are woken."""
        return self._run(worker_id, trouble, "", 0, 0, now_ms)

    def _run(
        self, worker_id: str, trouble: Trouble, facts: str, pause_ms: int, every_ms: int, now_ms: int | None
    ) -> Standing:
        k, mark = self._keys, trouble.mark
        keys = (k.troubles, k.roster, k.alarm(mark), k.doorbell, k.totals)
        args = ("" if now_ms is None else now_ms, worker_id, mark, facts, pause_ms, every_ms, ALARM_MS)
        turn_ms, in_turn, same, troubled, workers, answered, alarm = self._scripts.run("trouble", keys, args)
        return Standing(turn_ms / 1000, bool(in_turn), same, troubled, workers, answered, bool(alarm))

    def count(self) -> int:
        """How many workers are in trouble."""
        return int(self._client.hlen(self._keys.troubles))

    def all(self) -> list[Troubled]:
        """The workers in trouble, the longest first; what only a newer release understands is left out."""
        stored: Any = self._client.hgetall(self._keys.troubles)
        found = []
        for worker_id, record in stored.items():
            try:
                turn, since, _, _, facts = record.split(" ", 4)
                trouble = msgspec.json.decode(facts, type=Trouble)
                found.append(Troubled(worker_id, int(turn), int(since), trouble))
            except (ValueError, msgspec.DecodeError):
                continue
        return sorted(found, key=lambda one: (one.since_ms, one.worker_id))

"""What a relay delivers, and what a sink answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from fleetpoll.jobs import Transition

MARK = "%2E"
"""Stands in ids for a full stop, which divides what is signed."""


class Verdict(Enum):
    """What came of a delivery."""

    DELIVERED = auto()
    REFUSED = auto()  # the sink is well, and will not have it: that would not change
    FAILED = auto()  # it may be taken another time
    BUSY = auto()  # the sink wants to be left alone for a while; that says nothing of what was to be delivered


@dataclass(frozen=True, slots=True)
class Answer:
    """A sink's answer. `wait_s` is how long it wants to be left alone, None if it does not say."""

    verdict: Verdict
    words: str = ""
    wait_s: float | None = None


@dataclass(slots=True, eq=False)
class Parcel:
    """Transitions that are delivered together, and how that went so far."""

    transitions: Sequence[Transition]
    due: float = 0.0
    failures: int = 0  # that count against it: others were delivered meanwhile
    doubtful: int = 0  # that do not count yet: nothing was delivered since
    words: str = ""  # of the last failure

    @property
    def single(self) -> bool:
        """Whether it is one transition."""
        return len(self.transitions) == 1

    @property
    def cursors(self) -> list[str]:
        """The places of its transitions in the stream."""
        return [transition.cursor for transition in self.transitions]

    def name(self, fleet: str) -> str:
        """Its id, the same whenever it is sent again: of the fleet, and of its first and last transition."""
        first, last = self.transitions[0].cursor, self.transitions[-1].cursor
        return f"{fleet.replace('.', MARK)}:{first}" + ("" if first == last else f":{last}")

    def public(self, fleet: str) -> list[dict[str, Any]]:
        """Its transitions as receivers read them: those of the stream, and the fleet."""
        return [{"fleet": fleet} | transition.public() for transition in self.transitions]


class Sink(Protocol):
    """Where transitions go. `name` holds no secret."""

    @property
    def name(self) -> str:
        """What the log and dead letters call it."""

    def send(self, message_id: str, items: Sequence[dict[str, Any]]) -> Answer:
        """Deliver these together, once. Raises nothing; called by several threads at once."""

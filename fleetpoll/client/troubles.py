"""The troubles of a fleet with AWS, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fleetpoll.awsbatch.words import advice
from fleetpoll.jobs import seconds
from fleetpoll.state.troubles import Troubled


@dataclass(frozen=True, slots=True)
class SharedTrouble:
    """One trouble, and the workers that are in it. `words` are AWS's last ones; times are epoch ms by Redis."""

    kind: str
    code: str
    words: str
    workers: int
    hosts: list[str]
    since_ms: int
    next_try_ms: int

    @property
    def advice(self) -> str:
        """What to do about it."""
        return advice(self.kind, self.code, self.words)

    def public(self) -> dict[str, Any]:
        """The form that users read; times in epoch seconds."""
        return {
            "kind": self.kind,
            "code": self.code,
            "words": self.words,
            "workers": self.workers,
            "hosts": self.hosts,
            "since": seconds(self.since_ms),
            "next_try": seconds(self.next_try_ms),
            "advice": self.advice,
        }


def shared(troubled: Iterable[Troubled]) -> list[SharedTrouble]:
    """The troubles that there are, that of the most workers first."""
    groups: dict[str, list[Troubled]] = {}
    for one in troubled:
        groups.setdefault(one.trouble.mark, []).append(one)
    found = [
        SharedTrouble(
            kind=members[-1].trouble.kind,
            code=members[-1].trouble.code,
            words=members[-1].trouble.words,
            workers=len(members),
            hosts=sorted({one.trouble.host for one in members}),
            since_ms=min(one.since_ms for one in members),
            next_try_ms=min(one.turn_ms for one in members),
        )
        for members in groups.values()
    ]
    return sorted(found, key=lambda trouble: (-trouble.workers, trouble.since_ms))

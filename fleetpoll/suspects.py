"""Which jobs may be why AWS refuses a call as a whole, until the culprit among them is found. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

SUSPECTS_MAX = 16
"""Refused parts that are remembered, of a hundred jobs at most each."""


class Suspects:
    """Parts of leases that AWS refused as a whole, until the culprit among them is found.

    A split takes more calls than a short lease or a scarce allowance may have room for. The next lease goes on where the
    last one ended, else the same jobs would be split for ever and nobody behind the culprit would be looked at.
    """

    def __init__(self) -> None:
        self._parts: deque[frozenset[str]] = deque(maxlen=SUSPECTS_MAX)

    def refused(self, ids: Sequence[str]) -> None:
        """One of these is a culprit; what was known of larger parts tells nothing more."""
        self._keep(*(part for part in self._parts if part.isdisjoint(ids)), frozenset(ids))

    def cleared(self, ids: Sequence[str]) -> None:
        """None of these is one that has not been found."""
        if self._parts:
            self._keep(*(part.difference(ids) for part in self._parts))

    def divided(self, ids: Sequence[str]) -> list[Sequence[str]]:
        """What to ask for, the last part first: halves of those refused before, then the others, then single suspects."""
        suspected = [[job_id for job_id in ids if job_id in part] for part in self._parts]
        first = [half for part in suspected if len(part) > 1 for half in halves(part)]
        last = [part for part in suspected if len(part) == 1]
        others = [job_id for job_id in ids if not any(job_id in part for part in self._parts)]
        return [*last, *([others] if others else []), *first]

    def _keep(self, *parts: frozenset[str]) -> None:
        self._parts = deque(filter(None, parts), SUSPECTS_MAX)


def halves(ids: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The second half and the first one."""
    middle = len(ids) // 2
    return ids[middle:], ids[:middle]

"""Arrays whose children are followed: one id stands for up to 10,000, and children are looked at only when one has ended.

The array's own summary tells how many of its children have ended. Those that were found to be over are known; when the
summary counts more, some of the others are woken, that is put on the schedule. One that is found not to be over sleeps
again, by its settlement. All is a comparison of what is with what is known, so a step that was lost or made twice heals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fleetpoll.jobs import Array
from fleetpoll.state.schedule import OPENED_PER_SCRIPT, track_head
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Argument, Scripts

STEP = 500
"""How many children one script call makes or wakes."""
HEALED = 100
"""How many arrays one sweep looks after, about."""
UNKNOWN = "[0,"
"""How a brood begins whose children are not known yet."""


class BroodSizes(NamedTuple):
    """How many arrays are followed, and how many of their children are not over."""

    arrays: int
    children: int


class Broods:
    """Begin to follow arrays, wake their children, and give up arrays that are over."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys, replicas_acked: int = 0) -> None:
        self._client, self._scripts, self._keys, self._replicas = client, scripts, keys, replicas_acked
        self._cursor = 0

    def adopt(self, ids: Iterable[str], *, now_ms: int | None = None) -> int:
        """Follow arrays. Returns how many were not followed yet."""
        keys, head, run = adopt_keys(self._keys), track_head(now_ms), self._scripts.run
        parts = chunks(ids, OPENED_PER_SCRIPT)
        return sum(int(run("adopt", keys, (*head, *part), replicas=self._replicas)) for part in parts)

    def follow(self, parent: str, array: Array, *, pause_s: float = 0.0, now_ms: int | None = None) -> int:
        """Wake children of an array that is followed, if its summary says that some have ended. Returns how many.

        When those that were woken last were none of them, more are woken, but not before `pause_s` have passed.
        """
        args = (*self._about(parent, array.size, now_ms), array.ended, array.running, round(pause_s * 1000))
        return self._in_steps("follow", args)

    def disband(self, parent: str, size: int = 0, *, now_ms: int | None = None) -> int:
        """Wake all children that are left of an array that is over, and follow it no more. Returns how many."""
        return self._in_steps("disband", self._about(parent, size, now_ms))

    def heal(self) -> list[str]:
        """A step of housekeeping for arrays that left the schedule through a release that knows no broods.

        One that was settled is disbanded, or looked at once more if its children are not known yet. Those untracked
        are returned: they and their children are to be untracked.
        """
        page: Any
        self._cursor, page = self._client.hscan(self._keys.broods, self._cursor, count=HEALED)
        untracked = []
        for parent, brood in page.items():
            if not self._client.hexists(self._keys.ledger, parent):
                untracked.append(parent)
            elif self._client.zscore(self._keys.schedule, parent) is None:
                self.disband(parent)
                if brood.startswith(UNKNOWN):
                    self._scripts.run("adopt", adopt_keys(self._keys), (*track_head(), parent))  # no replica is waited for
        return untracked

    def sizes(self) -> BroodSizes:
        """How many there are."""
        arrays: Any = self._client.hlen(self._keys.broods)
        children: Any = self._client.zcard(self._keys.children)
        return BroodSizes(int(arrays), int(children))

    def _about(self, parent: str, size: int, now_ms: int | None) -> tuple[Argument, ...]:
        now, head, tail = track_head(now_ms)
        return (now, parent, STEP, head, tail, size)

    def _in_steps(self, verb: str, args: Sequence[Argument]) -> int:
        k, woken, more = self._keys, 0, 1
        keys = (k.schedule, k.ledger, k.counts, k.finished, k.broods, k.children, k.started, k.doorbell)
        while more:
            now_woken, more = self._scripts.run(verb, keys, args)
            woken += int(now_woken)
        return woken


def adopt_keys(keys: Keys) -> tuple[str, ...]:
    """The keys of adopt.lua."""
    return (keys.ledger, keys.schedule, keys.counts, keys.finished, keys.broods, keys.doorbell)

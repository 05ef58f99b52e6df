"""A consumer that holds many transitions at once and is done with them in any order, as a relay is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpoll.errors import StateError
from fleetpoll.state.events import entries_of, parse, place
from fleetpoll.state.groups import Entry, Member, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpoll.clock import Mono
    from fleetpoll.jobs import Transition
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.steps import Steps

LAST = 2**64 - 1


class Holder(Member):
    """One consumer of a group. What it takes is its own until it lets go of it, as long as it says so now and then."""

    def __init__(self, keys: Keys, group: str, name: str, after: str | None, retry_after_s: float, mono: Mono) -> None:
        super().__init__(keys, group, name, after, retry_after_s, mono)
        self.held: set[str] = set()
        self._newest = ""
        self._own = False  # its name is made up: nothing can be left of a life before

    def join(self) -> Steps[None]:
        """Make the group if it is not there, as any member does."""
        yield from super().join()
        self._newest = self._place

    def take(self, block_s: float) -> Steps[list[Transition]]:
        """What comes next, up to a page: what others have held too long, then what is new; [] if nothing came in time."""
        if not self._place:
            yield from self.join()
        self._block_s = block_s
        page = [entry for entry in (yield from self._page()) if entry[0] not in self.held]
        self.held.update(cursor for cursor, _ in page)
        self._newest = max([self._newest, *(cursor for cursor, _ in page)], key=place)
        self._remember()
        return [parse(cursor, fields) for cursor, fields in page]

    def let_go(self, cursors: Iterable[str]) -> None:
        """These are acknowledged, or somebody else's."""
        self.held.difference_update(cursors)
        self._remember()

    def acknowledge_these(self, cursors: Iterable[str]) -> Steps[None]:
        """These will not be given to anybody again."""
        done = list(cursors)
        if done:
            yield "XACK", self._key, self._group, *done
            self.let_go(done)

    def keep(self) -> Steps[set[str]]:
        """Say that all that is held is still ours. Returns what others have taken over, because we were silent too long.

        What the stream has trimmed meanwhile is nobody's, and nobody else could deliver it: it stays with us.
        """
        ours: set[str] = set()
        after = "0"
        try:
            while entries := entries_of((yield *self._read(), "STREAMS", self._key, after)):
                ours.update(cursor for cursor, _ in entries)
                after = entries[-1][0]
        except StateError as error:
            if not said(error, "NOGROUP"):
                raise
            return set()  # it is made anew when it is asked for more
        gone = self.held - ours
        oldest = (yield "XRANGE", self._key, "-", "+", "COUNT", 1) if gone else []
        taken = {cursor for cursor in gone if oldest and place(cursor) >= place(oldest[0][0])}
        self.let_go(taken)
        return taken

    def _mine(self) -> Steps[list[Entry]]:
        """What was given to us and is not held: its reply was lost."""
        after, found = "0", list[Entry]()
        while entries := entries_of((yield *self._read(), "STREAMS", self._key, after)):
            strange = [entry for entry in entries if entry[0] not in self.held]
            trimmed = [cursor for cursor, fields in strange if not fields]
            self._missed(len(trimmed))
            if trimmed:
                yield "XACK", self._key, self._group, *trimmed
            found += [entry for entry in strange if entry[1]]
            after = entries[-1][0]
        return found

    def _remember(self) -> None:
        """If the group is lost, it begins anew before the oldest that is held."""
        self._place = before(min(self.held, key=place)) if self.held else self._newest


def before(cursor: str) -> str:
    """The cursor right before this one."""
    ms, number = place(cursor)
    return f"{ms}-{number - 1}" if number else f"{max(0, ms - 1)}-{LAST if ms else 0}"

"""What one process has learnt of dwell times: the fleet's pages as last read, and its own notes that are not yet sent.

Notes are kept here for a while and sent with a settlement, one page at a time, so that learning costs neither a round trip
nor much of Redis' time; a process that dies takes seconds of notes with it. What is read is believed together with what is
not sent yet, so nobody waits for its own experience.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from fleetpoll.cadence.ages import bucket_at, shares
from fleetpoll.cadence.dwell import DEFINITION, Dwell, Group, Groups, ageless, drawn
from fleetpoll.jobs import JobStatus

PAGES_READ = 20
"""How many pages are asked for with a settlement, of groups that this process meets for the first time."""
PAGES_SENT, PAGES_WAITING = 5, 1_000
"""How many pages are sent with a settlement at most, and how many have to wait for each that is sent beside the first."""
PAGES_KEPT = 6_000
"""Of how many groups a process keeps pages; the definitions that it has sent or met first are forgotten first."""
STALE_S = 2.0
"""For how long a hazard is used before the counts are looked at again."""


@dataclass(slots=True)
class Page:
    """One group: what the fleet knew when it was last read, and what we have noted since."""

    read: Dwell = field(default_factory=Dwell)
    notes: Dwell = field(default_factory=Dwell)
    line: dict[Group, None] | None = None  # where the notes stand in line to be sent, if there are any

    def believed(self, kept: float) -> Dwell:
        """What was read and what was noted."""
        together = self.read.copy()
        together.learn(self.notes, kept)
        return together


class Hazard(NamedTuple):
    """What the counts came to, and when they were looked at."""

    at_s: float
    by_bucket: tuple[float, ...]
    known: float


class Homework(NamedTuple):
    """What is to go with a settlement: notes to add to the fleet's pages, and groups to read."""

    notes: dict[Group, Dwell]
    read: list[Group]


class Notebook:
    """The pages of the groups that a process meets. `now_s` is the monotonic time, set by whoever works with it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._pages: dict[Group, Page] = {}
        self._hazards: dict[tuple[Group, ...], Hazard] = {}  # of groups from the most general on, as many levels as wanted
        self._unread: dict[Group, None] = {}
        self._turn = False
        # Groups with notes, those that wait for longest first. They take turns: the ends of runs decide most.
        self._ended: dict[Group, None] = {}
        self._others: dict[Group, None] = {}

    def note(self, groups: Groups, from_s: float, to_s: float, *, left: bool) -> None:
        """A job of these groups was in their status from one age to another, and left it then, or did not."""
        if from_s >= to_s and not left:  # it has just come, or clocks differ: nothing to tell
            return
        at_risk, left_in = shares(from_s, to_s), bucket_at(to_s) if left else None
        line = self._ended if left and groups[0].status is JobStatus.RUNNING else self._others
        for group in groups:
            page = self._page(group)
            page.notes.count(at_risk, left_in)
            if page.line is not line and page.line is not self._ended:
                self._others.pop(group, None)
                line[group] = None
                page.line = line

    def hazards(self, groups: Groups) -> tuple[float, ...]:
        """The chance of leaving the status, a second, by age bucket."""
        return self._hazard(groups).by_bucket

    def known(self, groups: Groups) -> float:
        """How many exits from the status are remembered, of whichever jobs."""
        return self._hazard(groups).known

    def homework(self) -> Homework:
        """What is to go with the next settlement. The notes in it are believed to have arrived."""
        notes = {}
        waiting = len(self._ended) + len(self._others)
        for _ in range(min(waiting, PAGES_SENT, 1 + waiting // PAGES_WAITING)):
            self._turn = not self._turn
            group = self._next()
            page = self._pages[group] = self._pages.pop(group)  # to the end: it is in use
            notes[group], page.notes, page.line = page.notes, Dwell(), None
            page.read.learn(notes[group], group.exits_kept)
        read = [group for group in islice(self._unread, PAGES_READ) if group not in notes]
        for group in read:  # what is asked for in vain does not stand before others
            self._unread[group] = self._unread.pop(group)
        return Homework(notes, read)

    def _next(self) -> Group:
        """The group whose notes are sent next."""
        waiting = (self._ended or self._others) if self._turn else (self._others or self._ended)
        group = next(iter(waiting))
        del waiting[group]
        return group

    def absorb(self, pages: Mapping[Group, Dwell]) -> None:
        """Pages as they stand in Redis now."""
        for group, dwell in pages.items():
            self._unread.pop(group, None)
            self._page(group).read = dwell

    def _page(self, group: Group) -> Page:
        page = self._pages.get(group)
        if page is None:
            if len(self._pages) >= PAGES_KEPT:
                self._forget_one()
            page = self._pages[group] = Page()
            self._unread.setdefault(group)
        return page

    def _forget_one(self) -> None:
        old = next((group for group in self._pages if group.level == DEFINITION), None)
        if old is not None:
            for place in (self._pages, self._unread, self._ended, self._others):
                place.pop(old, None)
        if len(self._hazards) > PAGES_KEPT:
            self._hazards.clear()

    def _hazard(self, groups: tuple[Group, ...]) -> Hazard:
        found = self._hazards.get(groups)
        if found is None or self.now_s - found.at_s > STALE_S:
            *above, group = groups
            general = self._hazard(tuple(above)) if above else None
            dwell = self._page(group).believed(group.exits_kept)
            hazards = drawn(dwell, general.by_bucket if general else ageless(dwell))
            found = self._hazards[groups] = Hazard(self.now_s, hazards, general.known if general else dwell.known)
        return found

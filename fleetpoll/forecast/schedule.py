"""The schedule in virtual time: all jobs that are not leased, by when they are due, and claims by the rules of claim.lua."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import NamedTuple

from fleetpoll.cadence.policy import IDS_PER_CALL
from fleetpoll.forecast.lives import Job

UNKNOWN_S = 0.01
"""The delay of a job that nobody has looked at yet, as claim.lua takes it."""
PART_MAX = 2_000
"""Entries of a list, which an insertion moves about."""


class Entry(NamedTuple):
    """A job in the schedule. The number tells entries apart that are due at the same moment."""

    due_s: float
    number: int
    job: Job
    delay_s: float  # what was planned


@dataclass(frozen=True, slots=True)
class Lease:
    """Jobs that are lent to a worker, those that were due first."""

    entries: list[Entry]
    asked_s: float

    @property
    def due_s(self) -> float:
        """When the oldest was due."""
        return self.entries[0].due_s

    @property
    def overdue_s(self) -> float:
        """For how long it was."""
        return max(0.0, self.asked_s - self.due_s)


class Schedule:
    """Jobs by when they are due, in order: a list of short lists, so that a million cost no more than ten thousand.

    `_edges` are the moments that part them: what is due at one is behind it.
    """

    def __init__(self) -> None:
        self._parts: list[list[Entry]] = [[]]
        self._edges: list[float] = []
        self._number = 0

    def add(self, job: Job, due_s: float, delay_s: float = UNKNOWN_S) -> None:
        """A job is due at a moment, `delay_s` after that was planned."""
        self._number += 1
        entry = Entry(due_s, self._number, job, max(UNKNOWN_S, delay_s))
        place = bisect_right(self._edges, due_s)
        part = self._parts[place]
        insort(part, entry)
        if len(part) > PART_MAX:
            self._parts[place : place + 1] = part[: PART_MAX // 2], part[PART_MAX // 2 :]
            self._edges.insert(place, part[PART_MAX // 2].due_s)

    def claim(self, now_s: float, patience_s: float) -> Lease | float:
        """Jobs for a call, topped up with those whose delay is over most nearly; or how long until it may be worth one."""
        entries = self._soonest(3 * IDS_PER_CALL)
        due = min(IDS_PER_CALL, bisect_right(entries, now_s, key=_due_s))
        if due == IDS_PER_CALL:
            return self._lend(entries, now_s)
        early_s = entries[0].due_s + patience_s - now_s if entries else math.inf
        if early_s > 0:
            return early_s
        until = due + 2 * IDS_PER_CALL
        later = sorted(entries[due:until], key=lambda entry: (entry.due_s - now_s) / entry.delay_s)
        entries[due:until] = later[: IDS_PER_CALL - due] + sorted(later[IDS_PER_CALL - due :])
        return self._lend(entries, now_s)

    def drop(self, jobs: int, rng: Random) -> int:
        """Forget some of the jobs, picked at random. Returns how many."""
        entries = list(chain.from_iterable(self._parts))
        kept = max(0, len(entries) - jobs)
        self._parts, self._edges = [sorted(rng.sample(entries, kept))], []
        return len(entries) - kept

    def _soonest(self, count: int) -> list[Entry]:
        """The first part, made so long if there are so many."""
        while len(self._parts) > 1 and len(self._parts[0]) < count:
            self._parts[0] += self._parts.pop(1)
            del self._edges[0]
        return self._parts[0]

    def _lend(self, entries: list[Entry], now_s: float) -> Lease:
        lease = Lease(entries[:IDS_PER_CALL], now_s)
        del entries[:IDS_PER_CALL]
        return lease


def _due_s(entry: Entry) -> float:
    return entry.due_s

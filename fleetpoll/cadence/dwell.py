"""How long jobs stay in a status, as counts: for each age bucket, how many left and how long jobs were at risk of it.

A job that is still there counts as well, with its time at risk (its dwell is right-censored), and one that is met midway
counts from then on (left-truncated), so that exits / time at risk is an honest hazard from the first look on.

Counts are kept for groups of jobs, on three levels: all jobs in a status, those of one queue, those of one definition,
whatever its revision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from fleetpoll.cadence.ages import BUCKETS, bucket_at, shares
from fleetpoll.jobs import JobStatus

ALL, QUEUE, DEFINITION = "all", "queue", "definition"
EXITS_KEPT = {ALL: 3_000.0, QUEUE: 3_000.0, DEFINITION: 300.0}
"""So many exits are remembered on each level. A definition that changes its pattern is believed after a tenth of them."""
HALF_LIFE_S = 14 * 86_400.0
"""What has not been seen again for so long is believed half as much."""
STEP = 0.98
"""What is remembered is faded in steps of this, as in learn.lua: a page is not written anew for each exit too many."""
WORTH = 0.5
"""How many exits the word of the level above is worth, in each bucket."""
BLIND_EXITS, BLIND_S = 1.0, 120.0
"""What is believed before anything was seen: one exit in two minutes."""


class Group(NamedTuple):
    """A group of jobs that are counted together. `name` is empty for all jobs."""

    status: JobStatus
    level: str
    name: str = ""

    @property
    def exits_kept(self) -> float:
        """How many exits are remembered of it."""
        return EXITS_KEPT[self.level]

    def __str__(self) -> str:
        """Its one spelling outside of this process."""
        return f"{self.status} {self.level} {self.name}"

    @classmethod
    def read(cls, text: str) -> Group:
        """The group of that spelling. Raises ValueError for what is none."""
        status, level, name = text.split(" ", 2)
        if level not in EXITS_KEPT:
            raise ValueError(f"{text!r} is no group of jobs")
        return cls(JobStatus(status), level, name)


Groups = tuple[Group, Group, Group]
"""The groups that a job belongs to, from the most general to the nearest."""


@lru_cache(maxsize=10_000)  # asked several times for each look
def groups_of(status: JobStatus, queue: str, definition: str) -> Groups:
    """The groups of a job. A new revision of a definition is the same work until it shows otherwise."""
    name, _, revision = definition.rpartition(":")
    return (
        Group(status, ALL),
        Group(status, QUEUE, queue),
        Group(status, DEFINITION, name if name and revision.isdecimal() else definition),
    )


@dataclass(slots=True)
class Dwell:
    """The counts of one group, by bucket: exits, and seconds at risk of one."""

    exits: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)
    at_risk_s: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)

    @property
    def known(self) -> float:
        """How many exits are remembered."""
        return sum(self.exits)

    def note(self, from_s: float, to_s: float, *, left: bool) -> None:
        """A job was in the status from one age to another, and left it then, or did not."""
        self.count(shares(from_s, to_s), bucket_at(to_s) if left else None)

    def count(self, at_risk: Sequence[tuple[int, float]], left_in: int | None) -> None:
        """A job was at risk for so long in these buckets, and left the status in one, or did not."""
        at_risk_s = self.at_risk_s
        for bucket, seconds in at_risk:
            at_risk_s[bucket] += seconds
        if left_in is not None:
            self.exits[left_in] += 1.0

    def copy(self) -> Dwell:
        """The same counts, to go on with."""
        return Dwell(self.exits.copy(), self.at_risk_s.copy())

    def add(self, more: Dwell) -> None:
        """Take in what was counted elsewhere."""
        self.exits = [mine + theirs for mine, theirs in zip(self.exits, more.exits, strict=True)]
        self.at_risk_s = [mine + theirs for mine, theirs in zip(self.at_risk_s, more.at_risk_s, strict=True)]

    def fade(self, keep: float) -> None:
        """Believe everything less, in the proportion `keep`."""
        self.exits = [count * keep for count in self.exits]
        self.at_risk_s = [seconds * keep for seconds in self.at_risk_s]

    def learn(self, more: Dwell, kept: float) -> None:
        """Take in what is new; of more exits than `kept` the rest is forgotten, in steps, as learn.lua does it."""
        self.add(more)
        if self.known * STEP > kept:
            self.fade(kept / self.known)


def hazards(levels: Sequence[Dwell], worth: float = WORTH) -> tuple[float, ...]:
    """The chance of an exit, a second, in each bucket, from the counts of the most general level to the nearest."""
    found = ageless(levels[0])
    for level in levels:
        found = drawn(level, found, worth)
    return found


def ageless(dwell: Dwell) -> tuple[float, ...]:
    """The same hazard at every age: where nothing else is known, no age is told from another."""
    return ((dwell.known + BLIND_EXITS) / (sum(dwell.at_risk_s) + BLIND_S),) * BUCKETS


def drawn(dwell: Dwell, above: Sequence[float], worth: float = WORTH) -> tuple[float, ...]:
    """What the counts of one level say, drawn to the hazards of the level above by `worth` exits a bucket.

    It is the mean of the posterior in a gamma-Poisson model, unless jobs were seen to leave faster than above. A level where
    hardly anybody leaves at that age would then outweigh any number of exits with its years at risk, so the mean is that of
    the logarithms. The two meet where the hazards do.
    """
    counts = zip(dwell.exits, dwell.at_risk_s, above, strict=True)
    return tuple([_drawn(exits, at_risk_s, hazard, worth) for exits, at_risk_s, hazard in counts])


def _drawn(exits: float, at_risk_s: float, above: float, worth: float) -> float:
    if exits <= above * at_risk_s or at_risk_s <= 0:
        return (exits + worth) / (at_risk_s + worth / above)
    return above * math.pow(exits / at_risk_s / above, exits / (exits + worth))

"""What is counted of a fleet in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from fleetpoll.forecast.lives import Job, Sort
from fleetpoll.jobs import STARTED, JobStatus, Snapshot
from fleetpoll.lifetimes.laws import Law, drawn

SURE = 1e-6
"""Of what lasts longer than all but so few, nobody can tell when it ends."""


class Gap(NamedTuple):
    """The time between two looks at a running job, with the chance that its end has fallen into it."""

    seen_s: float
    length_s: float
    chance: float
    lag_s: float  # of an end at a random moment of the gap


class Seen(NamedTuple):
    """A start or an end that was seen, how long after it happened, and of what."""

    at_s: float
    lag_s: float
    sort: Sort


@dataclass(slots=True)
class Tally:
    """What was counted since `since_s`."""

    since_s: float = 0.0
    calls: int = 0
    throttled: int = 0
    ids: int = 0
    overdue_s: float = 0.0  # the sum over calls
    starts: list[Seen] = field(default_factory=list)
    ends: list[Seen] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def look(self, job: Job, found: Snapshot, arrived_s: float, now_s: float, rng: Random) -> None:
        """Count a look at a job that AWS was asked for at `arrived_s`, before it is taken in."""
        if found.status in STARTED and job.known.status not in STARTED and found.started_ms >= found.tracked_ms:
            self.starts.append(Seen(now_s, now_s - job.started_s, job.sort))
        if found.status is JobStatus.SUCCEEDED:
            self.ends.append(Seen(now_s, now_s - job.ended_s, job.sort))
        if found.status in STARTED:
            from_s, to_s = max(0.0, job.looked_s - job.started_s), arrived_s - job.started_s
            chance, end_s = end_between(job.sort.run, from_s, to_s, rng)
            self.gaps.append(Gap(now_s, arrived_s - job.looked_s, chance, now_s - job.started_s - end_s))


def end_between(run: Law, from_s: float, to_s: float, rng: Random) -> tuple[float, float]:
    """The chance that a job which has been running for `from_s` ends before it has for `to_s`, and a moment when it may.

    Every moment since the last look at which a job may have ended speaks for the lag, not only that of its end.
    """
    before, by_then = run.share(from_s), run.share(to_s)
    if by_then <= before or before > 1 - SURE:
        return 0.0, rng.uniform(from_s, to_s)
    end_s = run.at(before + drawn(rng) * (by_then - before))
    return (by_then - before) / (1 - before), min(max(end_s, from_s), to_s)

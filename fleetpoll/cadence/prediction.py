"""When a job will end, by what was learnt of how long such jobs take.

What is left of a status is the hazard's word, given how long the job has been in it. For a job that waits, the stages to
come are added: the sums of all pairs of their quantiles, brought back to as many quantiles, stage by stage. So there is no
chance in it, and the same job is always told the same.

Nothing is said beyond what was ever seen: a quantile that lies behind the last exit that is remembered is not known, and a
job that is older than that has none at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fleetpoll.cadence.ages import BUCKETS, EDGES_S
from fleetpoll.cadence.dwell import Dwell, Group, Groups, groups_of, hazards
from fleetpoll.cadence.hazard import quantile_s
from fleetpoll.cadence.stays import since_ms
from fleetpoll.jobs import JobStatus, Snapshot, seconds

FEW = 5
"""Of fewer exits nothing is foretold."""
WORTH = 0.05
"""How many exits of the level above count in each age bucket, some twenty of which lie before an end: one in all. A cadence
is more careful, but with more the early ends of other definitions would be foretold of this one."""
SHARES = (0.1, 0.5, 0.9)
POINTS = 20
MIDPOINTS = tuple((point + 0.5) / POINTS for point in range(POINTS))
NEAR = 1e-9

AS = {
    JobStatus.SUBMITTED: JobStatus.RUNNABLE,  # for a moment; both are counted from createdAt
    JobStatus.RUNNABLE: JobStatus.RUNNABLE,
    JobStatus.STARTING: JobStatus.STARTING,
    JobStatus.RUNNING: JobStatus.RUNNING,
}
"""The stage that a job is in. One that is PENDING waits for other jobs, or is the parent of an array: who can tell?"""


class Prediction(NamedTuple):
    """By when a job will have ended with a chance of 10, 50 and 90 %, in ms; None: later than any that is remembered.

    `known` is how many exits that rests on, the fewest of its stages.
    """

    p10_ms: int | None
    p50_ms: int | None
    p90_ms: int | None
    known: int

    def public(self) -> dict[str, float | int | None]:
        """The form that users read: epoch seconds."""
        p10, p50, p90 = (seconds(at_ms or 0) for at_ms in self[:3])
        return {"p10": p10, "p50": p50, "p90": p90, "known": self.known}


class Stage(NamedTuple):
    """What is known of a status: its hazard by age, the age of the last exit that is remembered, and how many are."""

    hazards: tuple[float, ...]
    oldest_s: float
    known: float
    level: int  # which level's exits those are

    def left_s(self, age_s: float, share: float) -> float:
        """After how long such a share of the jobs of that age will have left; infinite if nobody has seen that."""
        left_s = quantile_s(self.hazards, age_s, share)
        return left_s if age_s + left_s <= self.oldest_s * (1 + NEAR) else math.inf


def stage_of(levels: Sequence[Dwell]) -> Stage | None:
    """What the counts of a definition say, or if those are few, the level above; from the most general to the nearest."""
    nearest = len(levels) - 1
    return next((stage_at(levels, level) for level in (nearest, nearest - 1) if round(levels[level].known) >= FEW), None)


def stage_at(levels: Sequence[Dwell], level: int) -> Stage:
    """What is known of a status, as far as the exits of one level go."""
    exits = levels[level].exits
    last = max(bucket for bucket in range(BUCKETS) if exits[bucket])
    return Stage(hazards(levels, WORTH), EDGES_S[last + 1], levels[level].known, level)


def summed(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """The sums of all pairs, in order: the quantiles of a sum, if the parts are quantiles and independent."""
    return sorted(one + other for one in first for other in second)


def thinned(values: Sequence[float]) -> list[float]:
    """`POINTS` midpoint quantiles of values in order, as many times as many."""
    return [quantile(values, share) for share in MIDPOINTS]


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of values in order, each of which is the midpoint of an equal part; infinite beside an infinite one."""
    place = min(max(share * len(values) - 0.5, 0.0), len(values) - 1.0)
    low = int(place)
    if place == low:
        return values[low]
    return values[low] + (values[low + 1] - values[low]) * (place - low) if values[low + 1] < math.inf else math.inf


@dataclass(frozen=True, slots=True)
class Oracle:
    """Foretells when jobs will end, by the `pages` of what was learnt until `now_ms`."""

    pages: Mapping[Group, Dwell]
    now_ms: int
    _stages: dict[Groups, Stage | None] = field(default_factory=dict)
    _to_come: dict[Groups, list[float]] = field(default_factory=dict)

    def end_of(self, job: Snapshot) -> Prediction | None:
        """When a live job will have ended; None if too little is known, or nobody can tell what it waits for."""
        status = AS.get(job.status)
        if status is None:
            return None
        stage, running = self._stage(status, job), self._stage(JobStatus.RUNNING, job)
        if stage is None or running is None:
            return None
        age_s = max(0, self.now_ms - since_ms(job)) / 1000
        if status is JobStatus.RUNNING:
            lefts_s = [stage.left_s(age_s, share) for share in SHARES]
        else:
            waits_s = [stage.left_s(age_s, share) for share in MIDPOINTS]
            ends_s = summed(waits_s, self._to_come_s(status, stage, running, job))
            lefts_s = [quantile(ends_s, share) for share in SHARES]
        p10, p50, p90 = (None if math.isinf(left_s) else self.now_ms + round(left_s * 1000) for left_s in lefts_s)
        return Prediction(p10, p50, p90, round(min(stage.known, running.known)))

    def _to_come_s(self, status: JobStatus, stage: Stage, running: Stage, job: Snapshot) -> list[float]:
        """The quantiles of the stages after `status`."""
        groups = _groups(status, job)
        if groups not in self._to_come:
            runs_s = [running.left_s(0.0, share) for share in MIDPOINTS]
            levels = self._levels(JobStatus.STARTING, job)
            if status is JobStatus.RUNNABLE and levels[stage.level].known:
                runs_s = thinned(summed(starts_s(stage_at(levels, stage.level), stage.known), runs_s))
            self._to_come[groups] = runs_s
        return self._to_come[groups]

    def _stage(self, status: JobStatus, job: Snapshot) -> Stage | None:
        groups = _groups(status, job)
        if groups not in self._stages:
            self._stages[groups] = stage_of(self._levels(status, job))
        return self._stages[groups]

    def _levels(self, status: JobStatus, job: Snapshot) -> list[Dwell]:
        return [self.pages.get(group) or Dwell() for group in _groups(status, job)]


def _groups(status: JobStatus, job: Snapshot) -> Groups:
    return groups_of(status, job.job_queue, job.job_definition)


def starts_s(starting: Stage, runnable: float) -> list[float]:
    """The quantiles of the time in STARTING, where `runnable` jobs have left RUNNABLE.

    Looks often miss STARTING, and what was counted as RUNNABLE has then lasted until the start: so it is nothing as often.
    """
    share = min(1.0, starting.known / runnable)
    return [0.0 if point < 1 - share else starting.left_s(0.0, (point - 1 + share) / share) for point in MIDPOINTS]

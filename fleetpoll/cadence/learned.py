"""The price of a look: when to look again, if the fleet knows how long such jobs take.

A look costs a hundredth of a call. Between looks, lag piles up that nobody has noticed: if S(t) is the chance that the job
is still in its status t seconds from now, the lag of what it has left by then is L(t) = ∫₀ᵗ (1 - S). So look again when

    w · L(d) = price

with one price for the whole fleet; w weighs what users wait for. For a constant hazard λ that gives d = √(2·price/(w·λ)): in
proportion to the square root of the hazard, the known optimum of refreshing (Cho & Garcia-Molina, Effective page refresh
policies, TODS 2003) and of inspection (Keller, Optimum checking schedules, Management Science 1974).

The price is what makes demand meet the allowance. A fleet affords looks that are a sweep apart on average, J/(100·R), and
the mean delay over looks, with 0 for a look that saw an end, is J over the looks a second that are asked for (Little's law).
So each call tells by how much the demand is off, before the schedule is overdue or a token unused:

    price = p · rhythm²,   rhythm = max(sweep, freshness)
    Δ ln p = κ · n/J · 2 · (1 - Σ delay / Σ rhythm),   over the n jobs of the call

p depends only on what kind of jobs there are: when J or R jumps, the square of the sweep follows at once, and nothing rings.
Where workers cannot make the calls that they are granted, the overdue schedule tells, and the rhythm is taken as longer.
While the allowance is not the bottleneck, the rhythm is `freshness`: knowing sooner is not worth more calls than that.

Three guards. No job waits longer than `GUARD` rhythms, nor for longer than the rate can be relied upon. One that has not
started is looked at before a job of its definition could have run and ended unseen. And as long as few exits were seen, the
delay is the even sweep's, in proportion to what is not known (as a geometric mean).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from fleetpoll.backoff import exponential_delay
from fleetpoll.cadence.dwell import Groups, groups_of
from fleetpoll.cadence.elastic import tries_at
from fleetpoll.cadence.hazard import quantile_s, wait_s
from fleetpoll.cadence.policy import WAITING, Allowed, Cadence, Standing
from fleetpoll.jobs import JobStatus

GUARD = 4.0
"""No job waits for longer than so many rhythms: what was never seen to end early may do so yet."""
HORIZON_S = 1_800.0
"""Nor for longer than this, or than is fresh enough: a rate that has dipped will be another by then."""
LEAST_S = 0.3
"""And none for less than this: a call takes as long, and a job that should have ended long ago is not to be hammered."""
SOON_SHARE = 0.1
"""So many jobs of a definition run for less than the time that a waiting one is left alone."""
WAITING_SHARE = 0.9
"""And if that is very short, it is looked at in this part of a rhythm."""
ENOUGH = 30.0
"""With so many exits seen in a status, half of a delay is what was learnt."""
KAPPA = 0.25
"""How much of what the demand is off is made good within a sweep. Delays that are planned already last about as long."""
STEP_MIN = -2.0
"""A call's word on the demand is cut to this: a few that look far ahead do not decide."""
OVERDUE_FREE, OVERDUE_GAIN, RHYTHM_MAX = 0.05, 4.0, 2.0
"""An overdue schedule lengthens the rhythm, beyond so much of it, by so many times, and to so many times at most."""
LEAD_SHARE = 0.5
"""And not claimed by more than so much of a rhythm before its look: a pause of the bucket is not the rule."""
JITTER = (0.95, 1.05)
PRICE_USUAL = -6.5
"""About where ln p comes to rest while most jobs run. Where looks are dearer than that, those who wait give way."""
PRICE_START, PRICE_MIN, PRICE_MAX = -8.0, -16.0, 4.0
"""ln p where nobody knows it yet, and its bounds. Too low a price only makes the schedule overdue, which then sweeps."""


class Knowledge(Protocol):
    """What is known of dwell times."""

    def hazards(self, groups: Groups) -> tuple[float, ...]:
        """The chance of leaving a status, a second, by age bucket."""

    def known(self, groups: Groups) -> float:
        """How many exits from the status are remembered, of whichever jobs."""


class Sort(NamedTuple):
    """What is known of the jobs of one kind, in one status, of one queue and definition."""

    sure: float  # how much of a delay is to be what was learnt
    laws: tuple[tuple[float, tuple[float, ...]], ...]  # each status that such a job may be in: its weight, its hazards
    unseen_s: float  # a job that waits may be left alone for so long, whatever the rhythm


@dataclass(slots=True)
class Learned(Cadence):
    """The law for the jobs of one call. Jobs are claimed `lead_s` before their look, because tokens are waited for."""

    allowed: Allowed
    knowledge: Knowledge
    weights: Mapping[str, float]  # of leaving a status; one without a weight is looked at blindly
    price: float  # ln p
    lead_s: float = 0.0
    overdue_s: float = 0.0
    looks: int = 0
    planned_s: float = 0.0
    wanted_s: float = 0.0
    # What is the same for all jobs of the call, or for all of a sort: there are a hundred jobs and few sorts.
    _sweep_s: float = field(init=False)
    _rhythm_s: float = field(init=False)
    _longest_s: float = field(init=False)
    _sorts: dict[tuple[JobStatus, str, str], Sort] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Look up what is the same for all jobs."""
        a = self.allowed
        self._sweep_s, self._rhythm_s, self._longest_s = a.sweep_s, a.rhythm_s, max(HORIZON_S, GUARD * a.freshness_s)

    def delay_s(self, job: Standing, rng: Random) -> float:
        """How long to wait before the next look."""
        rhythm_s = self.rhythm_s(job)
        longest_s = min(GUARD * rhythm_s, self._longest_s)
        delay_s = min(max(self._asked_s(job, rhythm_s, rng), LEAST_S), longest_s)
        if job.status in self.weights:  # the others do not go by the price
            self._count(delay_s, min(rhythm_s, longest_s))
        return max(0.0, delay_s * rng.uniform(*JITTER) - min(self.lead_s, LEAD_SHARE * rhythm_s))

    def ended(self) -> None:
        """A look that saw an end: there is no delay, and its place in a call is free."""
        self._count(0.0, self._rhythm_s)

    def _count(self, delay_s: float, rhythm_s: float) -> None:
        self.looks, self.planned_s, self.wanted_s = self.looks + 1, self.planned_s + delay_s, self.wanted_s + rhythm_s

    @property
    def price_step(self) -> float:
        """By how much ln p is to move."""
        if not self.looks or not self.allowed.live:
            return 0.0
        late = self.overdue_s / self.allowed.rhythm_s
        wanted_s = self.wanted_s * min(RHYTHM_MAX, 1 + OVERDUE_GAIN * max(0.0, late - OVERDUE_FREE))
        off = max(STEP_MIN, 1 - self.planned_s / wanted_s)
        return KAPPA * min(1.0, self.looks / self.allowed.live) * 2 * off

    def rhythm_s(self, job: Standing) -> float:
        """How far apart looks at such a job are to be on average; where calls are scarce, freshness by status is no more."""
        a = self.allowed
        if job.status not in a.by_status:
            return self._rhythm_s
        spare = max(0.0, 1 - self._sweep_s / a.freshness_s)
        return self._rhythm_s * math.pow(a.fresh_s(job.status, job.seen_s) / a.freshness_s, spare)

    def _asked_s(self, job: Standing, rhythm_s: float, rng: Random) -> float:
        """The delay by the law, as far as enough is known, and for the rest the blind one."""
        blind_s = max(self._sweep_s, min(exponential_delay(tries_at(job.seen_s), rng), rhythm_s))
        if job.status not in self.weights:
            return blind_s
        kind = (job.status, job.queue, job.definition)
        sort = self._sorts.get(kind)
        if sort is None:
            sort = self._sorts[kind] = self._sort(*kind)
        lag_s, longest_s = math.exp(self.price) * rhythm_s**2, GUARD * rhythm_s
        learned_s = min([wait_s(hazards, job.age_s, lag_s / weight, longest_s) for weight, hazards in sort.laws])
        if job.status in WAITING:
            learned_s = min(learned_s, max(self._unseen_s(rhythm_s), sort.unseen_s))
        return math.pow(max(LEAST_S, learned_s), sort.sure) * math.pow(blind_s, 1 - sort.sure)

    def _sort(self, status: JobStatus, queue: str, definition: str) -> Sort:
        """What is known of such jobs."""
        known = self.knowledge.known(groups_of(status, queue, definition))
        # One that is SUBMITTED may have left that long ago, and be about to start.
        statuses = (status, JobStatus.RUNNABLE) if status is JobStatus.SUBMITTED else (status,)
        laws = [(self.weights[at], self.knowledge.hazards(groups_of(at, queue, definition))) for at in statuses]
        unseen_s = 0.0
        if status in WAITING and status is not JobStatus.PENDING:
            running = self.knowledge.hazards(groups_of(JobStatus.RUNNING, queue, definition))
            unseen_s = quantile_s(running, 0.0, SOON_SHARE)
        return Sort(known / (known + ENOUGH), tuple(laws), unseen_s)

    def _unseen_s(self, rhythm_s: float) -> float:
        """How long a job that waits may be left alone at least, so that hardly any starts, runs and ends meanwhile.

        One that is PENDING may be the parent of an array, whose children run while it is, and end next. When looks get dear
        this grows as all delays do: else those that wait, if most do, take more looks than there are, and who runs pays.
        """
        return WAITING_SHARE * rhythm_s * max(1.0, math.exp((self.price - PRICE_USUAL) / 2))

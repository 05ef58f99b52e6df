"""A fleet in virtual time: workers that claim as claim.lua does, wait for tokens, call, and plan by the real cadence.

What is left out: failures of AWS, jobs that it does not know, leases that are lost, and the doorbell.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, Protocol

from fleetpoll.cadence.elastic import Elastic
from fleetpoll.cadence.policy import IDS_PER_CALL, PATIENCE, Allowed, Pace, Standing
from fleetpoll.forecast.lives import Job, Lives
from fleetpoll.forecast.loop import Loop
from fleetpoll.jobs import JobStatus

IDLE_S = 30.0
"""The longest that an idle worker waits before it claims again, unless jobs may wait for longer."""
POLL_S = 0.001
"""The shortest."""

Lease = list[tuple[float, int]]
"""Jobs by number, and when each was due, soonest first."""
Planner = Callable[[Job, float], float]
"""When to look again at a job, now: seconds from now."""


class Grant(Protocol):
    """A token that may be used once `wait_s` has passed, and the rate that is granted now."""

    @property
    def wait_s(self) -> float:
        """How long to wait, in seconds."""

    @property
    def granted(self) -> float:
        """The rate that the cadence plans with, in calls/s."""


class Known(NamedTuple):
    """The grant of a limit that is known."""

    wait_s: float
    granted: float


class Tokens(ABC):
    """Where the fleet's tokens come from, and what becomes of the calls. Here no call is refused."""

    pace_s = math.inf
    """How long the holder of a grant goes by what it has heard."""

    @abstractmethod
    def reserve(self, now_s: float) -> Grant:
        """One token, in debt if need be."""

    def reconsider(self, grant: Any, now_s: float) -> Grant:
        """The grant with what is left of its wait, `pace_s` after it was last heard of."""
        del now_s
        return Known(grant.wait_s - self.pace_s, grant.granted)

    def accepts(self, now_s: float) -> bool:
        """Whether the API accepts the call that arrives now."""
        del now_s
        return True

    def refused(self, grant: Any, now_s: float) -> None:  # noqa: B027 - who refuses nothing has nothing to do
        """The answer is here, and the call was throttled."""


class KnownRate(Tokens):
    """A limit that is known: `rate` calls/s, with the burst that the fleet's bucket has by default."""

    def __init__(self, rate: float, granted: float) -> None:
        self._rate, self._granted, self._tokens, self._at_s = rate, granted, 0.0, 0.0

    def reserve(self, now_s: float) -> Grant:
        """One token, in debt if need be."""
        self._tokens += (now_s - self._at_s) * self._rate
        self._tokens, self._at_s = min(max(1.0, self._rate / 4), self._tokens) - 1.0, now_s
        return Known(max(0.0, -self._tokens / self._rate), self._granted)


class Gap(NamedTuple):
    """The time between two looks at a running job, with the chance that its end has fallen into it."""

    seen_s: float
    length_s: float
    chance: float
    lag_s: float  # of an end at a random moment of the gap


@dataclass(slots=True)
class Tally:
    """What was counted since `since_s`."""

    since_s: float = 0.0
    calls: int = 0
    throttled: int = 0
    ids: int = 0
    ends: list[tuple[float, float]] = field(default_factory=list)  # when an end was seen, and its lag, in seconds
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Habits:
    """How a fleet goes about it."""

    freshness_s: float
    workers: int
    lives: Lives
    latency_s: float = 0.08
    freshness_s_by_status: Mapping[str, float] = field(default_factory=dict)


class Fleet:
    """Workers with one lease in flight each, and one schedule; a job whose end is seen is replaced by a new one."""

    def __init__(self, habits: Habits, tokens: Tokens, loop: Loop, rng: Random) -> None:
        self.habits, self.tokens, self.loop, self.rng = habits, tokens, loop, rng
        self.jobs: list[Job] = []
        self.tally = Tally()
        self._pace = Pace()
        self._schedule: Lease = []  # leased jobs are not in it
        self._patience_s = PATIENCE * habits.freshness_s
        for _ in range(habits.workers):
            loop.after(rng.uniform(0.0, habits.latency_s), self._claim)

    def inherit(self, jobs: int, spread_s: float) -> None:
        """Jobs that have been tracked for long, due within `spread_s`."""
        for _ in range(jobs):
            insort(self._schedule, (self.loop.now_s + self.rng.uniform(0.0, spread_s), len(self.jobs)))
            self.jobs.append(self.habits.lives.amid(self.rng))

    def track(self, jobs: int) -> None:
        """New jobs, due at once."""
        for _ in range(jobs):
            insort(self._schedule, (self.loop.now_s, len(self.jobs)))
            self.jobs.append(self.habits.lives.born(self.loop.now_s, self.rng))

    def recount(self) -> None:
        """Count from now on."""
        self.tally = Tally(self.loop.now_s)

    def planner(self, granted: float) -> Planner:
        """The policy for one settlement: the fleet's cadence."""
        habits, rng, rate = self.habits, self.rng, self._pace.of(granted, self.loop.now_s)
        cadence = Elastic(Allowed(habits.freshness_s, len(self.jobs), rate, habits.freshness_s_by_status))
        return lambda job, now_s: cadence.delay_s(Standing(job.known, now_s - job.changed_s), rng)

    def _claim(self) -> None:
        wait_s = self._worth_s()
        if wait_s > 0:
            self.loop.after(wait_s, self._claim)
            return
        lease = self._schedule[:IDS_PER_CALL]
        del self._schedule[:IDS_PER_CALL]
        self._hold(lease, self.tokens.reserve(self.loop.now_s))

    def _worth_s(self) -> float:
        """How long until a call may be worth making: a hundred jobs are due, or the first has waited long enough."""
        schedule, now_s = self._schedule, self.loop.now_s
        if len(schedule) >= IDS_PER_CALL and schedule[IDS_PER_CALL - 1][0] <= now_s:
            return 0.0
        idle_s = max(IDLE_S, self._patience_s)
        early_s = schedule[0][0] + self._patience_s - now_s if schedule else idle_s
        return min(max(POLL_S, early_s), idle_s) if early_s > 0 else 0.0

    def _hold(self, lease: Lease, grant: Grant) -> None:
        """Wait for the token, and ask again now and then whether its time is still the same."""
        if grant.wait_s <= self.tokens.pace_s:
            self.loop.after(grant.wait_s + self.habits.latency_s / 2, self._arrive, lease, grant)
        else:
            self.loop.after(self.tokens.pace_s, self._reconsider, lease, grant)

    def _reconsider(self, lease: Lease, grant: Grant) -> None:
        self._hold(lease, self.tokens.reconsider(grant, self.loop.now_s))

    def _arrive(self, lease: Lease, grant: Grant) -> None:
        back_s, now_s = self.habits.latency_s / 2, self.loop.now_s
        if self.tokens.accepts(now_s):
            self.loop.after(back_s, self._settle, lease, grant, now_s)
        else:
            self.loop.after(back_s, self._refused, lease, grant)

    def _refused(self, lease: Lease, grant: Grant) -> None:
        """Throttled: the jobs are given back and keep their place."""
        self.tally.throttled += 1
        self.tokens.refused(grant, self.loop.now_s)
        for _, number in lease:
            insort(self._schedule, (lease[0][0], number))
        self._claim()

    def _settle(self, lease: Lease, grant: Grant, arrived_s: float) -> None:
        plan, now_s = self.planner(grant.granted), self.loop.now_s
        for _, number in lease:
            insort(self._schedule, (now_s + self._look(number, arrived_s, plan), number))
        self.tally.calls += 1
        self.tally.ids += len(lease)
        self._claim()

    def _look(self, number: int, arrived_s: float, plan: Planner) -> float:
        """Take in what the answer says of one job. Returns how long to wait before the next look."""
        job, now_s = self.jobs[number], self.loop.now_s
        status = job.status_at(arrived_s)
        self._count(job, arrived_s)
        job.looked_s = arrived_s
        if status is JobStatus.SUCCEEDED:
            self.tally.ends.append((now_s, now_s - job.moves_s[-1]))
            self.jobs[number] = self.habits.lives.born(now_s, self.rng)
            return 0.0
        job.looks += 1
        if status is not job.known:
            job.known, job.changed_s, job.looks = status, now_s, 0
        return plan(job, now_s)

    def _count(self, job: Job, arrived_s: float) -> None:
        """Every moment since the last look at which the job may have ended speaks for the lag, not only that of its end."""
        running_s, lives, now_s = job.moves_s[2], self.habits.lives, self.loop.now_s
        if arrived_s <= running_s:
            return
        from_s, to_s = max(0.0, job.looked_s - running_s), arrived_s - running_s
        chance = lives.chance(from_s, to_s)
        if chance > 0:
            from_s, to_s = max(from_s, lives.min_s), min(to_s, lives.max_s)
        end_s = running_s + self.rng.uniform(from_s, to_s)
        self.tally.gaps.append(Gap(now_s, arrived_s - job.looked_s, chance, now_s - end_s))

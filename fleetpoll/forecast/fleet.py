"""A fleet in virtual time: workers that claim as claim.lua does, wait for tokens, call, and plan by the real cadence.

What is left out: failures of AWS, jobs that it does not know, leases that are lost, and the doorbell. All workers share what
one of them has learnt at once; of notes as many go into the fleet's pages with a call as with a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from fleetpoll.cadence.choice import Choice
from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.cadence.learned import PRICE_MAX, PRICE_MIN, PRICE_START
from fleetpoll.cadence.policy import Cadence
from fleetpoll.cadence.stays import standing
from fleetpoll.forecast.lives import Job, Population, wall_ms
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.schedule import Lease, Schedule
from fleetpoll.forecast.tally import Tally
from fleetpoll.forecast.tokens import Grant, Tokens
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.settings import Settings

IDLE_S = 30.0
"""The longest that an idle worker waits before it claims again, unless jobs may wait for longer."""
POLL_S = 0.001
"""The shortest."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a fleet goes about it, and what it has learnt before."""

    freshness_s: float
    workers: int
    lives: Population
    latency_s: float = 0.08
    freshness_s_by_status: Mapping[str, float] = field(default_factory=dict)
    cadence: Literal["learned", "elastic", "even"] = "learned"
    weights: Mapping[str, float] = field(default_factory=dict)
    pages: Mapping[Group, Dwell] = field(default_factory=dict)
    price: float | None = None  # ln p of a look; None: nobody knows it yet

    def choice(self) -> Choice:
        """The cadence, as a worker has it."""
        by_status, weights = dict(self.freshness_s_by_status), dict(self.weights)
        settings = Settings(cadence=self.cadence, freshness=self.freshness_s, freshness_by_status=by_status, weights=weights)
        choice = Choice(settings)
        choice.notebook.absorb({group: dwell.copy() for group, dwell in self.pages.items()})
        return choice


class Fleet:
    """Workers with one lease in flight each, and one schedule; a job whose end is seen is replaced by a new one."""

    def __init__(self, habits: Habits, tokens: Tokens, loop: Loop, rng: Random) -> None:
        self.habits, self.tokens, self.loop, self.rng = habits, tokens, loop, rng
        self.lives = habits.lives
        self.live = 0
        self.price = habits.price
        self.tally = Tally()
        self._choice = habits.choice()
        self._schedule = Schedule()
        for _ in range(habits.workers):
            loop.after(rng.uniform(0.0, habits.latency_s), self._claim)

    def inherit(self, jobs: int, granted: float) -> None:
        """Jobs that others have tracked until now, each somewhere between two looks as they are planned at that rate."""
        self.live += jobs
        now_s = self.loop.now_s
        cadence = self._choice.cadence(self._choice.allowed(self.live, granted, now_s), self.price, 0.0, 0.0)
        for _ in range(jobs):
            job = self.lives.amid(now_s, self.rng)
            delay_s = self.delay_s(job, cadence)
            self._schedule.add(job, now_s + self.rng.uniform(0.0, delay_s), delay_s)

    def track(self, jobs: int, lives: Population | None = None, *, replaced: bool = True) -> None:
        """New jobs, due at once, of the fleet's population or of another."""
        for _ in range(jobs):
            job = (lives or self.lives).born(self.loop.now_s, self.rng)
            job.replaced = replaced
            self._schedule.add(job, self.loop.now_s)
        self.live += jobs

    def meet(self, jobs: int) -> None:
        """Jobs amid their lives that nobody has tracked until now, due at once."""
        for _ in range(jobs):
            job = self.lives.amid(self.loop.now_s, self.rng)
            job.known, job.looks = Snapshot(tracked_ms=wall_ms(self.loop.now_s)), 0
            self._schedule.add(job, self.loop.now_s)
        self.live += jobs

    def untrack(self, jobs: int) -> None:
        """Forget some jobs that are not leased, whichever."""
        self.live -= self._schedule.drop(jobs, self.rng)

    def recount(self) -> None:
        """Count from now on."""
        self.tally = Tally(self.loop.now_s)

    def delay_s(self, job: Job, cadence: Cadence) -> float:
        """How long to wait before the next look at a job, which was just seen."""
        return cadence.delay_s(standing(job.known, wall_ms(self.loop.now_s)), self.rng)

    def _claim(self) -> None:
        lease = self._schedule.claim(self.loop.now_s, self._choice.patience_s)
        if isinstance(lease, Lease):
            self._hold(lease, self.price, self.tokens.reserve(self.loop.now_s))
        else:
            idle_s = max(IDLE_S, self._choice.patience_s)
            self.loop.after(min(max(POLL_S, lease), idle_s), self._claim)

    def _hold(self, lease: Lease, price: float | None, grant: Grant) -> None:
        """Wait for the token, and ask again now and then whether its time is still the same."""
        if grant.wait_s <= self.tokens.pace_s:
            self.loop.after(grant.wait_s + self.habits.latency_s / 2, self._arrive, lease, price, grant)
        else:
            self.loop.after(self.tokens.pace_s, self._reconsider, lease, price, grant)

    def _reconsider(self, lease: Lease, price: float | None, grant: Grant) -> None:
        self._hold(lease, price, self.tokens.reconsider(grant, self.loop.now_s))

    def _arrive(self, lease: Lease, price: float | None, grant: Grant) -> None:
        back_s, now_s = self.habits.latency_s / 2, self.loop.now_s
        if self.tokens.accepts(now_s):
            self.loop.after(back_s, self._settle, lease, price, grant, now_s)
        else:
            self.loop.after(back_s, self._refused, lease, grant)

    def _refused(self, lease: Lease, grant: Grant) -> None:
        """Throttled: the jobs are given back and keep their place."""
        self.tally.throttled += 1
        self.tokens.refused(grant, self.loop.now_s)
        for entry in lease.entries:
            entry.job.planned_ms = 0
            self._schedule.add(entry.job, lease.due_s)
        self._claim()

    def _settle(self, lease: Lease, price: float | None, grant: Grant, arrived_s: float) -> None:
        now_s, choice = self.loop.now_s, self._choice
        allowed = choice.allowed(self.live, grant.granted, now_s)
        cadence = choice.cadence(allowed, price, now_s - lease.asked_s, lease.overdue_s)
        for entry in lease.entries:
            self._look(entry.job, arrived_s, cadence)
        self._learn(cadence.price_step)
        self.tally.calls += 1
        self.tally.ids += len(lease.entries)
        self.tally.overdue_s += lease.overdue_s
        self._claim()

    def _learn(self, price_step: float) -> None:
        """As learn.lua: move the price that all go by, and turn some notes into what is known."""
        price = PRICE_START if self.price is None else self.price
        self.price = min(max(price + price_step, PRICE_MIN), PRICE_MAX)
        self._choice.notebook.homework()

    def _look(self, job: Job, arrived_s: float, cadence: Cadence) -> None:
        """Take in what the answer says of one job, and plan its next look."""
        now_s = self.loop.now_s
        now_ms, found = wall_ms(now_s), job.described(arrived_s, now_s)
        self.tally.look(job, found, arrived_s, now_s, self.rng)
        self._choice.note(job.known, found, job.planned_ms, now_ms)
        if found.status is JobStatus.SUCCEEDED:
            cadence.ended()
            self.live -= 1
            if job.replaced:
                self.track(1)
            return
        job.looks = job.looks + 1 if found is job.known else 0
        job.known, job.looked_s, job.planned_ms = found, arrived_s, now_ms
        delay_s = self.delay_s(job, cadence)
        self._schedule.add(job, now_s + delay_s, delay_s)

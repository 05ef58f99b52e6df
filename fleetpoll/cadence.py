"""When to look at a job again. Pure: no clock, no I/O, the randomness is passed in.

Airflow's hook lets every task back off by itself: after n looks it waits U(base/3, base), base = min(600, 1 + (0.6·n)²).
A fleet knows what no task can know, the number of live jobs J and the rate R that is granted now, hence how long one
sweep over all of them takes, and bends that curve to what the allowance affords:

    sweep   = J / (100 · R)
    floor   = 0.5 · sweep   for a job that may end next, 0.9 · sweep for one that waits to be started
    ceiling = max(freshness, floor)
    delay   = min( max( U(base/3, base), floor ),  ceiling · U(0.8, 1.2) )

The ceiling keeps old jobs from being forgotten while the allowance lies unused. The floor keeps young jobs from taking
the looks of the others when it does not: each early look at a job that has just moved is taken from one that may have ended,
and an even sweep notices completions after J/(200·R) on average. A job that waits to be started cannot have ended, so it
is looked at less often than one that runs. Both floors are less than a sweep, because the schedule must stay overdue for
calls to be full, and orders what is overdue by its due time.

The number of tries is not stored, it is read off the age: how many looks the hook's curve, left alone, would have
made since the job's last transition. So the curve starts over at each transition, a look that changes nothing writes
nothing, and looks that came late because the fleet was busy do not count twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fleetpoll.backoff import exponential_delay
from fleetpoll.jobs import JobStatus

IDS_PER_CALL = 100
SHARE, SHARE_WAITING = 0.5, 0.9
"""How much of a sweep the floors are: below 1, so that a fleet whose allowance is the bottleneck is always overdue."""
WAITING = frozenset({JobStatus.UNSEEN, JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})
JITTER = (0.8, 1.2)
PATIENCE = 0.1
"""How much of `freshness` a job that is due may wait for others, so that a call carries more ids."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """The policy, for J live jobs and R granted calls per second."""

    freshness_s: float
    live: int
    granted: float

    @property
    def sweep_s(self) -> float:
        """How long the allowance needs to look once at every live job: J / (100 · R)."""
        return self.live / (IDS_PER_CALL * self.granted)

    def floor_s(self, status: JobStatus) -> float:
        """The shortest delay that is worth planning: what the allowance affords."""
        return (SHARE_WAITING if status in WAITING else SHARE) * self.sweep_s

    def ceiling_s(self, status: JobStatus) -> float:
        """The longest delay that is worth planning: what is fresh enough, or what the allowance affords."""
        return max(self.freshness_s, self.floor_s(status))

    def delay_s(self, status: JobStatus, age_s: float, rng: Random) -> float:
        """How long to wait before the next look at a job that has been in `status` for `age_s`, as far as was seen."""
        wanted_s = max(exponential_delay(tries_at(age_s), rng), self.floor_s(status))
        return min(wanted_s, self.ceiling_s(status) * rng.uniform(*JITTER))


def tries_at(age_s: float) -> float:
    """The looks that the hook's curve makes within `age_s` of a transition, about.

    n looks take Σ ⅔·(1 + 0.36·k²) ≈ ⅔·n + 0.08·n³ seconds; this is the inverse by Cardano's formula
    (n³ + 8.33·n = 12.5·age has one real root).
    """
    if age_s <= 0:
        return 0.0
    p, q = 25 / 9, 6.25 * age_s
    root = (q * q + p**3) ** 0.5
    return float((q + root) ** (1 / 3) - (root - q) ** (1 / 3))

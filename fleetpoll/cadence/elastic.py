"""What to do without knowing how long jobs take: the elastic ceiling, and the plain even sweep.

Airflow's hook lets every task back off by itself: after n looks it waits U(base/3, base), base = min(600, 1 + (0.6·n)²).
A fleet knows what no task can know, how long a sweep over all live jobs takes at the rate that is granted, and bends that
curve to what the allowance affords:

    floor   = 0.5 · sweep   for a job that may end next, 0.9 · sweep for one that waits to be started
    ceiling = max(fresh, floor)
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
from fleetpoll.cadence.policy import WAITING, Allowed, Cadence, Standing
from fleetpoll.jobs import JobStatus

SHARE, SHARE_WAITING = 0.5, 0.9
"""How much of a sweep the floors are: below 1, so that a fleet whose allowance is the bottleneck is always overdue."""
JITTER = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Elastic(Cadence):
    """The hook's curve, bent to what the allowance affords."""

    allowed: Allowed

    def floor_s(self, status: JobStatus) -> float:
        """The shortest delay that is worth planning: what the allowance affords."""
        return (SHARE_WAITING if status in WAITING else SHARE) * self.allowed.sweep_s

    def ceiling_s(self, status: JobStatus, seen_s: float = 0.0) -> float:
        """The longest delay that is worth planning: what is fresh enough, or what the allowance affords."""
        return max(self.allowed.fresh_s(status, seen_s), self.floor_s(status))

    def delay_s(self, job: Standing, rng: Random) -> float:
        """How long to wait before the next look."""
        wanted_s = max(exponential_delay(tries_at(job.seen_s), rng), self.floor_s(job.status))
        return min(wanted_s, self.ceiling_s(job.status, job.seen_s) * rng.uniform(*JITTER))


@dataclass(frozen=True, slots=True)
class Even(Cadence):
    """Every job as often as every other, whatever its status and age: as often as is affordable, or fresh enough."""

    allowed: Allowed

    def delay_s(self, job: Standing, rng: Random) -> float:
        """How long to wait before the next look."""
        del job
        return self.allowed.rhythm_s * rng.uniform(*JITTER)


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

"""When to look at a job again. Pure: no clock, no I/O, the randomness is passed in.

Airflow's hook lets every task back off by itself: after n looks it waits U(base/3, base), base = min(600, 1 + (0.6·n)²).
A fleet knows what no task can know, the number of live jobs J and the rate R that is granted now, hence how long one
sweep over all of them takes, and bends that curve to what the allowance affords:

    sweep   = J / (100 · R)
    floor   = 0.5 · sweep   for a job that may end next, 0.9 · sweep for one that waits to be started
    fresh   = how fresh is fresh enough for a job that has been in its status for this long
    ceiling = max(fresh, floor)
    delay   = min( max( U(base/3, base), floor ),  ceiling · U(0.8, 1.2) )

The ceiling keeps old jobs from being forgotten while the allowance lies unused. The floor keeps young jobs from taking
the looks of the others when it does not: each early look at a job that has just moved is taken from one that may have ended,
and an even sweep notices completions after J/(200·R) on average. A job that waits to be started cannot have ended, so it
is looked at less often than one that runs. Both floors are less than a sweep, because the schedule must stay overdue for
calls to be full, and orders what is overdue by its due time.

`fresh` is the setting `freshness`, unless the status has a value of its own. A smaller one holds at once. A larger one is
grown into: a job that has waited for an hour may wait a little more, one that has just come may not, so it is a twentieth
of the age, from `freshness` up to the status's value.

The number of tries is not stored, it is read off the age: how many looks the hook's curve, left alone, would have
made since the job's last transition. So the curve starts over at each transition, a look that changes nothing writes
nothing, and looks that came late because the fleet was busy do not count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
AGE_SHARE = 1 / 20
"""How much more a job that has long been in its status may wait, as a share of how long it has been."""
DIP_HALF_S = 30.0
"""How fast a `Pace` believes that the rate has fallen."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """The policy, for J live jobs and R granted calls per second. `by_status` holds a status's own freshness in seconds."""

    freshness_s: float
    live: int
    granted: float
    by_status: Mapping[str, float] = field(default_factory=dict)

    @property
    def sweep_s(self) -> float:
        """How long the allowance needs to look once at every live job: J / (100 · R)."""
        return self.live / (IDS_PER_CALL * self.granted)

    def floor_s(self, status: JobStatus) -> float:
        """The shortest delay that is worth planning: what the allowance affords."""
        return (SHARE_WAITING if status in WAITING else SHARE) * self.sweep_s

    def fresh_s(self, status: JobStatus, age_s: float) -> float:
        """How fresh is fresh enough for a job that has been in `status` for `age_s`."""
        longest_s = self.by_status.get(status, self.freshness_s)
        return min(longest_s, max(self.freshness_s, AGE_SHARE * age_s))

    def ceiling_s(self, status: JobStatus, age_s: float = 0.0) -> float:
        """The longest delay that is worth planning: what is fresh enough, or what the allowance affords."""
        return max(self.fresh_s(status, age_s), self.floor_s(status))

    def delay_s(self, status: JobStatus, age_s: float, rng: Random) -> float:
        """How long to wait before the next look at a job that has been in `status` for `age_s`, as far as was seen."""
        wanted_s = max(exponential_delay(tries_at(age_s), rng), self.floor_s(status))
        return min(wanted_s, self.ceiling_s(status, age_s) * rng.uniform(*JITTER))


class Pace:
    """The granted rate as the cadence is to take it: a rise counts at once, a fall as it lasts.

    A delay planned at the bottom of a dip would outlast it. Planned too short it costs nothing: the schedule is then
    overdue, and sweeps evenly.
    """

    def __init__(self) -> None:
        self._rate, self._at_s = 0.0, 0.0

    def of(self, granted: float, now_s: float) -> float:
        """The rate to plan with when `granted` calls/s are granted at the monotonic moment `now_s`."""
        faded = self._rate * 0.5 ** ((now_s - self._at_s) / DIP_HALF_S)
        self._rate, self._at_s = max(granted, faded), now_s
        return self._rate


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

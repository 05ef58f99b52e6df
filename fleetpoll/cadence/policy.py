"""What a cadence is: the policy of when to look at a job again, asked anew for every call that was answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from fleetpoll.jobs import JobStatus

IDS_PER_CALL = 100
WAITING = frozenset({JobStatus.UNSEEN, JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})
PATIENCE = 0.1
"""How much of the time between a sweep and `freshness` a due job may wait for others, so that a call carries more ids."""
EAGER_S = 5.0
"""How much too early a call may be made at most, where calls are scarce."""
AGE_SHARE = 1 / 20
"""How much more a job that has long been in its status may wait, as a share of how long it has been."""
DIP_HALF_S = 30.0
"""How fast a `Pace` believes that the rate has fallen."""


class Standing(NamedTuple):
    """Where a job stands when its next look is planned."""

    status: JobStatus
    seen_s: float  # since we saw its last transition, or since it was tracked
    age_s: float = 0.0  # how long it has been in its status, by AWS's own times where they are known
    queue: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a fleet of `live` jobs may do with `granted` calls/s, and how fresh is fresh enough.

    `by_status` holds a status's own freshness. A smaller one holds at once. A larger one is grown into: a job that has
    waited for an hour may wait a little more, one that has just come may not, so it is a twentieth of that time, from
    `freshness_s` up to the status's value.
    """

    freshness_s: float
    live: int
    granted: float
    by_status: Mapping[str, float] = field(default_factory=dict)

    @property
    def sweep_s(self) -> float:
        """How long the allowance needs to look once at every live job: J / (100 · R)."""
        return self.live / (IDS_PER_CALL * self.granted)

    @property
    def rhythm_s(self) -> float:
        """How far apart two looks at a job are on average: what the allowance affords, but not fresher than need be."""
        return max(self.sweep_s, self.freshness_s)

    @property
    def patience_s(self) -> float:
        """How long a due job may wait for company, while calls are not scarce.

        Negative where they are: then no token is left unused because the first job is due only so much later.
        """
        return max(-EAGER_S, PATIENCE * (self.freshness_s - self.sweep_s))

    def fresh_s(self, status: JobStatus, seen_s: float) -> float:
        """How fresh is fresh enough for a job that has been seen in `status` for `seen_s`."""
        longest_s = self.by_status.get(status, self.freshness_s)
        return min(longest_s, max(self.freshness_s, AGE_SHARE * seen_s))


class Cadence(ABC):
    """When to look again at the jobs of one call."""

    @abstractmethod
    def delay_s(self, job: Standing, rng: Random) -> float:
        """How long to wait before the next look at a job, from its last."""

    def ended(self) -> None:  # noqa: B027 - who keeps no account of looks has nothing to note
        """A job of the call needs no next look."""

    @property
    def price_step(self) -> float:
        """By how much the logarithm of the fleet's price is to move, after all jobs of the call were planned."""
        return 0.0


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

"""How long the jobs of a forecast wait and run, and what is known of one of them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from fleetpoll.cadence.elastic import tries_at
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus

STAGES = (JobStatus.PENDING, JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING, JobStatus.SUCCEEDED)
HANDOVER, HANDOVER_MAX_S = (0.01, 0.04), 10.0
RUNNABLE = (0.05, 0.25)
STARTING, STARTING_MAX_S = (0.02, 0.06), 60.0
"""The shares of a run that the stages before it take: those of the simulator's jobs."""

LONGEST_S = 100 * 365 * 86_400.0
"""What takes longer is not forecast: virtual time would have no milliseconds left."""


@dataclass(slots=True)
class Job:
    """One job: when it becomes RUNNABLE, STARTING and RUNNING, and when it ends; and what the fleet has seen of it."""

    moves_s: tuple[float, float, float, float]
    known: JobStatus
    changed_s: float  # when its last transition was seen, or it was tracked
    looked_s: float
    looks: int = 0  # since the last transition

    def status_at(self, moment_s: float) -> JobStatus:
        """What AWS says of it at that moment."""
        return STAGES[bisect_right(self.moves_s, moment_s)]


@dataclass(frozen=True, slots=True)
class Lives:
    """RUNNING lasts U(min_s, max_s); what a job waits before that is a share of another draw, so that it tells nothing."""

    min_s: float
    max_s: float

    def __post_init__(self) -> None:
        """Refuse lives that end before they begin."""
        if not 0 < self.min_s <= self.max_s <= LONGEST_S:
            raise SettingsError(f"Lives of {self.min_s:g} to {self.max_s:g} s are none: give 0 < MIN <= MAX, in seconds.")

    def born(self, now_s: float, rng: Random) -> Job:
        """A job that is submitted and tracked now."""
        like_s = rng.uniform(self.min_s, self.max_s)
        runnable_s = now_s + min(HANDOVER_MAX_S, like_s * rng.uniform(*HANDOVER))
        starting_s = runnable_s + like_s * rng.uniform(*RUNNABLE)
        running_s = starting_s + min(STARTING_MAX_S, like_s * rng.uniform(*STARTING))
        ends_s = running_s + rng.uniform(self.min_s, self.max_s)
        return Job((runnable_s, starting_s, running_s, ends_s), JobStatus.UNSEEN, now_s, now_s)

    def amid(self, rng: Random) -> Job:
        """A job met at a random moment of its life, which is time 0, its statuses seen as they came.

        Who looks at a moment meets the long lives more often, in proportion to their length.
        """
        longest_s = self.max_s * (1 + HANDOVER[1] + RUNNABLE[1] + STARTING[1])
        while True:
            job = self.born(0.0, rng)
            met_s = rng.uniform(0.0, longest_s)
            if met_s < job.moves_s[-1]:
                break
        stage = bisect_right(job.moves_s, met_s)
        since_s = job.moves_s[stage - 1] if stage else 0.0
        runnable_s, starting_s, running_s, ends_s = (moment_s - met_s for moment_s in job.moves_s)
        looks = round(tries_at(met_s - since_s))
        return Job((runnable_s, starting_s, running_s, ends_s), STAGES[stage], since_s - met_s, 0.0, looks)

    def chance(self, from_s: float, to_s: float) -> float:
        """How likely a job that has been running for `from_s` ends before it has for `to_s`."""
        low_s, high_s = max(from_s, self.min_s), min(to_s, self.max_s)
        if high_s < low_s:
            return 0.0
        return (high_s - low_s) / (self.max_s - low_s) if self.max_s > low_s else 1.0

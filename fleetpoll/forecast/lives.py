"""How long the jobs of a forecast wait and run, and what is known of one of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Protocol

import msgspec

from fleetpoll.cadence.elastic import tries_at
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.lifetimes.laws import Law, Uniform

STAGES = (*tuple(JobStatus)[:5], JobStatus.SUCCEEDED)
RUNNING = STAGES.index(JobStatus.RUNNING)
HANDOVER, HANDOVER_MAX_S = (0.01, 0.04), 10.0
RUNNABLE = (0.05, 0.25)
STARTING, STARTING_MAX_S = (0.02, 0.06), 60.0
"""The shares of a run that the stages before it take: those of the simulator's jobs."""

LONGEST_S = 100 * 365 * 86_400.0
"""What takes longer is not forecast: virtual time would have no milliseconds left."""
EPOCH_MS = 10**13
"""Where virtual time begins on AWS's clock: no job is older."""


def wall_ms(moment_s: float) -> int:
    """A moment of virtual time on AWS's clock."""
    return EPOCH_MS + round(moment_s * 1000)


class Sort(Protocol):
    """What jobs that look alike have in common."""

    @property
    def queue(self) -> str:
        """Where they are submitted to."""

    @property
    def definition(self) -> str:
        """What they run."""

    @property
    def run(self) -> Law:
        """How long they run, in seconds."""


@dataclass(slots=True)
class Job:
    """One job: when it leaves each of its stages, and what the fleet has seen of it."""

    sort: Sort
    created_s: float
    moves_s: tuple[float, ...]
    known: Snapshot
    looked_s: float  # when AWS was asked last
    planned_ms: int = 0  # when its next look was planned; 0 is not known
    looks: int = 0  # since the last transition
    replaced: bool = True  # once it has ended

    @property
    def started_s(self) -> float:
        """When it begins to run."""
        return self.moves_s[RUNNING - 1]

    @property
    def ended_s(self) -> float:
        """When it ends."""
        return self.moves_s[-1]

    def described(self, moment_s: float, now_s: float) -> Snapshot:
        """What the fleet will know of it now, when AWS was asked at that moment."""
        stage = bisect_right(self.moves_s, moment_s)
        status, known = STAGES[stage], self.known
        if status is known.status:
            return known
        return msgspec.structs.replace(
            known,
            status=status,
            changed_ms=wall_ms(now_s),
            job_queue=self.sort.queue,
            job_definition=self.sort.definition,
            started_ms=wall_ms(self.started_s) if stage >= RUNNING else 0,
            stopped_ms=wall_ms(self.ended_s) if status.terminal else 0,
            created_ms=wall_ms(self.created_s),
        )


class Population(Protocol):
    """Where the jobs of a fleet come from."""

    def born(self, now_s: float, rng: Random) -> Job:
        """A job that is submitted and tracked now."""

    def amid(self, now_s: float, rng: Random) -> Job:
        """A job met now, at a random moment of its life, its statuses seen as they came."""


def submitted(sort: Sort, lengths_s: Sequence[float], now_s: float) -> Job:
    """A job whose stages last for so long, submitted and tracked now."""
    moves_s = tuple(accumulate(lengths_s, initial=now_s))[1:]
    return Job(sort, now_s, moves_s, Snapshot(tracked_ms=wall_ms(now_s)), now_s)


def met(sort: Sort, lengths_s: Sequence[float], age_s: float, now_s: float) -> Job:
    """The same job met now, at that age."""
    job = submitted(sort, lengths_s, now_s - age_s)
    stage = bisect_right(job.moves_s, now_s)
    since_s = job.moves_s[stage - 1] if stage else job.created_s
    job.known = job.described(now_s, since_s)
    job.looked_s, job.looks = now_s, round(tries_at(now_s - since_s))
    return job


@dataclass(frozen=True, slots=True)
class Lives:
    """RUNNING lasts U(min_s, max_s); what a job waits before that is a share of another draw, so that it tells nothing."""

    min_s: float
    max_s: float
    queue: str = "queue"
    definition: str = "definition:1"

    def __post_init__(self) -> None:
        """Refuse lives that end before they begin."""
        if not 0 < self.min_s <= self.max_s <= LONGEST_S:
            raise SettingsError(f"Lives of {self.min_s:g} to {self.max_s:g} s are none: give 0 < MIN <= MAX, in seconds.")

    @property
    def run(self) -> Uniform:
        """How long jobs run, in seconds."""
        return Uniform(self.min_s, self.max_s)

    def born(self, now_s: float, rng: Random) -> Job:
        """A job that is submitted and tracked now."""
        return submitted(self, self._lengths_s(rng), now_s)

    def amid(self, now_s: float, rng: Random) -> Job:
        """A job met now, at a random moment of its life, its statuses seen as they came.

        Who looks at a moment meets the long lives more often, in proportion to their length.
        """
        longest_s = self.max_s * (1 + HANDOVER[1] + RUNNABLE[1] + STARTING[1])
        while True:
            lengths_s = self._lengths_s(rng)
            age_s = rng.uniform(0.0, longest_s)
            if age_s < sum(lengths_s):
                return met(self, lengths_s, age_s, now_s)

    def _lengths_s(self, rng: Random) -> tuple[float, ...]:
        like_s = rng.uniform(self.min_s, self.max_s)
        return (
            0.0,
            min(HANDOVER_MAX_S, like_s * rng.uniform(*HANDOVER)),
            like_s * rng.uniform(*RUNNABLE),
            min(STARTING_MAX_S, like_s * rng.uniform(*STARTING)),
            rng.uniform(self.min_s, self.max_s),
        )

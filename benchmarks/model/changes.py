"""A fleet on the real bucket while things change: a crowd of new jobs, a limit that is halved, too much to do, more workers.

The cadence is the elastic one, so that what rings is the bucket. Jobs run for U(300, 3600) s and are replaced as they end;
the configured rate is AWS's limit of 10 calls/s. `longest` is the longest time between two looks at a running job, over the
sweep J/(100·R) of that phase; `rings` is by how much that longest time differs from one sweep to the next: its standard
deviation over its mean.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, NamedTuple

from benchmarks.model.aws import Aws
from benchmarks.model.server import Server
from fleetpoll.forecast.estimate import sweep_s, weighted_lags
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.lives import Lives
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.tally import Gap, Tally
from fleetpoll.forecast.tokens import Tokens
from fleetpoll.state.allowance import PACE_S, Allowance, Permit, Refused
from fleetpoll.state.bucket import FleetBucket

RATE, FRESHNESS_S, LIVES = 10.0, 5.0, Lives(300.0, 3_600.0)
PATIENT_S = 3_600.0
"""Nobody is sent away by the bucket here: the fleet of a forecast has no answer to that."""

HEAD = "scene     workers   jobs  limit phase           | calls/s throttled   fill | mean lag mean/bound longest  rings"


class SharedBucket(Tokens):
    """The real bucket, and AWS behind it."""

    pace_s = PACE_S

    def __init__(self, bucket: FleetBucket, aws: Aws) -> None:
        self._bucket, self._aws = bucket, aws

    def reserve(self, now_s: float) -> Permit:
        """A token, booked as the cycle does it."""
        return permitted(self._bucket.reserve(PATIENT_S), now_s)

    def reconsider(self, grant: Permit, now_s: float) -> Permit:
        """The same token, sooner or later than it was promised."""
        return permitted(self._bucket.reconsider(grant), now_s)

    def accepts(self, now_s: float) -> bool:
        """Whether AWS has a token for the call."""
        del now_s
        return self._aws.call()

    def refused(self, grant: Permit, now_s: float) -> None:
        """Slow the fleet down, once per event."""
        del now_s
        self._bucket.penalize(grant.stamp_us)


def permitted(answer: Permit | Refused, now_s: float) -> Permit:
    """The permit; nobody is refused one here."""
    if isinstance(answer, Permit):
        return answer
    raise TypeError(f"refused at {now_s:g} s: {answer}")


class Phase(NamedTuple):
    """A part of a scene: until when, and what happens at its beginning."""

    name: str
    until_s: float
    jobs: int = 0  # tracked at once
    limit: float | None = None  # AWS's from now on


@dataclass(frozen=True, slots=True)
class Scene:
    """A fleet and what happens to it."""

    name: str
    jobs: int
    phases: Sequence[Phase]
    workers: int = 4


SCENES = (
    Scene("crowd", 1_000, (Phase("before", 180), Phase("10,000 more", 240, jobs=10_000), Phase("a minute on", 600))),
    Scene(
        "halved",
        10_000,
        (
            Phase("before", 300),
            Phase("halved", 360, limit=RATE / 2),
            Phase("a minute on", 600),
            Phase("given back", 660, limit=RATE),
            Phase("a minute on", 900),
        ),
    ),
    Scene("overload", 25_000, (Phase("5 times", 600),)),
    *(Scene("workers", jobs, (Phase("steady", 300),), n) for jobs in (1_000, 10_000) for n in (1, 2, 4, 8, 16)),
)
SETTLED_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted in a phase."""

    calls_per_s: float
    throttled: int
    fill: float
    lag_mean_s: float
    lag_over_bound: float
    longest_over_sweep: float
    rings: float


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    del options
    for scene in SCENES:
        for phase, jobs, limit, found in play(scene):
            about = {"scene": scene.name, "workers": scene.workers, "jobs": jobs, "limit": limit, "phase": phase.name}
            yield line(scene, phase, jobs, limit, found), about | asdict(found)


def play(scene: Scene, rate: float = RATE) -> Iterator[tuple[Phase, int, float, Found]]:
    """Run a scene. Yields each phase with its jobs, its limit and what was counted; the first begins when it has settled."""
    loop, rng, limit = Loop(), Random(1), rate
    aws = Aws(loop, rng, rate, rate)
    bucket = Server(loop).bucket(Allowance("DescribeJobs", rate, min(0.5, rate)))
    habits = Habits(FRESHNESS_S, scene.workers, LIVES, cadence="elastic")
    fleet = Fleet(habits, SharedBucket(bucket, aws), loop, rng)
    fleet.inherit(scene.jobs, rate)
    loop.run(SETTLED_SWEEPS * max(FRESHNESS_S, sweep_s(scene.jobs, rate)))
    for phase in scene.phases:
        fleet.recount()
        fleet.track(phase.jobs)
        if phase.limit is not None:
            limit = phase.limit
            aws.change(limit)
        loop.run(phase.until_s)
        jobs = fleet.live
        yield phase, jobs, limit, judged(fleet.tally, phase.until_s, sweep_s(jobs, limit))


def judged(tally: Tally, until_s: float, sweep_s: float) -> Found:
    """The figures of a phase."""
    lags = weighted_lags(tally.gaps)
    lag_s = sum(lag * weight for lag, weight in lags) / sum(weight for _, weight in lags)
    longest = list(longest_by_sweep(tally.gaps, tally.since_s, max(FRESHNESS_S, sweep_s)))
    return Found(
        calls_per_s=tally.calls / (until_s - tally.since_s),
        throttled=tally.throttled,
        fill=tally.ids / tally.calls,
        lag_mean_s=lag_s,
        lag_over_bound=lag_s / (sweep_s / 2),
        longest_over_sweep=max(longest) / sweep_s,
        rings=statistics.pstdev(longest) / statistics.fmean(longest),
    )


def longest_by_sweep(gaps: Sequence[Gap], since_s: float, sweep_s: float) -> Iterator[float]:
    """The longest time between two looks at a running job, in each whole sweep of a phase."""
    longest: dict[int, float] = {}
    for gap in gaps:
        number = int((gap.seen_s - since_s) / sweep_s)
        longest[number] = max(longest.get(number, 0.0), gap.length_s)
    whole = sorted(longest)[:-1] or sorted(longest)
    return (longest[number] for number in whole)


def line(scene: Scene, phase: Phase, jobs: int, limit: float, found: Found) -> str:
    """One line of the table."""
    f = found
    about = f"{scene.name:9} {scene.workers:7} {jobs:6} {limit:6g} {phase.name:15}"
    calls = f"{f.calls_per_s:7.2f} {f.throttled:9} {f.fill:6.1f}"
    lags = f"{f.lag_mean_s:8.2f} {f.lag_over_bound:10.2f} {f.longest_over_sweep:7.2f} {f.rings:6.2f}"
    return f"{about} | {calls} | {lags}"

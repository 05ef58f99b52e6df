"""One account from ten thousand jobs to a million, on the real cadence and the real bucket.

The allowance is 10 calls/s throughout, so the sweep J/(100·R) grows with the jobs, and so do their lives: in sweeps they are
those of the mixes above. The definitions are known, as in a fleet that has long been running. Lags of ends are in parts of
the bound, J/(200·R). Calls take 200 ms, the workers are eight.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from random import Random
from statistics import fmean
from typing import Any, Literal

from benchmarks.model.aws import Aws
from benchmarks.model.changes import SharedBucket
from benchmarks.model.scenes import JOBS, RATE, REGULAR
from benchmarks.model.server import Server
from fleetpoll.forecast.estimate import quantiles, sweep_s
from fleetpoll.forecast.experience import experienced, settled
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.sorts import Sorts
from fleetpoll.forecast.tally import Tally
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Allowance

Cadence = Literal["learned", "elastic"]

SIZES = (10_000, 100_000, 1_000_000)
CADENCES: tuple[Cadence, ...] = ("learned", "elastic")
WORKERS, LATENCY_S, FRESHNESS_S = 8, 0.2, 0.5
BEFORE, COUNTED = 2, 2
"""Sweeps until the rhythm is found, and those that are counted."""
ENOUGH_JOBS = 100_000
"""Smaller fleets are run several times, to see as many ends."""
SLICES = 4
"""A sweep is counted in so many parts: gaps between looks are not kept for longer."""

HEAD = "    jobs mix           cadence  |  bound s  mean s   p99 s | mean/bound p99/bound | calls/s throttled  fill    ends"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A fleet of so many jobs of a mix."""

    jobs: int
    mix: str
    cadence: Cadence

    @property
    def sweep_s(self) -> float:
        """How long it takes to look once at every job."""
        return sweep_s(self.jobs, RATE)

    def population(self) -> Sorts:
        """The jobs of the mix, with lives that are as long in sweeps as at the mix's own size."""
        times = self.jobs / JOBS
        return Sorts.of(*(stretched(kind, times) for kind in MIXES[self.mix]))


UNPREDICTABLE = (Kind(job_definition="varied:1", run_s=150.0, run_sigma=1.0, wait_s=20.0, wait_sigma=1.0),)
MIXES = {"regular": REGULAR, "unpredictable": UNPREDICTABLE}


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted."""

    bound_s: float
    lag_mean_s: float
    lag_p99_s: float
    mean_over_bound: float
    p99_over_bound: float
    calls_per_s: float
    throttled: int
    fill: float
    ends: int


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    for case in cases(options.most):
        found = play(case)
        yield line(case, found), asdict(case) | asdict(found)


def cases(most: int) -> Iterator[Scaled]:
    """All sizes up to the most; of the largest the first mix alone, learned: it takes minutes."""
    for jobs in SIZES:
        combinations = [(mix, cadence) for mix in MIXES for cadence in CADENCES]
        for mix, cadence in combinations if jobs <= ENOUGH_JOBS else combinations[:1]:
            if jobs <= most:
                yield Scaled(jobs, mix, cadence)


def play(case: Scaled) -> Found:
    """Run a fleet for some sweeps, often enough."""
    habits = Habits(
        FRESHNESS_S,
        WORKERS,
        case.population(),
        latency_s=LATENCY_S,
        cadence=case.cadence,
        freshness_s_by_status=Settings().freshness_by_status,
    )
    habits = experienced(habits)
    if case.cadence == "learned":
        habits = replace(habits, price=settled(habits, case.jobs, RATE, case.sweep_s))
    with unswept():
        tallies = [tally for seed in range(max(1, ENOUGH_JOBS // case.jobs)) for tally in run(case, habits, seed)]
    return judged(case, tallies)


def run(case: Scaled, habits: Habits, seed: int) -> Iterator[Tally]:
    """One run. Yields what was counted in each slice; gaps between looks would fill the memory."""
    loop, rng = Loop(), Random(seed)
    bucket = Server(loop).bucket(Allowance("DescribeJobs", RATE, min(0.5, RATE)))
    fleet = Fleet(habits, SharedBucket(bucket, Aws(loop, rng, RATE, RATE)), loop, rng)
    fleet.inherit(case.jobs, RATE)
    loop.run(BEFORE * case.sweep_s)
    for _ in range(COUNTED * SLICES):
        fleet.recount()
        loop.run(loop.now_s + case.sweep_s / SLICES)
        fleet.tally.gaps.clear()
        yield fleet.tally


@contextmanager
def unswept() -> Iterator[None]:
    """No garbage is collected meanwhile: a million jobs that live on are none, and would be looked through over and over."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def judged(case: Scaled, tallies: Sequence[Tally]) -> Found:
    """The figures of all slices."""
    lags_s = [seen.lag_s for tally in tallies for seen in tally.ends]
    calls = sum(tally.calls for tally in tallies)
    bound_s, mean_s, p99_s = case.sweep_s / 2, fmean(lags_s), quantiles([(lag, 1.0) for lag in lags_s])[99]
    return Found(
        bound_s=bound_s,
        lag_mean_s=mean_s,
        lag_p99_s=p99_s,
        mean_over_bound=mean_s / bound_s,
        p99_over_bound=p99_s / bound_s,
        calls_per_s=calls / (len(tallies) * case.sweep_s / SLICES),
        throttled=sum(tally.throttled for tally in tallies),
        fill=sum(tally.ids for tally in tallies) / calls,
        ends=len(lags_s),
    )


def stretched(kind: Kind, times: float) -> Kind:
    """The same kind with lives that many times as long."""
    return Kind(
        job_definition=kind.job_definition,
        share=kind.share,
        run_s=kind.run_s * times,
        run_sigma=kind.run_sigma,
        wait_s=kind.wait_s * times,
        wait_sigma=kind.wait_sigma,
    )


def line(case: Scaled, found: Found) -> str:
    """One line of the table."""
    f = found
    lags = f"{f.bound_s:8.1f} {f.lag_mean_s:7.1f} {f.lag_p99_s:7.1f} | {f.mean_over_bound:10.2f} {f.p99_over_bound:9.2f}"
    about, calls = f"{case.jobs:8} {case.mix:13} {case.cadence:8}", f"{f.calls_per_s:7.2f} {f.throttled:9} {f.fill:5.1f}"
    return f"{about} | {lags} | {calls} {f.ends:7}"

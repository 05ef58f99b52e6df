"""The bucket's law on its own: what it makes of a limit that is halved and given back, and how fast it finds it.

    python -m benchmarks.model law                                  one change at a time from the middle of the grid
    python -m benchmarks.model law --rate 50 --burst 100 --callers 8x8 --ceiling unknown --strays 0.005 --seeds 1
    python -m benchmarks.model law --grid                           every combination; a quarter of an hour

The limit is R, R/2 from 300 s to 600 s, and R again until 900 s. Callers never rest. Use is accepted calls over the limit;
the first minute of the first phase is left out. Throttled are the calls that the limit refused, strays not counted.
`cold` and `up`: seconds until 90 % of the limit is used over 5 s, from the start and from 600 s on. `down`: seconds from
the first refusal after 300 s until a window of 10 s has less than 1 % of them. `-` stands for never.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from random import Random
from typing import Any, NamedTuple

from benchmarks.model.aws import Aws, between
from benchmarks.model.callers import Latency, Process
from benchmarks.model.server import Server
from fleetpoll.forecast.loop import Loop
from fleetpoll.state.allowance import Allowance

HALVED_S, BACK_S, END_S = 300.0, 600.0, 900.0
SETTLED_S = 60.0
RATE_MIN, START = 0.5, 5.0
UNKNOWN = 5.0
"""How many times the limit a ceiling is that says nothing about it."""


class Case(NamedTuple):
    """One line of the table. `ceiling` is the configured rate over the limit R."""

    rate: float = 50.0
    burst: float = 100.0
    callers: str = "8x8"
    ceiling: float = 1.0
    strays: float = 0.0


AXES: dict[str, tuple[Any, ...]] = {
    "rate": (5.0, 20.0, 50.0, 200.0),
    "burst": (10.0, 50.0, 100.0),
    "callers": ("8x8", "8x2", "4x1", "100x1"),
    "ceiling": (1.0, UNKNOWN),
    "strays": (0.0, 0.005),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one run."""

    use_full: float
    use_half: float
    use_back: float
    throttled_full: float
    throttled_half: float
    throttled_back: float
    cold_s: float
    down_s: float
    up_s: float


def run(case: Case, seed: int) -> Found:
    """One run of 900 s of virtual time."""
    loop, rng = Loop(), Random(seed)
    aws = Aws(loop, rng, case.rate, case.burst, strays=case.strays)
    server = Server(loop)
    floor, start = min(RATE_MIN, case.rate), min(START, case.rate)
    allowance = Allowance("DescribeJobs", case.rate * case.ceiling, floor, start=start)
    processes, threads = map(int, case.callers.split("x"))
    for _ in range(processes):
        Process(loop, rng, server.bucket(allowance), aws, Latency(), threads)
    loop.at(HALVED_S, aws.change, case.rate / 2)
    loop.at(BACK_S, aws.change, case.rate)
    loop.run(END_S)
    return judged(aws, case.rate)


def judged(aws: Aws, rate: float) -> Found:
    """The figures of a run."""
    return Found(
        use_full=used_share(aws, SETTLED_S, HALVED_S, rate),
        use_half=used_share(aws, HALVED_S, BACK_S, rate / 2),
        use_back=used_share(aws, BACK_S, END_S, rate),
        throttled_full=throttled_share(aws, SETTLED_S, HALVED_S),
        throttled_half=throttled_share(aws, HALVED_S, BACK_S),
        throttled_back=throttled_share(aws, BACK_S, END_S),
        cold_s=seconds_until_used(aws, 0.9 * rate, 0.0, HALVED_S),
        down_s=seconds_until_calm(aws, HALVED_S, BACK_S),
        up_s=seconds_until_used(aws, 0.9 * rate, BACK_S, END_S),
    )


def used_share(aws: Aws, from_s: float, to_s: float, limit: float) -> float:
    """The calls that were accepted in a span, over what the limit refills in it."""
    return between(aws.accepted, from_s, to_s) / (limit * (to_s - from_s))


def throttled_share(aws: Aws, from_s: float, to_s: float) -> float:
    """The share of the calls of a span that the limit refused."""
    refused = between(aws.throttled, from_s, to_s)
    return refused / max(1, refused + between(aws.accepted, from_s, to_s))


def seconds_until_used(aws: Aws, rate: float, from_s: float, end_s: float, window_s: float = 5.0) -> float:
    """How long after `from_s` a window begins in which so many calls a second are accepted; infinite if none does."""
    starts = (from_s + step / 2 for step in range(round(2 * (end_s - from_s - window_s))))
    reached = (start for start in starts if between(aws.accepted, start, start + window_s) >= rate * window_s)
    return next(reached, float("inf")) - from_s


def seconds_until_calm(aws: Aws, from_s: float, end_s: float, window_s: float = 10.0) -> float:
    """How long after the first refusal a window begins with less than 1 % of them; 0 if there is no refusal."""
    first_s = next((moment for moment in aws.throttled if moment >= from_s), end_s)
    starts = (first_s + step / 2 for step in range(round(2 * max(0.0, end_s - first_s - window_s))))
    calm = (start for start in starts if throttled_share(aws, start, start + window_s) < 0.01)
    return 0.0 if first_s >= end_s else next(calm, float("inf")) - first_s


def one_at_a_time() -> list[Case]:
    """The middle of the grid, and what changes along each axis; each under both ceilings."""
    middle, cases = Case(), dict[Case, None]()
    for axis in ("rate", "burst", "callers", "strays"):
        for value, ceiling in itertools.product(AXES[axis], AXES["ceiling"]):
            cases[middle._replace(**{axis: value, "ceiling": ceiling})] = None
    return list(cases)


def grid(chosen: Mapping[str, Sequence[Any]]) -> Iterator[Case]:
    """Every combination of the values that are chosen for each axis, or of all of an axis that is not named."""
    axes = [chosen.get(axis) or values for axis, values in AXES.items()]
    return (Case(*values) for values in itertools.product(*axes))


def medians(case: Case, seeds: Sequence[int]) -> Found:
    """Each figure's median over the seeds."""
    runs = [astuple(run(case, seed)) for seed in seeds]
    return Found(*(statistics.median(figures) for figures in zip(*runs, strict=True)))


def line(case: Case, found: Found) -> str:
    """One line of the table."""
    ceiling = "R" if case.ceiling == 1 else f"{case.ceiling:g}R"
    shares = "  ".join(f"{100 * use:6.1f}" for use in (found.use_full, found.use_half, found.use_back))
    refused = "  ".join(f"{100 * x:6.2f}" for x in (found.throttled_full, found.throttled_half, found.throttled_back))
    seconds = "  ".join("    -" if s == float("inf") else f"{s:5.1f}" for s in (found.cold_s, found.down_s, found.up_s))
    about = f"{case.rate:5g} {case.burst:5g} {case.callers:>6} {ceiling:>4} {100 * case.strays:5.1f}"
    return f"{about} | {shares} | {refused} | {seconds}"


HEAD = "    R     B callers ceil stray% |  use%:  full    half    back | thr%: full    half    back |  cold   down     up"


def as_json(case: Case, found: Found) -> dict[str, Any]:
    """One line as JSON; infinite times are null."""
    figures = {name: None if value == float("inf") else value for name, value in asdict(found).items()}
    return case._asdict() | figures


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    chosen = {axis: getattr(options, axis) for axis in AXES if getattr(options, axis)}
    if options.grid:
        cases = list(grid(chosen))
    elif chosen:
        cases = list(grid({axis: (value,) for axis, value in Case()._asdict().items()} | chosen))
    else:
        cases = one_at_a_time()
    for case in cases:
        found = medians(case, range(1, options.seeds + 1))
        yield line(case, found), as_json(case, found)

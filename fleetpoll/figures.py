"""What a fleet has done since it began, in numbers that only grow, and what follows from two of them.

Counters and histograms are kept in Redis, fleet-wide: what every reader shows (status, metrics, dashboard, top) is worked
out from the same numbers, and none of them asks a worker. A sample is all of them at one moment; rates and quantiles are
of what came between two samples. Pure: no clock, no I/O.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from fleetpoll.jobs import JobStatus

LAG_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Bounds of how late an end, or a start, is noticed."""
AGE_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Bounds of how old what was known of a job was when a look renewed it."""
CALL_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Bounds of how long AWS took to answer."""


@dataclass(frozen=True, slots=True)
class Totals:
    """DescribeJobs calls since the fleet began. `failures` are those that failed by kind (see errors.AwsError)."""

    calls: int = 0
    throttled: int = 0
    failed: int = 0
    ids: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def fill(self) -> float | None:
        """Ids per answered call; None before the first."""
        return self.ids / self.answered if self.answered > 0 else None

    @property
    def answered(self) -> int:
        """Calls that AWS answered."""
        return self.calls - self.throttled - self.failed


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations counted by bounds in seconds: `counts[i]` are those ≤ `bounds[i]` and above the bound before it.

    The last of the counts, one more than there are bounds, is of those above all of them.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total_s: float = 0.0

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> Histogram:
        """Nothing was counted yet."""
        return cls(bounds, (0,) * (len(bounds) + 1))

    @property
    def count(self) -> int:
        """How many durations there were."""
        return sum(self.counts)

    @property
    def mean_s(self) -> float | None:
        """Their mean, exactly; None without any."""
        return self.total_s / self.count if self.count else None

    def quantile_s(self, share: float) -> float | None:
        """The duration that this share of them does not exceed, as if they lay evenly between two bounds; None without any.

        Of what is above the last bound no more is known than that: the bound is the answer.
        """
        rank, below, lower = share * self.count, 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and below + count >= rank:
                return lower + (bound - lower) * max(0.0, rank - below) / count
            below, lower = below + count, bound
        return lower if self.count else None

    def cumulative(self) -> list[int]:
        """How many did not exceed each bound, and at last how many there were."""
        return list(accumulate(self.counts))

    def since(self, older: Histogram) -> Histogram:
        """What was added after `older`; all of it if that is no beginning of this one, as after a loss of the state."""
        added = tuple(now - then for now, then in zip(self.counts, older.counts, strict=True))
        if min(added) < 0:
            return self
        return Histogram(self.bounds, added, max(0.0, self.total_s - older.total_s))


def bucket_of(bounds: Sequence[float], duration_s: float) -> int:
    """Which of the counts of a histogram with these bounds a duration belongs to."""
    return bisect_left(bounds, duration_s)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a fleet has done since it began."""

    totals: Totals = field(default_factory=Totals)
    lags: Histogram = field(default_factory=lambda: Histogram.empty(LAG_S))  # from stoppedAt, or tracking, to the detection
    start_lags: Histogram = field(default_factory=lambda: Histogram.empty(LAG_S))  # from startedAt, as well
    ages: Histogram = field(default_factory=lambda: Histogram.empty(AGE_S))  # one for each job and look
    durations: Histogram = field(default_factory=lambda: Histogram.empty(CALL_S))  # of answered DescribeJobs calls
    transitions: dict[tuple[JobStatus, JobStatus], int] = field(default_factory=dict)  # before, after
    leases: int = 0  # claims that found jobs
    expired: int = 0  # leases whose time ran out before they were closed: somebody died, hung or was cut off


@dataclass(frozen=True, slots=True)
class Sample:
    """A fleet at one moment (Redis TIME): what it has done by then, and how it stood."""

    at_ms: int
    figures: Figures
    jobs: Mapping[JobStatus, int]
    live: int
    workers: int
    granted: float  # calls/s that the DescribeJobs bucket grants
    configured: float  # calls/s that it may grant at most
    tokens: int  # DescribeJobs tokens granted since the fleet began, and be they given back


@dataclass(frozen=True, slots=True)
class Point:
    """A fleet between two samples: rates per second, lags in seconds (None: nobody ended), the rest as it stood at last."""

    at_ms: int
    granted: float
    configured: float
    tokens_per_s: float
    calls_per_s: float
    throttled_per_s: float
    failed_per_s: float
    looks_per_s: float
    transitions_per_s: float
    lag_p50_s: float | None
    lag_p90_s: float | None
    lag_p99_s: float | None
    age_p50_s: float | None
    age_p99_s: float | None
    jobs: Mapping[JobStatus, int]
    live: int
    workers: int


def points(samples: Iterable[Sample]) -> Iterator[Point]:
    """What happened between each two samples, which are in the order of time: one point fewer than samples."""
    return (point(older, newer) for older, newer in pairwise(samples) if newer.at_ms > older.at_ms)


def point(older: Sample, newer: Sample) -> Point:
    """What happened between two samples. A counter that has fallen began anew, and counts in full."""
    seconds = (newer.at_ms - older.at_ms) / 1000
    then, now = older.figures, newer.figures
    lags, ages = now.lags.since(then.lags), now.ages.since(then.ages)

    def rate(after: int, before: int) -> float:
        return (after - before if after >= before else after) / seconds

    return Point(
        at_ms=newer.at_ms,
        granted=newer.granted,
        configured=newer.configured,
        tokens_per_s=rate(newer.tokens, older.tokens),
        calls_per_s=rate(now.totals.calls, then.totals.calls),
        throttled_per_s=rate(now.totals.throttled, then.totals.throttled),
        failed_per_s=rate(now.totals.failed, then.totals.failed),
        looks_per_s=rate(now.totals.ids, then.totals.ids),
        transitions_per_s=rate(sum(now.transitions.values()), sum(then.transitions.values())),
        lag_p50_s=lags.quantile_s(0.5),
        lag_p90_s=lags.quantile_s(0.9),
        lag_p99_s=lags.quantile_s(0.99),
        age_p50_s=ages.quantile_s(0.5),
        age_p99_s=ages.quantile_s(0.99),
        jobs=newer.jobs,
        live=newer.live,
        workers=newer.workers,
    )

"""A fleet's history as columns of equal length, as a plot takes them: null where nothing is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from fleetpoll.figures import Point, Sample, points
from fleetpoll.jobs import JobStatus

GAP_MS = 30_000
"""Samples further apart than this have nothing known between them."""
POINTS_MAX = 720
FIELDS = {
    "granted": "granted",
    "configured": "configured",
    "tokens": "tokens_per_s",
    "calls": "calls_per_s",
    "throttled": "throttled_per_s",
    "failed": "failed_per_s",
    "looks": "looks_per_s",
    "transitions": "transitions_per_s",
    "lag_p50": "lag_p50_s",
    "lag_p90": "lag_p90_s",
    "lag_p99": "lag_p99_s",
    "age_p50": "age_p50_s",
    "age_p99": "age_p99_s",
    "live": "live",
    "workers": "workers",
}
"""The names of the API, and those of a Point."""

Row = tuple[int, Point | None]
"""A moment in ms, and what there is to say of it."""


def columns(samples: Sequence[Sample]) -> dict[str, Any]:
    """The history as columns: about as many rows as a plot has room for."""
    rows = list(rows_of(samples))
    found: dict[str, Any] = {"at": [at_ms / 1000 for at_ms, _ in rows]}
    for name, field in FIELDS.items():
        found[name] = [None if point is None else getattr(point, field) for _, point in rows]
    statuses = {status for _, point in rows if point is not None for status in point.jobs}
    found["jobs"] = {
        status.value: [None if point is None else point.jobs.get(status, 0) for _, point in rows]
        for status in JobStatus
        if status in statuses
    }
    return found


def row(point: Point) -> dict[str, Any]:
    """One row of the same."""
    found: dict[str, Any] = {"at": point.at_ms / 1000}
    found |= {name: getattr(point, field) for name, field in FIELDS.items()}
    return found | {"jobs": {status.value: count for status, count in point.jobs.items()}}


def rows_of(samples: Sequence[Sample]) -> Iterator[Row]:
    """A row for each two samples that are kept; where samples are too far apart, one that says nothing."""
    step, before = -(-len(samples) // POINTS_MAX) or 1, 0
    for run in runs(samples):
        if before:
            yield before + 1, None
        kept = run[(len(run) - 1) % step :: step]  # the newest is; what lies between two counts all the same
        yield from ((point.at_ms, point) for point in points(kept))
        before = run[-1].at_ms


def runs(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    """The samples in parts without a gap."""
    first = 0
    for number, (older, newer) in enumerate(pairwise(samples), 1):
        if newer.at_ms - older.at_ms > GAP_MS:
            yield samples[first:number]
            first = number
    if samples:
        yield samples[first:]

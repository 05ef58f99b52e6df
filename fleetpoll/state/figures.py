"""The figures of a fleet in Redis: which field holds what, what a look adds to them, and how they are read.

A field of a histogram is `NAME:BOUND` for one of its counts, `NAME:ms` for the sum; a transition is `BEFORE>AFTER`. The
bound itself stands there, not its place: a release with other bounds counts into the same hash, and each reads all of it.
Beside them stand in another hash, older than this one, the calls and claims (see `Totals`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fleetpoll.figures import AGE_S, CALL_S, LAG_S, Figures, Histogram, Totals, bucket_of
from fleetpoll.jobs import STARTED, JobStatus
from fleetpoll.state.reading import whole

if TYPE_CHECKING:
    from fleetpoll.jobs import Transition

_encode = msgspec.json.Encoder().encode

FAILED = "failed:"
"""What the counters of failures of one kind begin with, see release.lua."""
EXPIRED = "expired"
"""The field of the leases whose time ran out, see lapse.lua."""
LAG, START, AGE, CALL = "lag", "start", "age", "call"
BOUNDS = {LAG: LAG_S, START: LAG_S, AGE: AGE_S, CALL: CALL_S}
FIELDS = {name: tuple(f"{name}:{bound:g}" for bound in (*bounds, float("inf"))) for name, bounds in BOUNDS.items()}


def of_call(took_s: float | None, ages_ms: Iterable[int]) -> dict[str, int]:
    """What an answered call adds, which took so long, if that was measured, and renewed what was so old."""
    added = {} if took_s is None else one(CALL, round(took_s * 1000))
    ordered, at = sorted(ages_ms), 0
    for field, bound in zip(FIELDS[AGE], (*AGE_S, float("inf")), strict=True):
        upto = bisect_right(ordered, bound * 1000, lo=at)
        if upto > at:
            added[field], at = upto - at, upto
    if ordered:
        added[f"{AGE}:ms"] = sum(ordered)
    return added


def of_transition(transition: Transition, tracked_ms: int) -> dict[str, int]:
    """What a transition of a job adds that is tracked since then, beside its own count.

    What had happened by then is late only since then: who tracks jobs of yesterday is no day late.
    """
    moved, added = transition, dict[str, int]()
    if moved.after.terminal and moved.stopped_ms:
        added |= one(LAG, max(0, moved.detected_ms - max(moved.stopped_ms, tracked_ms)))
    if moved.after in STARTED and moved.before is not JobStatus.RUNNING and moved.started_ms:
        added |= one(START, max(0, moved.detected_ms - max(moved.started_ms, tracked_ms)))
    return added


def one(name: str, duration_ms: int) -> dict[str, int]:
    """One more duration of a histogram."""
    return {FIELDS[name][bucket_of(BOUNDS[name], duration_ms / 1000)]: 1, f"{name}:ms": duration_ms}


def as_text(added: dict[str, int]) -> str:
    """What is added, as count.lua reads it."""
    return _encode(added).decode() if added else ""


def totals_of(stored: Mapping[str, str] | Any) -> Totals:
    """The counters of calls."""
    counted = {name: whole(stored, name) for name in ("calls", "throttled", "failed", "ids")}
    failures = {name.removeprefix(FAILED): whole(stored, name) for name in sorted(stored) if name.startswith(FAILED)}
    return Totals(**counted, failures=failures)


def figures_of(counted: Mapping[str, str] | Any, stored: Mapping[str, str] | Any) -> Figures:
    """The figures by their two hashes, as far as they can be read."""
    lags, starts, ages, durations = (histogram_of(name, stored) for name in BOUNDS)
    return Figures(
        totals=totals_of(counted),
        lags=lags,
        start_lags=starts,
        ages=ages,
        durations=durations,
        transitions=transitions_of(stored),
        leases=whole(counted, "claims"),
        expired=whole(stored, EXPIRED),
    )


def histogram_of(name: str, stored: Mapping[str, str]) -> Histogram:
    """One histogram. What another release counted by bounds of its own belongs to the next bound of ours."""
    bounds, counts = BOUNDS[name], [0] * (len(BOUNDS[name]) + 1)
    for field in stored:
        kind, _, bound = field.partition(":")
        if kind != name or bound == "ms":
            continue
        try:
            counts[bucket_of(bounds, float(bound))] += max(0, whole(stored, field))
        except ValueError:
            continue
    return Histogram(bounds, tuple(counts), whole(stored, f"{name}:ms") / 1000)


def transitions_of(stored: Mapping[str, str]) -> dict[tuple[JobStatus, JobStatus], int]:
    """How often each transition was published; those with words that this release does not know are one."""
    found: dict[tuple[JobStatus, JobStatus], int] = {}
    for field in sorted(field for field in stored if ">" in field):
        before, after = (JobStatus(word) for word in field.split(">", 1))
        found[before, after] = found.get((before, after), 0) + whole(stored, field)
    return found

"""The figures of one measured phase, all from what the API's side counted, but for the CPU seconds of the processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.timelines import calm_after_s, full_after_s

CALL_IDS = 100


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the figures of a phase are set against."""

    live: int
    limit: float
    seconds: float
    replaced: bool
    cpu_s: float

    @property
    def bound_s(self) -> float:
        """The mean lag of a perfectly even sweep, J/(2·100·R), in seconds."""
        return self.live / (2 * CALL_IDS * self.limit)


def figures(stats: dict[str, Any], given: Conditions) -> dict[str, Any]:
    """All figures of a phase; None where there is nothing to divide by."""
    return calls(stats, given) | lags(stats, given) | starts(stats) | costs(stats, given)


def calls(stats: dict[str, Any], given: Conditions) -> dict[str, Any]:
    """What became of the calls, ours and those of other tenants."""
    d = stats["operations"]["describe"]
    accepted, throttled = whole_seconds(d["timeline"], int(given.seconds))
    return {
        "calls": d["calls"],
        "calls_per_s": d["calls"] / given.seconds,
        "accepted_per_s": d["accepted_per_s"],
        "throttled": d["throttled"],
        "throttled_share": ratio(d["throttled"], d["calls"]),
        "use_of_limit": d["accepted_per_s"] / given.limit,
        "fill": d["mean_ids"],
        "calm_after_s": calm_after_s(accepted, throttled),
        "full_after_s": full_after_s(accepted, given.limit),
        "tenant_accepted": d["tenant_accepted"],
        "tenant_throttled_share": ratio(d["tenant_throttled"], d["tenant_accepted"] + d["tenant_throttled"]),
        "use_with_tenants": (d["accepted"] + d["tenant_accepted"]) / given.seconds / given.limit,
    }


def lags(stats: dict[str, Any], given: Conditions) -> dict[str, Any]:
    """How late completions were noticed.

    One that nobody has noticed yet counts with its age, which is less than its lag will be, where that makes the mean
    worse, and not where it would make it better.
    """
    lag, missed = stats["completion_lag_ms"], stats["undetected"]
    ended = lag["count"] + missed["count"]
    total_ms = lag["mean"] * lag["count"] + missed["mean_age_ms"] * missed["count"]
    noticed_s = lag["mean"] / 1000 if lag["count"] else None
    counted_s = ratio(total_ms / 1000, ended)
    mean_s = max((mean for mean in (noticed_s, counted_s) if mean is not None), default=None)
    return {
        "completions": lag["count"],
        "undetected": missed["count"],
        "undetected_share": ratio(missed["count"], ended),
        "undetected_age_s": missed["mean_age_ms"] / 1000 if missed["count"] else None,
        "lag_noticed_s": noticed_s,
        "lag_mean_s": mean_s,
        "lag_p50_s": lag["p50"] / 1000 if lag["count"] else None,
        "lag_p99_s": lag["p99"] / 1000 if lag["count"] else None,
        "bound_s": given.bound_s,
        "lag_over_bound": None if mean_s is None else mean_s / given.bound_s,
        "lag_p99_over_bound": lag["p99"] / 1000 / given.bound_s if lag["count"] else None,
        "never_asked": stats["live_unasked"]
        if given.replaced
        else stats["jobs"] - stats["operations"]["describe"]["asked_distinct"],
    }


def starts(stats: dict[str, Any]) -> dict[str, Any]:
    """How late it was noticed that jobs had begun to run; of those that nobody has noticed yet nothing is said."""
    lag = stats["start_lag_ms"]
    return {"starts": lag["count"], "start_lag_mean_s": lag["mean"] / 1000 if lag["count"] else None}


def costs(stats: dict[str, Any], given: Conditions) -> dict[str, Any]:
    """What it cost. A look is one job described in one answer."""
    d = stats["operations"]["describe"]
    return {
        "calls_per_completion": ratio(d["calls"], stats["completion_lag_ms"]["count"]),
        "asked_after_terminal": stats["asked_after_terminal"]["count"],
        "cpu_s": given.cpu_s,
        "cpu_s_per_1000_looks": ratio(given.cpu_s * 1000, d["ids"]),
    }


def whole_seconds(timeline: dict[str, Any], seconds: int) -> tuple[list[int], list[int]]:
    """The timeline without the second under way; an operation that was never called has zeros."""
    accepted, throttled = (timeline[name][:seconds] for name in ("accepted", "throttled"))
    return accepted or [0] * seconds, throttled or [0] * seconds


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`, or None of nothing."""
    return part / whole if whole else None

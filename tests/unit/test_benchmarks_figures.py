"""The arithmetic of the benchmarks: recovery times, fairness, overshoot, and figures from a witness's stats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.cpu import TICKS_PER_S, seconds_of_sessions
from benchmarks.fairness import jain, overshoot
from benchmarks.figures import Conditions, figures
from benchmarks.timelines import calm_after_s, full_after_s, windows


def stats(**given: Any) -> dict[str, Any]:
    """What a simulator says after ten seconds at 9 calls/s."""
    describe = {
        "calls": 100,
        "accepted": 90,
        "throttled": 10,
        "accepted_per_s": 9.0,
        "ids": 9000,
        "mean_ids": 100.0,
        "asked_distinct": 880,
        "tenant_accepted": 30,
        "tenant_throttled": 10,
        "timeline": {"since_ms": 0, "accepted": [9] * 11, "throttled": [1] * 11},
    }
    plain = {
        "operations": {"describe": describe | given.pop("describe", {})},
        "completion_lag_ms": {"count": 40, "mean": 1000.0, "p50": 900, "p99": 3000},
        "start_lag_ms": {"count": 50, "mean": 1500.0},
        "undetected": {"count": 10, "mean_age_ms": 6000.0},
        "asked_after_terminal": {"count": 2},
        "jobs": 1000,
        "live_unasked": 20,
    }
    return plain | given


def conditions(**given: Any) -> Conditions:
    """Ten seconds of 1,000 jobs at 10 calls/s."""
    plain: dict[str, Any] = {"live": 1000, "limit": 10.0, "seconds": 10.0, "replaced": True, "cpu_s": 4.5}
    return Conditions(**plain | given)


def test_a_window_sums_each_run_of_seconds() -> None:
    """There is one sum for each second in which a whole window begins."""
    assert windows([1, 2, 3, 4], 3) == [6, 9]
    assert windows([1, 2], 3) == []


def test_calm_returns_with_the_first_ten_seconds_of_few_throttles() -> None:
    """Four seconds of storm are over after four seconds; a single throttle in a thousand calls is calm."""
    assert calm_after_s([100] * 30, [50] * 4 + [0] * 26) == 4
    assert calm_after_s([100] * 10, [1] + [0] * 9) == 0


def test_there_is_no_calm_without_calls() -> None:
    """A contender that has stopped calling has not recovered, and one that is throttled to the end has not either."""
    assert calm_after_s([0] * 30, [0] * 30) is None
    assert calm_after_s([100] * 30, [2] * 30) is None


def test_use_returns_with_the_first_five_seconds_of_nine_tenths() -> None:
    """Nine tenths of the limit over five seconds count as full, one call less does not."""
    assert full_after_s([0] * 7 + [9] * 5, limit=10) == 7
    assert full_after_s([9, 9, 9, 9, 8], limit=10) is None


def test_jain_tells_equal_shares_from_one_who_takes_all() -> None:
    """The index is 1 for equal shares and 1/n when one of n has everything."""
    assert jain([7, 7, 7]) == pytest.approx(1.0)
    assert jain([12, 0, 0, 0]) == pytest.approx(0.25)
    assert jain([0, 0]) == 1.0


def test_overshoot_is_what_no_bucket_would_have_granted() -> None:
    """A burst and then one grant per interval touch the line; three more at once are three over it."""
    steady = [0.0, 0.0, 0.1, 0.2, 0.3]
    assert overshoot(steady, rate=10, burst=2) == pytest.approx(0.0)
    assert overshoot([*steady, 0.3, 0.3, 0.3], rate=10, burst=2) == pytest.approx(3.0)


def test_overshoot_is_found_in_any_window() -> None:
    """A storm after a long rest counts in full: what was not used before the burst is not saved up."""
    assert overshoot([0.0, 100.0, 100.0, 100.0, 100.0], rate=10, burst=1) == pytest.approx(3.0)


def test_figures_set_calls_against_the_limit() -> None:
    """Shares are of the calls that were made, use is of the limit that held, and others' calls count only beside ours."""
    found = figures(stats(), conditions())
    assert found["throttled_share"] == pytest.approx(0.1)
    assert found["use_of_limit"] == pytest.approx(0.9)
    assert found["tenant_throttled_share"] == pytest.approx(0.25)
    assert found["use_with_tenants"] == pytest.approx(1.2)
    assert found["calls_per_completion"] == pytest.approx(2.5)
    assert found["cpu_s_per_1000_looks"] == pytest.approx(0.5)


def test_starts_have_a_lag_of_their_own() -> None:
    """How late starts were noticed is told beside the lag of ends, and not at all where there were none."""
    assert figures(stats(), conditions())["start_lag_mean_s"] == pytest.approx(1.5)
    assert figures(stats(start_lag_ms={"count": 0, "mean": 0.0}), conditions())["start_lag_mean_s"] is None


def test_the_tail_is_set_against_the_bound_as_well() -> None:
    """The p99 of a perfectly even sweep is twice its bound; here it is six times."""
    assert figures(stats(), conditions())["lag_p99_over_bound"] == pytest.approx(3.0 / 0.5)


def test_ends_that_nobody_noticed_make_the_mean_lag_worse() -> None:
    """A contender that misses ends is not the better for it: each counts with its age."""
    found = figures(stats(), conditions())
    assert found["lag_noticed_s"] == pytest.approx(1.0)
    assert found["lag_mean_s"] == pytest.approx((40 * 1.0 + 10 * 6.0) / 50)
    assert found["lag_over_bound"] == pytest.approx(2.0 / 0.5)


def test_ends_that_are_just_under_way_do_not_make_the_mean_lag_better() -> None:
    """The last few ends before the count are young; they do not flatter whoever has not noticed them yet."""
    found = figures(stats(undetected={"count": 10, "mean_age_ms": 100.0}), conditions())
    assert found["lag_mean_s"] == found["lag_noticed_s"]


def test_nothing_noticed_is_no_lag_at_all() -> None:
    """Without completions there is no mean, and nothing is divided by zero."""
    empty = {"count": 0, "mean": 0.0, "p50": 0, "p99": 0}
    found = figures(stats(completion_lag_ms=empty, undetected={"count": 0, "mean_age_ms": 0.0}), conditions())
    assert found["lag_mean_s"] is None
    assert found["lag_over_bound"] is None
    assert found["calls_per_completion"] is None


def test_who_was_never_asked_for_is_counted_from_all_jobs_when_none_are_replaced() -> None:
    """Where jobs are replaced only the living can tell; where they are not, those that ended unasked count as well."""
    assert figures(stats(), conditions())["never_asked"] == 20
    assert figures(stats(), conditions(replaced=False))["never_asked"] == 120


def test_cpu_seconds_are_those_of_all_processes_of_a_session(tmp_path: Path) -> None:
    """A process counts with its ended children; names with blanks and brackets confuse nobody, strangers do not count."""
    for pid, name, session in ((7, "python", 7), (8, "a) b (c", 7), (9, "other", 9)):
        (tmp_path / str(pid)).mkdir()
        fields = ["S", "1", "7", str(session), "0", "0", "0", "0", "0", "0", "0", "10", "20", "30", "40", "0"]
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
    assert seconds_of_sessions({7}, tmp_path) == pytest.approx(200 / TICKS_PER_S)

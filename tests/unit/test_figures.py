"""The figures that everybody shows: quantiles of histograms, what came between two samples, and how Redis has them."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpoll.figures import AGE_S, CALL_S, LAG_S, Figures, Histogram, Sample, Totals, bucket_of, points
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.state.figures import figures_of, of_call, of_transition
from fleetpoll.state.history import packed, unpacked

NOW = 1_800_000_000_000
MOVES = {(JobStatus.RUNNABLE, JobStatus.RUNNING): 7, (JobStatus.RUNNING, JobStatus.FAILED): 2}
DURATIONS_MS = st.lists(st.integers(0, 4_000_000), max_size=200)


def histogram(durations_ms: list[int], bounds: tuple[float, ...] = LAG_S) -> Histogram:
    """The histogram of some durations."""
    counts = Counter(bucket_of(bounds, ms / 1000) for ms in durations_ms)
    return Histogram(bounds, tuple(counts[at] for at in range(len(bounds) + 1)), sum(durations_ms) / 1000)


def sample(at_s: float, *, calls: int = 0, lags_ms: list[int] | None = None) -> Sample:
    """A fleet at one moment."""
    figures = Figures(totals=Totals(calls=calls, ids=100 * calls), lags=histogram(lags_ms or []), transitions=MOVES)
    return Sample(NOW + round(at_s * 1000), figures, {JobStatus.RUNNING: 3}, 3, 1, 5.0, 10.0, calls)


@given(DURATIONS_MS, st.floats(0.0, 1.0))
def test_a_quantile_lies_between_the_bounds_of_the_duration_that_it_stands_for(
    durations_ms: list[int], share: float
) -> None:
    """As the sorted list has it; of what is above the last bound no more is known than that."""
    found = histogram(durations_ms).quantile_s(share)

    if not durations_ms:
        assert found is None
        return
    ordered = sorted(durations_ms)
    true_s = ordered[max(0, ceil(share * len(ordered)) - 1)] / 1000
    at = bucket_of(LAG_S, true_s)
    assert found is not None
    assert (0.0, *LAG_S)[at] - 1e-9 <= found <= (*LAG_S, LAG_S[-1])[at] + 1e-9


@given(DURATIONS_MS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_larger_share_is_no_shorter(durations_ms: list[int], one: float, other: float) -> None:
    """Quantiles grow with their share."""
    found = histogram(durations_ms or [0])
    low, high = found.quantile_s(min(one, other)), found.quantile_s(max(one, other))

    assert low is not None
    assert high is not None
    assert low <= high + 1e-9


@given(DURATIONS_MS, DURATIONS_MS)
def test_what_came_since_is_what_was_added(before_ms: list[int], after_ms: list[int]) -> None:
    """Two histograms of one fleet differ by the durations between them."""
    older, newer = histogram(before_ms), histogram(before_ms + after_ms)

    assert newer.since(older).counts == histogram(after_ms).counts
    assert newer.since(older).total_s == pytest.approx(sum(after_ms) / 1000)
    assert newer.cumulative() == list(accumulate(newer.counts))


def test_after_a_loss_of_the_state_all_of_a_histogram_is_new() -> None:
    """A count that has fallen is that of a fleet that began anew."""
    assert histogram([200]).since(histogram([200, 300, 9_000])) == histogram([200])


def test_a_bound_belongs_to_its_own_count() -> None:
    """As Prometheus counts: those that do not exceed it."""
    assert [bucket_of(AGE_S, duration_s) for duration_s in (0.0, 0.5, 0.501, 1800.0, 1800.1)] == [0, 0, 1, 11, 12]


def test_points_are_rates_between_samples_and_know_what_came_in_between() -> None:
    """A gap is one long point; a sample of the same moment none; a counter that fell counts from nothing."""
    lags = [100] * 99 + [60_000]
    found = list(
        points([sample(0), sample(10, calls=50), sample(10, calls=50), sample(70, calls=110, lags_ms=lags), sample(80)])
    )

    assert [one.at_ms - NOW for one in found] == [10_000, 70_000, 80_000]
    assert [one.calls_per_s for one in found] == [5.0, 1.0, 0.0]
    assert [one.looks_per_s for one in found] == [500.0, 100.0, 0.0]
    assert [one.lag_p50_s for one in found] == [None, pytest.approx(0.0505, abs=0.001), None]
    assert found[1].lag_p99_s == pytest.approx(0.1)


@given(DURATIONS_MS)
def test_the_ages_of_a_call_are_counted_as_one_by_one(ages_ms: list[int]) -> None:
    """A hundred of them are sorted, not searched for."""
    assert figures_of({}, as_stored(of_call(0.2, ages_ms))) == Figures(
        ages=histogram(ages_ms, AGE_S), durations=histogram([200], CALL_S)
    )


def as_stored(added: dict[str, int]) -> dict[str, str]:
    """What is added, as Redis has it."""
    return {field: str(count) for field, count in added.items()}


def moved(before: JobStatus, after: JobStatus, *, started_ms: int = 0, stopped_ms: int = 0) -> dict[str, int]:
    """What a transition adds that is detected now, of a job that was tracked 100 s ago."""
    facts = {"job_id": "j", "job_name": "", "attempt": 1, "exit_code": None, "reason": "", "log_stream": "", "created_ms": 1}
    times = {"started_ms": started_ms, "stopped_ms": stopped_ms, "detected_ms": NOW}
    return of_transition(Transition(before=before, after=after, **facts, **times), NOW - 100_000)  # type: ignore[arg-type]


def test_a_start_is_late_once_and_an_end_is_late() -> None:
    """A start counts where RUNNING is first seen, or the end that nobody saw it run before; a try that fails has no end."""
    start, both = {"start:2.5": 1, "start:ms": 2_000}, {"start:5": 1, "start:ms": 4_000, "lag:2.5": 1, "lag:ms": 1_500}
    times = {"started_ms": NOW - 4_000, "stopped_ms": NOW - 1_500}

    assert moved(JobStatus.STARTING, JobStatus.RUNNING, started_ms=NOW - 2_000) == start
    assert moved(JobStatus.RUNNABLE, JobStatus.SUCCEEDED, **times) == both
    assert moved(JobStatus.RUNNING, JobStatus.FAILED, **times) == {"lag:2.5": 1, "lag:ms": 1_500}
    assert moved(JobStatus.RUNNING, JobStatus.RUNNABLE, **times) == {}
    assert moved(JobStatus.UNSEEN, JobStatus.LOST) == {}


def test_what_had_happened_before_a_job_was_tracked_is_late_since_then() -> None:
    """Who tracks jobs of yesterday is no day late."""
    long_ago = moved(JobStatus.UNSEEN, JobStatus.SUCCEEDED, started_ms=NOW - 90_000_000, stopped_ms=NOW - 86_400_000)

    assert long_ago == {"lag:120": 1, "lag:ms": 100_000, "start:120": 1, "start:ms": 100_000}


def test_what_others_have_put_among_the_figures_is_read_as_far_as_it_goes() -> None:
    """Bounds of another release belong to the next of ours; words, and counts that are none, to nobody."""
    stored = {
        "lag:0.3": "2",
        "lag:7200": "3",
        "lag:inf": "1",
        "lag:ms": "9000",
        "lag:soon": "8",
        "lag:5": "many",
        "more": "5",
    }
    stored |= {"RUNNING>FAILED": "4", "RUNNING>DANCING": "2", "RUNNING>SINGING": "1"}

    found = figures_of({"calls": "x", "claims": "6"}, stored)

    assert (found.lags.counts[2], found.lags.counts[-1], found.lags.count, found.lags.total_s) == (2, 4, 6, 9.0)
    running, failed, unknown = JobStatus.RUNNING, JobStatus.FAILED, JobStatus.UNKNOWN
    assert found.transitions == {(running, failed): 4, (running, unknown): 3}
    assert (found.totals, found.leases, found.expired) == (Totals(), 6, 0)


def test_a_sample_is_read_as_it_was_written() -> None:
    """All of it but the cents of a rate."""
    lags, ages, durations = (histogram([150, 9_000, 5_000_000], bounds) for bounds in (LAG_S, AGE_S, CALL_S))
    figures = Figures(Totals(9, 2, 3, 400, {"denied": 3}), lags, lags, ages, durations, MOVES, 5, 1)
    whole = Sample(NOW, figures, {JobStatus.RUNNING: 3, JobStatus.LOST: 1}, 3, 2, 7.25, 10.0, 11)

    assert unpacked({"at": str(NOW), "sample": packed(whole)}) == whole
    assert unpacked({"at": str(NOW), "sample": packed(sample(0))}) == sample(0)


@pytest.mark.parametrize(
    "fields",
    [{}, {"at": "1"}, {"at": "soon", "sample": "{}"}, {"at": "1", "sample": "[1]"}, {"at": "1", "sample": '{"c": [1]}'}],
)
def test_what_is_no_sample_is_left_out(fields: dict[str, str]) -> None:
    """Others may write there."""
    assert unpacked(fields) is None


def test_a_sample_of_another_release_is_read_as_far_as_it_is_known() -> None:
    """Names that are new are ignored, a histogram with other bounds is empty, what is not there is nothing."""
    found = unpacked({"at": "7", "sample": '{"zz": {"new": true}, "l": [1, 2, 3], "c": [4, 0, 0, 0]}', "more": "x"})

    assert found == Sample(7, Figures(totals=Totals(calls=4)), {}, 0, 0, 0.0, 0.0, 0)

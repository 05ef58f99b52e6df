"""The witness's figures of hand-made call sequences."""

from __future__ import annotations

from fleetpoll.jobs import JobStatus
from fleetpoll.simulator.calls import TIMELINE_S
from fleetpoll.simulator.config import Operation
from fleetpoll.simulator.witness import Witness, percentile

START_MS = 1_700_000_000_000
RUNNING, SUCCEEDED, FAILED = JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED


def describe(witness: Witness, at_ms: int, shown: dict[str, tuple[JobStatus, int]], *more_ids: str) -> None:
    """An accepted call at that moment that asks for the shown jobs and more ids; stops are relative, too."""
    now_ms = START_MS + at_ms
    calls = witness.calls[Operation.DESCRIBE]
    calls.arrive(now_ms)
    jobs = [(job_id, status, 0, START_MS + stopped_ms) for job_id, (status, stopped_ms) in shown.items()]
    witness.describe([*shown, *more_ids], now_ms, jobs, now_ms)
    calls.accept(now_ms)


def test_a_silent_window_is_all_zeroes() -> None:
    """A witness of nothing reports nothing and divides nothing by zero."""
    report = Witness(START_MS).report(START_MS)
    assert report["operations"]["describe"]["calls"] == 0
    assert report["operations"]["describe"]["mean_ids"] == 0.0
    assert report["completion_lag_ms"] == {"count": 0, "mean": 0.0, "p50": 0, "p99": 0, "max": 0, "cdf": []}
    assert report["operations"]["describe"]["timeline"] == {"since_ms": START_MS, "accepted": [], "throttled": []}


def test_calls_are_counted_by_what_became_of_them() -> None:
    """Calls are the sum of accepted, throttled and errors; the rate is of accepted calls over the window."""
    witness = Witness(START_MS)
    submits = witness.calls[Operation.SUBMIT]
    for at_ms in (100, 200, 300, 400):
        submits.arrive(START_MS + at_ms)
    submits.accept(START_MS + 100)
    submits.accept(START_MS + 200)
    submits.throttle(START_MS + 300)
    submits.errors += 1
    assert witness.report(START_MS + 4_000)["operations"]["submit"] == {
        "calls": 4,
        "accepted": 2,
        "throttled": 1,
        "strays": 0,
        "errors": 1,
        "faults": {},
        "tenant_accepted": 0,
        "tenant_throttled": 0,
        "accepted_per_s": 0.5,
        "worst_second_calls": 4,
        "first_call_ms": START_MS + 100,
        "last_call_ms": START_MS + 400,
        "timeline": {"since_ms": START_MS, "accepted": [2, 0, 0, 0, 0], "throttled": [1, 0, 0, 0, 0]},
    }


def test_the_timeline_adds_up_to_the_totals() -> None:
    """Each call is counted in the second in which it came, the second under way included; silent seconds are zeroes."""
    witness = Witness(START_MS)
    calls = witness.calls[Operation.DESCRIBE]
    for at_ms in (0, 999, 1_000, 3_999, 4_000):
        calls.arrive(START_MS + at_ms)
        calls.accept(START_MS + at_ms)
    calls.arrive(START_MS + 2_500)
    calls.throttle(START_MS + 2_500)
    figures = witness.report(START_MS + 5_100)["operations"]["describe"]
    assert figures["timeline"]["accepted"] == [2, 1, 0, 1, 1, 0]
    assert figures["timeline"]["throttled"] == [0, 0, 1, 0, 0, 0]
    assert (figures["accepted"], figures["throttled"]) == (5, 1)


def test_the_timeline_ends_after_four_hours() -> None:
    """A window may last for days: what comes later is in the totals, and the timeline grows no more."""
    witness = Witness(START_MS)
    for second in (TIMELINE_S - 1, TIMELINE_S, 10 * TIMELINE_S):
        describe(witness, second * 1_000, {})
    figures = witness.report(START_MS + 10 * TIMELINE_S * 1_000)["operations"]["describe"]
    assert figures["accepted"] == 3
    assert len(figures["timeline"]["accepted"]) == TIMELINE_S == 14_400
    assert sum(figures["timeline"]["accepted"]) == figures["timeline"]["accepted"][-1] == 1


def test_the_worst_second_slides() -> None:
    """The worst second may begin anywhere, and is shorter than 1,000 ms by a hair."""
    calls = Witness(START_MS).calls[Operation.LIST]
    for at_ms in (0, 500, 999, 1000, 1400, 1499, 1500, 9000):
        calls.arrive(START_MS + at_ms)
    assert calls.worst_second == 5  # 500..1499, and 999..1500


def test_fill_is_ids_per_accepted_call() -> None:
    """The fill tells how much of each call was used; duplicates are counted by call."""
    witness = Witness(START_MS)
    describe(witness, 0, {}, *[f"job-{number}" for number in range(100)])
    describe(witness, 1, {}, *[f"job-{number}" for number in range(49)], "job-0")
    describe(witness, 2, {}, "job-0")
    figures = witness.report(START_MS + 1_000)["operations"]["describe"]
    assert (figures["ids"], figures["max_ids"], figures["calls_with_duplicates"]) == (151, 100, 1)
    assert figures["asked_distinct"] == 100
    assert figures["mean_ids"] == 151 / 3
    assert figures["fill"] == 151 / 3 / 100
    assert figures["ids_histogram"] == {"<=1": 1, "<=10": 0, "<=50": 1, "<=90": 0, "<=99": 0, "<=100": 1}


def test_lag_is_from_the_stop_to_the_first_answer_that_shows_it() -> None:
    """Only the first answer with a terminal status counts, at its own moment."""
    witness = Witness(START_MS)
    describe(witness, 1_000, {"a": (RUNNING, 5_000), "b": (RUNNING, 1_500)})
    describe(witness, 2_000, {"a": (RUNNING, 5_000), "b": (SUCCEEDED, 1_500)})
    describe(witness, 9_000, {"a": (FAILED, 5_000), "b": (SUCCEEDED, 1_500)})
    report = witness.report(START_MS + 10_000)
    assert report["transitions_shown"] == 4
    cdf = report["completion_lag_ms"].pop("cdf")
    assert report["completion_lag_ms"] == {"count": 2, "mean": 2_250.0, "p50": 500, "p99": 4_000, "max": 4_000}
    assert cdf == [500] * 51 + [4_000] * 50


def test_asking_again_for_a_finished_job_is_noticed() -> None:
    """Each id that is asked for after its end was shown counts each time, and once among the distinct."""
    witness = Witness(START_MS)
    describe(witness, 0, {"a": (SUCCEEDED, -10), "b": (RUNNING, 10**6)})
    for at_ms in (10, 20):
        describe(witness, at_ms, {"a": (SUCCEEDED, -10), "b": (RUNNING, 10**6)})
    describe(witness, 30, {}, "a")  # forgotten by now, and asked for all the same
    assert witness.report(START_MS + 100)["asked_after_terminal"] == {"count": 3, "distinct": 1}


def test_a_question_that_was_under_way_is_no_offence() -> None:
    """An id counts as asked again only if the question came after the answer that showed its end."""
    witness = Witness(START_MS)
    jobs = [("a", SUCCEEDED, 0, START_MS)]
    witness.describe(["a"], START_MS + 10, jobs, START_MS + 60)
    witness.describe(["a"], START_MS + 20, jobs, START_MS + 70)
    assert witness.shown.asked_after == 0


def test_a_retry_is_a_transition() -> None:
    """Going back from RUNNING to RUNNABLE is shown as a change like any other."""
    witness = Witness(START_MS)
    for at_ms, status in enumerate((RUNNING, JobStatus.RUNNABLE, RUNNING, RUNNING)):
        describe(witness, at_ms, {"a": (status, 10**6)})
    assert witness.report(START_MS + 10)["transitions_shown"] == 3


def sight(
    job_id: str, status: JobStatus, started_ms: int | None, stopped_ms: int = 10**6
) -> tuple[str, JobStatus, int, int]:
    """A job as an answer shows it; times are relative, and None is no start."""
    return job_id, status, 0 if started_ms is None else START_MS + started_ms, START_MS + stopped_ms


def test_the_lag_of_a_start_is_to_the_first_answer_that_shows_it() -> None:
    """A start is noticed when RUNNING is shown, or an end that no RUNNING came before; each once."""
    shown = Witness(START_MS).shown
    waiting = JobStatus.RUNNABLE
    shown.show([sight("a", waiting, None), sight("b", waiting, None), sight("c", waiting, None)], START_MS + 100)
    shown.show([sight("a", RUNNING, 1_000), sight("b", waiting, None)], START_MS + 1_500)
    shown.show([sight("a", RUNNING, 1_000), sight("b", SUCCEEDED, 1_000, 2_000)], START_MS + 4_000)
    shown.show([sight("a", SUCCEEDED, 1_000, 4_500), sight("c", FAILED, None, 4_500)], START_MS + 5_000)
    assert shown.report()["start_lag_ms"] == {"count": 2, "mean": 1_750.0}


def test_a_second_start_is_a_start() -> None:
    """An attempt that comes after another was shown to be over has a lag of its own; one between attempts has none."""
    shown = Witness(START_MS).shown
    shown.show([sight("a", RUNNING, 0)], START_MS + 200)
    shown.show([sight("a", JobStatus.RUNNABLE, None)], START_MS + 1_000)
    shown.show([sight("a", RUNNING, 2_000)], START_MS + 2_400)
    assert shown.report()["start_lag_ms"] == {"count": 2, "mean": 300.0}
    shown.restart()
    assert shown.report()["start_lag_ms"] == {"count": 0, "mean": 0.0}


def test_a_new_window_forgets_figures_but_not_what_was_shown() -> None:
    """After a restart all counts are zero, but a job that was shown as finished is still known to be."""
    witness = Witness(START_MS)
    describe(witness, 0, {"a": (SUCCEEDED, -10)})
    witness.restart(START_MS + 100)
    describe(witness, 200, {"a": (SUCCEEDED, -10)})
    report = witness.report(START_MS + 1_100)
    assert report["since_ms"] == START_MS + 100
    assert report["operations"]["describe"]["calls"] == 1
    assert report["operations"]["describe"]["timeline"] == {
        "since_ms": START_MS + 100,
        "accepted": [1, 0],
        "throttled": [0, 0],
    }
    assert report["completion_lag_ms"]["count"] == 0
    assert report["transitions_shown"] == 0
    assert report["asked_after_terminal"] == {"count": 1, "distinct": 1}


def test_percentiles_are_values_that_occurred() -> None:
    """The nearest rank is used: no interpolation, and the 99th of a hundred is the 99th; the 0th is the least."""
    assert [percentile(list(range(1, 101)), percent) for percent in range(101)] == [1, *range(1, 101)]
    assert percentile([7], 99) == 7


def test_calls_that_overlap_are_seen_by_their_ids() -> None:
    """An id asked for while an earlier call for it is not answered yet is on two leases; one after the other is well."""
    witness = Witness(START_MS)
    witness.describe(["a", "b"], START_MS, [], START_MS + 100)
    witness.describe(["b", "c"], START_MS + 100, [], START_MS + 150)
    witness.describe(["a", "b", "c"], START_MS + 120, [], START_MS + 300)

    asked = witness.report(START_MS + 400)["operations"]["describe"]

    assert asked["ids_overlapping"] == 2
    assert asked["overlaps"] == [(START_MS + 120, START_MS + 300, 2)]

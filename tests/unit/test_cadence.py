"""When a job is looked at again. What becomes of a whole fleet that keeps to it is in test_forecast."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest

from fleetpoll.backoff import base_delay
from fleetpoll.cadence.elastic import JITTER, SHARE, Elastic, Even, tries_at
from fleetpoll.cadence.policy import DIP_HALF_S, Allowed, Pace, Standing
from fleetpoll.jobs import JobStatus

RUNNING = JobStatus.RUNNING


def elastic(freshness_s: float, live: int, granted: float, by_status: Mapping[str, float] | None = None) -> Elastic:
    """The elastic ceiling for so many jobs at that rate."""
    return Elastic(Allowed(freshness_s, live, granted, by_status or {}))


AGES = [0.001, 0.1, 1, 3, 10, 60, 300, 1_000, 3_600, 10_000, 86_400, 604_800]
REGIMES = [
    pytest.param(elastic(5.0, 100, 10.0), id="idle allowance"),
    pytest.param(elastic(5.0, 10_000, 10.0), id="sweep of 10 s"),
    pytest.param(elastic(5.0, 100_000, 10.0), id="bottleneck"),
]


def test_the_tries_are_those_that_the_curve_makes_by_that_age() -> None:
    """So many looks of the hook's curve, n, take ⅔·n + 0.08·n³ seconds; the tries at an age are the inverse of that."""
    rng = Random(1)
    for age_s in (*AGES, *(10 ** rng.uniform(-3, 6) for _ in range(1_000))):
        tries = tries_at(age_s)

        assert 2 / 3 * tries + 0.08 * tries**3 == pytest.approx(age_s, rel=1e-6)


@pytest.mark.parametrize("looks", [5, 10, 20, 40])
def test_the_tries_come_close_to_looks_made_one_by_one(looks: int) -> None:
    """Summing up the mean delays of the hook's own curve gives the age from which its tries are read."""
    age_s = sum(2 / 3 * base_delay(number) for number in range(looks))

    assert tries_at(age_s) == pytest.approx(looks, abs=0.75)


def test_the_curve_starts_over_at_a_transition() -> None:
    """A job that has just moved, or whose age is not to be had, is at its first try."""
    assert [tries_at(age_s) for age_s in (0.0, -1.0)] == [0.0, 0.0]
    assert [tries_at(age_s) for age_s in AGES] == sorted(tries_at(age_s) for age_s in AGES)


@pytest.mark.parametrize("cadence", REGIMES)
@pytest.mark.parametrize("age_s", [0.0, *AGES])
@pytest.mark.parametrize("status", [JobStatus.RUNNABLE, JobStatus.RUNNING])
def test_a_delay_keeps_to_its_bounds(cadence: Elastic, age_s: float, status: JobStatus) -> None:
    """It is the curve's, between floor and ceiling, and the ceiling wears off by its jitter."""
    rng = Random(2)
    base_s = base_delay(tries_at(age_s))
    floor_s, ceiling_s = cadence.floor_s(status), cadence.ceiling_s(status)
    lowest = min(max(base_s / 3, floor_s), ceiling_s * JITTER[0])
    highest = min(max(base_s, floor_s), ceiling_s * JITTER[1])

    delays = [cadence.delay_s(Standing(status, age_s), rng) for _ in range(500)]

    assert lowest - 1e-9 <= min(delays)
    assert max(delays) <= highest + 1e-9


def test_an_idle_allowance_follows_the_curve_until_it_is_fresh_enough() -> None:
    """With few jobs a young one is looked at as the hook would, an old one about as often as freshness asks."""
    cadence, rng = elastic(5.0, 100, 10.0), Random(3)

    assert (cadence.allowed.sweep_s, cadence.floor_s(RUNNING), cadence.ceiling_s(RUNNING)) == (0.1, 0.05, 5.0)
    assert all(1 / 3 <= cadence.delay_s(Standing(RUNNING, 0.0), rng) <= 1.0 for _ in range(200))
    assert all(4.0 <= cadence.delay_s(Standing(RUNNING, 86_400.0), rng) <= 6.0 for _ in range(200))


def test_where_the_allowance_is_the_bottleneck_young_and_old_are_alike() -> None:
    """Floor and ceiling are the same half sweep: a young job does not take the looks of an old one."""
    cadence, rng = elastic(5.0, 100_000, 10.0), Random(4)

    assert (cadence.allowed.sweep_s, cadence.floor_s(RUNNING), cadence.ceiling_s(RUNNING)) == (100.0, 50.0, 50.0)
    assert all(40.0 <= cadence.delay_s(Standing(RUNNING, 0.0), rng) <= 50.0 for _ in range(200))
    assert all(40.0 <= cadence.delay_s(Standing(RUNNING, 86_400.0), rng) <= 60.0 for _ in range(200))


def test_a_job_that_waits_to_be_started_does_not_take_the_looks_of_one_that_may_end() -> None:
    """Where calls are scarce it is looked at about once a sweep; where they are not, like any other."""
    scarce, ample = elastic(5.0, 100_000, 10.0), elastic(5.0, 100, 10.0)
    waiting = [JobStatus.UNSEEN, JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE]

    assert {scarce.floor_s(status) for status in waiting} == {90.0}
    assert {scarce.floor_s(status) for status in (JobStatus.STARTING, RUNNING)} == {50.0}
    assert {ample.ceiling_s(status) for status in (*waiting, RUNNING)} == {5.0}


def test_a_longer_freshness_saves_calls() -> None:
    """The ceiling is what is fresh enough, as long as the allowance affords more than that."""
    assert elastic(60.0, 10_000, 10.0).ceiling_s(RUNNING) == 60.0
    assert elastic(0.5, 10_000, 10.0).ceiling_s(RUNNING) == SHARE * 10.0


@pytest.mark.parametrize("age_s", [0.0, 5.0, 3_600.0])
def test_more_jobs_or_fewer_calls_never_shorten_a_delay(age_s: float) -> None:
    """With the same draw, a delay grows with the jobs and with what one call costs."""
    by_jobs = [
        elastic(5.0, live, 10.0).delay_s(Standing(RUNNING, age_s), Random(5)) for live in (1, 100, 5_000, 20_000, 1_000_000)
    ]
    by_rate = [
        elastic(5.0, 10_000, rate).delay_s(Standing(RUNNING, age_s), Random(5)) for rate in (100.0, 20.0, 5.0, 1.0, 0.5)
    ]

    assert by_jobs == sorted(by_jobs)
    assert by_rate == sorted(by_rate)


def test_a_status_may_be_allowed_to_grow_stale_with_age() -> None:
    """A job that has been RUNNABLE for hours may wait six times as long as one that starts; a new one may not."""
    cadence, rng = elastic(5.0, 100, 10.0, {"RUNNABLE": 30.0}), Random(8)
    fresh_s = {age_s: cadence.allowed.fresh_s(JobStatus.RUNNABLE, age_s) for age_s in (0, 60, 100, 300, 600, 86_400)}

    assert fresh_s == {0: 5.0, 60: 5.0, 100: 5.0, 300: 15.0, 600: 30.0, 86_400: 30.0}
    assert cadence.allowed.fresh_s(JobStatus.STARTING, 86_400) == 5.0
    assert all(24.0 <= cadence.delay_s(Standing(JobStatus.RUNNABLE, 86_400.0), rng) <= 36.0 for _ in range(200))


def test_a_status_may_be_wanted_fresher_than_the_others() -> None:
    """Such a value needs no age to hold."""
    cadence = elastic(5.0, 100, 10.0, {"STARTING": 2.0})

    assert [cadence.ceiling_s(JobStatus.STARTING, age_s) for age_s in (0.0, 3_600.0)] == [2.0, 2.0]


def test_where_calls_are_scarce_no_status_has_a_freshness_of_its_own() -> None:
    """What the allowance affords comes first."""
    scarce = elastic(5.0, 100_000, 10.0, {"RUNNABLE": 30.0, "STARTING": 2.0})

    assert scarce.ceiling_s(JobStatus.RUNNABLE, 86_400.0) == 90.0
    assert scarce.ceiling_s(JobStatus.STARTING, 86_400.0) == 50.0


@pytest.mark.parametrize(("live", "rhythm_s"), [(100, 5.0), (10_000, 10.0)])
def test_an_even_cadence_knows_no_difference(live: int, rhythm_s: float) -> None:
    """Each job is looked at about once a sweep, or as often as is fresh enough, however old it is."""
    even, rng = Even(Allowed(5.0, live, 10.0, {"RUNNABLE": 60.0})), Random(9)
    jobs = [Standing(status, age_s) for status in (JobStatus.UNSEEN, JobStatus.RUNNABLE, RUNNING) for age_s in AGES]
    delays = [even.delay_s(job, rng) for job in jobs]

    assert JITTER[0] * rhythm_s <= min(delays)
    assert max(delays) <= JITTER[1] * rhythm_s


def test_a_due_job_waits_for_company_only_while_calls_are_not_scarce() -> None:
    """Where the allowance is the bottleneck, a call is made rather a bit too early than not at all."""
    patience_s = [Allowed(5.0, live, 10.0).patience_s for live in (0, 2_500, 5_000, 50_000)]

    assert patience_s == pytest.approx([0.5, 0.25, 0.0, -4.5])


def test_a_dip_of_the_rate_does_not_outlast_itself() -> None:
    """What was granted a moment ago still counts; what has not been granted for minutes does not."""
    pace = Pace()

    assert pace.of(20.0, 0.0) == 20.0
    assert pace.of(0.5, 1.0) == pytest.approx(20.0, rel=0.03)
    assert pace.of(0.5, 1.0 + DIP_HALF_S) == pytest.approx(10.0, rel=0.03)
    assert pace.of(0.5, 1_000.0) == 0.5
    assert pace.of(30.0, 1_000.0) == 30.0

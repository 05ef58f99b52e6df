"""Who says how fast the fleet may go: its workers, and an operator; nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.state.allowance import Permit, Reason, Refused
from fleetpoll.state.bucket import FleetBucket

T = 1_800_000_000_000_000
SECOND = 1_000_000

Make = Callable[..., FleetBucket]


def test_others_go_by_the_ceiling_of_the_workers(make: Make) -> None:
    """A program with other settings neither clips the workers' tokens nor shows a rate of its own."""
    worker, other = make(40, worker=True), make(10)
    worker.reserve(10, now_us=T)

    view = other.view()
    answers = [other.reserve(10, now_us=T + 10 * SECOND), *(worker.reserve(10, now_us=T + 10 * SECOND) for _ in range(8))]

    assert (view.configured, view.granted, view.burst) == (40, 40, 10)
    assert [answer.wait_s for answer in answers] == [0.0] * 9
    assert {answer.granted for answer in answers} == {40}


def test_a_throttle_that_others_met_cuts_the_rate_of_the_workers(make: Make) -> None:
    """The cut is from what the fleet was granted, not from what the other was told."""
    worker, other = make(40, worker=True), make(10)
    for n in range(200):
        permit = worker.reserve(10, now_us=T + n * SECOND // 40)
    assert isinstance(permit, Permit)

    assert [other.penalize(permit.stamp_us, now_us=T + 5 * SECOND + n) for n in range(3)] == [False, False, True]

    assert 10 < worker.reserve(10, 0, now_us=T + 5 * SECOND + 3).granted < 36


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0, 0.0, 1e-7])
def test_what_is_no_rate_is_not_pinned(make: Make, rate: float) -> None:
    """NaN would be no limit at all, and next to nothing is a pause by another name."""
    bucket = make(10)

    with pytest.raises(SettingsError, match="no rate to pin"):
        bucket.pin(rate)

    assert bucket.view().pinned is None


def test_what_fits_does_not_depend_on_the_rate_of_the_moment(make: Make) -> None:
    """After a cut the burst is smaller; who wants more tokens than that waits longer, and is not turned away for good."""
    bucket = make(10)
    first = bucket.reserve(60, 2, now_us=T)
    assert isinstance(first, Permit)
    for n in range(3):
        bucket.penalize(first.stamp_us, now_us=T + SECOND + n)

    later = bucket.reserve(60, 2, now_us=T + 2 * SECOND)
    never = bucket.reserve(60, 3, now_us=T + 2 * SECOND)

    assert isinstance(later, Permit)
    assert isinstance(never, Refused)
    assert never.reason is Reason.NEVER


def test_a_clock_set_back_does_not_hold_the_refill_up(make: Make) -> None:
    """Even a refusal moves the bucket's time back, so that the debt is worked off from then on."""
    bucket = make(10)
    for _ in range(20):
        bucket.reserve(60, now_us=T)
    bucket.penalize(T, 30.0, now_us=T + 1)
    past = T - 3_600 * SECOND
    refused = bucket.reserve(1, now_us=past)

    later = bucket.reserve(1, now_us=past + 60 * SECOND)

    assert isinstance(refused, Refused)
    assert isinstance(later, Permit)

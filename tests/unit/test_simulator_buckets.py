"""The simulated token buckets."""

from __future__ import annotations

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.buckets import TokenBucket
from fleetpoll.simulator.config import Limit

NOW_MS = 1_700_000_000_000


def granted(bucket: TokenBucket, moments_ms: list[int]) -> int:
    """How many of the calls at these moments get a token."""
    return sum(bucket.take(NOW_MS + moment_ms) for moment_ms in moments_ms)


def test_a_bucket_starts_full() -> None:
    """The first calls get the whole burst at once and not one more."""
    assert granted(TokenBucket(Limit(10, 5), NOW_MS), [0] * 20) == 5


def test_tokens_come_back_continuously() -> None:
    """At 10/s a token is back after 100 ms, not after 99."""
    bucket = TokenBucket(Limit(10, 1), NOW_MS)
    assert [bucket.take(NOW_MS + moment_ms) for moment_ms in (0, 99, 100)] == [True, False, True]


def test_a_refused_call_costs_nothing() -> None:
    """Knocking all the time does not keep the bucket empty."""
    bucket = TokenBucket(Limit(10, 1), NOW_MS)
    assert granted(bucket, list(range(10_001))) == 101


def test_a_client_that_keeps_to_the_rate_is_never_refused() -> None:
    """One call each 1/3 ms-rounded interval for an hour: fractions must not add up to a refusal."""
    bucket = TokenBucket(Limit(3, 1), NOW_MS)
    assert granted(bucket, [number * 334 for number in range(10_000)]) == 10_000


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    """An idle hour leaves the burst and no more."""
    bucket = TokenBucket(Limit(10, 5), NOW_MS)
    assert granted(bucket, [3_600_000] * 20) == 5


def test_a_rate_of_zero_is_no_limit() -> None:
    """Without a limit every call is granted."""
    assert granted(TokenBucket(Limit(), NOW_MS), [0] * 1000) == 1000


def test_a_new_limit_is_no_free_burst() -> None:
    """Whoever has spent the old allowance starts the new one with empty hands."""
    bucket = TokenBucket(Limit(10, 5), NOW_MS)
    granted(bucket, [0] * 5)
    bucket.change(Limit(100, 50), NOW_MS)
    assert granted(bucket, [0] * 10) == 0
    assert granted(bucket, [100] * 20) == 10


def test_a_clock_that_is_set_back_takes_no_tokens() -> None:
    """Time that runs backwards neither grants nor costs tokens."""
    bucket = TokenBucket(Limit(10, 2), NOW_MS)
    assert granted(bucket, [0, -5_000, -5_000, -4_900]) == 3


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (10, 0.5)])
def test_a_bucket_that_could_never_grant_is_refused(rate: float, burst: float) -> None:
    """A negative rate or a burst below one call is an error when the limit is made."""
    with pytest.raises(SettingsError, match="burst 1 or more"):
        Limit(rate, burst)

"""The fleet's token bucket on a real server. Where time is passed in, it is exact; nothing waits there."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Permit, Reason, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms

T = 1_800_000_000_000_000
SECOND = 1_000_000
MICRO = 1.1e-6
"""Waits are rounded up to the next microsecond."""

Make = Callable[..., FleetBucket]


def wait_of(bucket: FleetBucket, now_us: int, n: int = 1) -> float:
    """The wait of a reservation that must be granted."""
    permit = bucket.reserve(3_600.0, n, now_us=now_us)
    assert isinstance(permit, Permit)
    return permit.wait_s


def granted_at(bucket: FleetBucket, now_us: int) -> float:
    """The rate granted at a time; nothing is taken."""
    return bucket.reserve(3_600.0, 0, now_us=now_us).granted


def stored(rooms: Rooms) -> dict[str, str]:
    """The bucket as Redis has it."""
    fields: dict[str, str] = rooms.client.hgetall(rooms.keys.bucket(DESCRIBE))  # type: ignore[assignment] # typed for asyncio, too
    return fields


def assert_within(ready_s: list[float], rate: float, burst: float) -> None:
    """In no window are there more than burst + rate · t grants."""
    lowest = float("inf")
    for number, moment in enumerate(sorted(ready_s)):
        lowest = min(lowest, number - rate * moment)
        assert number + 1 - rate * moment - lowest <= burst + 1e-3


def test_an_unknown_bucket_starts_empty(make: Make) -> None:
    """Who comes first waits for the first token: never a free burst."""
    assert make(rate=10, burst=5).reserve(20.0, now_us=T) == Permit(0.1, T, 10.0, 1.0)


def test_the_kth_waiter_waits_k_times_as_long(make: Make) -> None:
    """The bucket goes into debt, in the order in which it was asked."""
    bucket = make(rate=10)

    waits = [wait_of(bucket, T) for _ in range(30)]

    assert waits == pytest.approx([k / 10 for k in range(1, 31)], abs=MICRO)


@pytest.mark.parametrize("later_us", [1, 33_333, 99_999, 100_000, 150_001, 199_999])
def test_the_refill_is_exact_to_the_microsecond(make: Make, later_us: int) -> None:
    """Fractions of a token count; whole seconds mean nothing."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)

    assert wait_of(bucket, T + later_us) == pytest.approx((200_000 - later_us) / 1e6, abs=MICRO)


def test_tokens_pile_up_to_the_burst_and_no_further(make: Make) -> None:
    """After an hour of rest, 5 tokens are there, and the sixth is waited for."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)

    waits = [wait_of(bucket, T + 3_600 * SECOND) for _ in range(7)]

    assert waits == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2], abs=MICRO)


def test_a_refusal_takes_nothing_and_says_how_long_the_wait_would_be(make: Make, rooms: Rooms) -> None:
    """The longest wait bounds the debt."""
    bucket = make(rate=10)
    for _ in range(10):
        wait_of(bucket, T)
    before = stored(rooms)

    assert bucket.reserve(1.05, now_us=T) == Refused(1.1, Reason.TOO_LONG, 10.0)
    assert stored(rooms) == before
    assert isinstance(bucket.reserve(1.11, now_us=T), Permit)


def test_more_than_the_burst_never_fits(make: Make, rooms: Rooms) -> None:
    """However long the wait, the bucket cannot hold so many."""
    assert make(rate=10, burst=5).reserve(3_600.0, 6, now_us=T) == Refused(0.0, Reason.NEVER, 10.0)
    assert stored(rooms) == {}
    assert wait_of(make(rate=10, burst=5), T, 5) == pytest.approx(0.5, abs=MICRO)


def test_a_clock_that_is_set_back_neither_grants_nor_stops(make: Make) -> None:
    """After a step of the server's clock the bucket goes on from where it was."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)

    assert wait_of(bucket, T - 3_600 * SECOND) == pytest.approx(0.2, abs=MICRO)
    assert wait_of(bucket, T - 3_599 * SECOND) == 0.0


def test_a_pause_grants_nothing_until_it_ends(make: Make) -> None:
    """The operator's pause holds for all, at once."""
    bucket, other = make(), make()
    bucket.pause(True, now_us=T)

    assert other.reserve(3_600.0, now_us=T) == Refused(0.0, Reason.PAUSED, 10.0)
    assert bucket.view().paused
    bucket.pause(False, now_us=T)
    assert other.reserve(3_600.0, now_us=T) == Permit(0.1, T, 10.0, 1.0)


def test_a_pinned_rate_overrides_the_granted_one(make: Make, rooms: Rooms) -> None:
    """Above or below the configured rate, until it is let go; a throttle then counts and cuts nothing."""
    bucket = make(rate=10)
    bucket.pin(40.0, now_us=T)
    permit = bucket.reserve(20.0, now_us=T)
    assert permit == Permit(0.025, T, 40.0, 1.0)
    assert not any(bucket.penalize(T + n, now_us=T + n) for n in range(1, 50))
    assert (granted_at(bucket, T + 50), stored(rooms)["x"], stored(rooms).get("k")) == (40.0, "49", None)
    assert (bucket.view().pinned, bucket.view().burst) == (40.0, 10.0)

    bucket.pin(2.0, now_us=T + 60)
    assert granted_at(bucket, T + 70) == 2.0
    bucket.pin(None, now_us=T + 80)
    assert (granted_at(bucket, T + 90), bucket.view().pinned) == (10.0, None)


def test_a_refund_is_there_for_the_next(make: Make, rooms: Rooms) -> None:
    """A token that will not be used shortens the queue by one, and is not counted."""
    bucket = make(rate=10)
    permits = [bucket.reserve(20.0, now_us=T) for _ in range(3)]
    assert isinstance(permits[-1], Permit)

    assert bucket.refund(permits[-1], now_us=T) == 1
    assert wait_of(bucket, T) == pytest.approx(0.3, abs=MICRO)
    assert stored(rooms)["c"] == "3"


def test_a_bucket_that_was_lost_starts_empty_again(make: Make) -> None:
    """A Redis that forgot everything grants no burst."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)
    bucket.flush()

    assert wait_of(bucket, T + 3_600 * SECOND) == pytest.approx(0.1, abs=MICRO)


@pytest.mark.parametrize("seed", range(6))
def test_no_window_holds_more_than_the_burst_and_the_rate(make: Make, seed: int) -> None:
    """Whenever and with whatever patience one asks, for however many tokens."""
    rng = Random(seed)
    rate, burst = rng.choice([0.7, 4.0, 50.0]), rng.choice([1.0, 3.0, 12.5])
    bucket, now_us, ready_s = make(rate=rate, burst=burst), T, list[float]()
    for _ in range(400):
        now_us += round(rng.choice([0, rng.expovariate(rate), rng.expovariate(rate / 20)]) * SECOND)
        n = rng.choice([1, 1, 1, min(3, int(burst))])
        answer = bucket.reserve(rng.choice([0.0, 1.0, 30.0]), n, now_us=now_us)
        if isinstance(answer, Permit):
            ready_s += [(answer.stamp_us - T) / SECOND + answer.wait_s] * n

    assert len(ready_s) > 100
    assert_within(ready_s, rate, burst)


def test_two_connections_spend_the_same_tokens(rooms: Rooms, make: Make, redis_url: str, settings: Settings) -> None:
    """The bucket is the fleet's, not the process's."""
    other = open_rooms(redis_url, settings)
    pair = make(rate=10, start=5), other.buckets[DESCRIBE]

    waits = [wait_of(pair[n % 2], T) for n in range(10)]
    other.close()

    assert waits == pytest.approx([k / 5 for k in range(1, 11)], abs=MICRO)
    assert stored(rooms)["c"] == "10"

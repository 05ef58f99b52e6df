"""The fleet's token bucket on a real server. Where time is passed in, it is exact; nothing waits there."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from fleetpoll.clock import system_mono
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Allowance, Permit, Reason, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms

T = 1_800_000_000_000_000
SECOND = 1_000_000
MICRO = 1.1e-6
"""Waits are rounded up to the next microsecond."""

Make = Callable[..., FleetBucket]


@pytest.fixture
def make(rooms: Rooms) -> Make:
    """Makes buckets of the same operation, with an allowance of the test's own."""

    def bucket(rate: float = 10.0, burst: float | None = None, rate_min: float = 0.5, of: Rooms = rooms) -> FleetBucket:
        allowance = Allowance(DESCRIBE, rate, rate_min, burst)
        return FleetBucket(of.client, of.scripts, of.keys.bucket(DESCRIBE), allowance, system_mono)

    return bucket


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
    assert make(rate=10, burst=5).reserve(20.0, now_us=T) == Permit(0.1, T, 10.0)


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
    bucket.pause(True)

    assert other.reserve(3_600.0, now_us=T) == Refused(0.0, Reason.PAUSED, 10.0)
    assert bucket.view().paused
    bucket.pause(False)
    assert other.reserve(3_600.0, now_us=T) == Permit(0.1, T, 10.0)


def test_a_pinned_rate_overrides_the_granted_one(make: Make, rooms: Rooms) -> None:
    """Above or below the configured rate, until it is let go; a throttle then counts and cuts nothing."""
    bucket = make(rate=10)
    bucket.pin(40.0)
    permit = bucket.reserve(20.0, now_us=T)
    assert permit == Permit(0.025, T, 40.0)
    assert bucket.penalize(T, now_us=T + 1)
    assert (granted_at(bucket, T + 2), stored(rooms).get("k")) == (40.0, None)
    assert (bucket.view().pinned, bucket.view().burst) == (40.0, 10.0)

    bucket.pin(2.0)
    assert granted_at(bucket, T + 3) == 2.0
    bucket.pin(None)
    assert (granted_at(bucket, T + 4), bucket.view().pinned) == (10.0, None)


def test_twenty_throttles_of_one_event_are_one_cut(make: Make, rooms: Rooms) -> None:
    """Calls that were booked before the cut are the same event, whoever made them; one booked after it is a new one."""
    buckets = [make(rate=10), make(rate=10)]
    permits = [buckets[n % 2].reserve(20.0, now_us=T + n) for n in range(20)]
    stamps = [permit.stamp_us for permit in permits if isinstance(permit, Permit)]

    cuts = [buckets[n % 2].penalize(stamp, now_us=T + SECOND + n) for n, stamp in enumerate(stamps)]

    assert cuts == [True] + [False] * 19
    assert granted_at(buckets[0], T + SECOND) == pytest.approx(7.0)
    later = buckets[0].reserve(20.0, now_us=T + SECOND + 100)
    assert isinstance(later, Permit)
    assert buckets[1].penalize(later.stamp_us, now_us=T + SECOND + 200)
    assert granted_at(buckets[0], T + SECOND + 200) == pytest.approx(4.9, abs=1e-3)
    assert (stored(rooms)["x"], stored(rooms)["k"]) == ("21", "2")


def test_a_hint_of_aws_holds_all_calls_for_that_long(make: Make) -> None:
    """After Retry-After: 2 the next token is there two seconds later, at the slower rate, and no sooner."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)
    wait_of(bucket, T + 10 * SECOND)  # the bucket is full
    bucket.penalize(T + 10 * SECOND, 2.0, now_us=T + 10 * SECOND)

    assert make(rate=10, burst=5).reserve(1.99, now_us=T + 10 * SECOND).wait_s == pytest.approx(2 + 1 / 7, abs=MICRO)


def test_a_throttle_without_a_hint_takes_the_tokens_that_piled_up(make: Make) -> None:
    """What had piled up was promised by the rate that proved too high."""
    bucket = make(rate=10, burst=5)
    wait_of(bucket, T)
    bucket.penalize(T, now_us=T + 10 * SECOND)

    assert wait_of(bucket, T + 10 * SECOND) == pytest.approx(1 / 7, abs=MICRO)


def test_the_rate_climbs_back_to_its_ceiling(make: Make) -> None:
    """After a cut it climbs steadily, from 0 to the ceiling in CLIMB_S, and stops at the ceiling."""
    bucket = make(rate=10)
    wait_of(bucket, T)
    bucket.penalize(T, now_us=T)

    climb = [granted_at(bucket, T + second * SECOND) for second in (0, 6, 12, 18, 24, 3_600)]

    assert climb == pytest.approx([7, 7 + 60 / CLIMB_S, 7 + 120 / CLIMB_S, 10, 10, 10])


def test_the_rate_never_falls_below_its_floor(make: Make) -> None:
    """However often AWS throttles, rate_min is left."""
    bucket = make(rate=10, rate_min=0.5)
    for n in range(50):
        permit = bucket.reserve(3_600.0, now_us=T + 2 * n)
        assert bucket.penalize(T + 2 * n, now_us=T + 2 * n + 1)

    assert isinstance(permit, Permit)
    assert granted_at(bucket, T + 100) == pytest.approx(0.5, abs=1e-3)


def test_a_refund_is_there_for_the_next(make: Make, rooms: Rooms) -> None:
    """A token that will not be used shortens the queue by one, and is not counted."""
    bucket = make(rate=10)
    for _ in range(3):
        wait_of(bucket, T)
    bucket.refund()

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
    pair = make(rate=10), make(rate=10, of=other)

    waits = [wait_of(pair[n % 2], T) for n in range(10)]
    other.close()

    assert waits == pytest.approx([k / 10 for k in range(1, 11)], abs=MICRO)
    assert stored(rooms)["c"] == "10"

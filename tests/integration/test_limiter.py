"""pyrate-limiter on the fleet's bucket: its own Limiter and ours, in threads and under asyncio. These wait, a little."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyrate_limiter import Limiter, RateItem

from fleetpoll.state.allowance import PACE_S
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.limiter import FleetLimiter, passed_stamp_us
from fleetpoll.state.rooms import DESCRIBE, Rooms

Make = Callable[..., FleetBucket]


def stored(rooms: Rooms) -> dict[str, str]:
    """The bucket as Redis has it."""
    fields: dict[str, str] = rooms.client.hgetall(rooms.keys.bucket(DESCRIBE))  # type: ignore[assignment] # typed for asyncio, too
    return fields


def test_a_plain_limiter_spends_from_the_bucket(make: Make, rooms: Rooms) -> None:
    """Any program with pyrate-limiter can share the allowance."""
    began = time.monotonic()
    with Limiter(make(rate=20, burst=1)) as limiter:
        assert [limiter.try_acquire("mine") for _ in range(4)] == [True] * 4

    assert time.monotonic() - began >= 4 / 20
    assert stored(rooms)["c"] == "4"


def test_a_token_that_was_dropped_comes_back_with_the_next_call(make: Make, rooms: Rooms) -> None:
    """A Limiter that gives up while it sleeps drops its item; the token is not lost to the others."""
    bucket = make(rate=0.1, rate_min=0.01)
    item = RateItem("mine", 0)
    assert not bucket.put(item)
    assert bucket.waiting(item) == PACE_S * 1000

    del item
    gc.collect()
    following = RateItem("mine too", 0)
    assert not bucket.put(following)

    assert stored(rooms)["c"] == "1"
    assert float(stored(rooms)["t"]) == pytest.approx(-1, abs=0.5)


def test_our_limiter_waits_until_the_token_may_be_used(make: Make, rooms: Rooms) -> None:
    """It returns no sooner than the bucket says, and asks Redis once for each grant."""
    limiter, began = FleetLimiter(make(rate=20, burst=1)), time.monotonic()

    assert [limiter.try_acquire() for _ in range(5)] == [True] * 5

    assert time.monotonic() - began >= 5 / 20
    assert stored(rooms)["c"] == "5"


def test_our_limiter_takes_nothing_that_it_would_not_wait_for(make: Make, rooms: Rooms) -> None:
    """Without blocking, or with a time-out that is too short, no token is booked; more than the burst is refused."""
    limiter = FleetLimiter(make(rate=0.1, rate_min=0.01))

    async def tries() -> list[bool]:
        return [await limiter.try_acquire_async(blocking=False), await limiter.try_acquire_async(timeout=0.02)]

    assert limiter.try_acquire(blocking=False) is False
    assert limiter.try_acquire(timeout=0.02) is False
    assert limiter.try_acquire(weight=2) is False
    assert asyncio.run(tries()) == [False, False]
    assert "c" not in stored(rooms)
    assert float(stored(rooms)["t"]) >= 0


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_many_at_once_keep_to_the_rate(make: Make, rooms: Rooms, kind: str) -> None:
    """Twenty tasks or threads on one Limiter get a token each, and by no moment more than there are."""
    limiter, began, took = FleetLimiter(make(rate=50, burst=1)), time.monotonic(), list[float]()

    async def one() -> None:
        assert await limiter.try_acquire_async()
        took.append(time.monotonic() - began)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(20)))

    def thread(_: int) -> None:
        assert limiter.try_acquire()
        took.append(time.monotonic() - began)

    if kind == "asyncio":
        asyncio.run(all_of_them())
    else:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(thread, range(20)))

    assert stored(rooms)["c"] == "20"
    assert all(moment >= (number + 1) / 50 for number, moment in enumerate(sorted(took)))


def test_two_limiters_of_one_bucket_do_not_mix_up_their_waits(make: Make) -> None:
    """An item that can never pass does not make another one believe the same."""
    bucket = make(rate=0.1, rate_min=0.01, burst=1)
    fits, never = RateItem("fits", 0), RateItem("never", 0, weight=2)

    assert [bucket.put(fits), bucket.put(never)] == [False, False]

    assert bucket.waiting(never) == -1
    assert bucket.waiting(fits) == PACE_S * 1000


def test_a_throttled_call_names_its_booking_in_threads_and_tasks(make: Make, rooms: Rooms) -> None:
    """`passed_stamp_us` is the booking of the last token that this thread or task was given, with a time-out as without."""
    limiter = FleetLimiter(make(rate=50, burst=1))

    async def stamps() -> list[int]:
        found = []
        for timeout in (-1, 5):
            assert await limiter.try_acquire_async("mine", timeout=timeout)
            found.append(passed_stamp_us())
        return found

    assert limiter.try_acquire("mine", timeout=5)
    mine, (one, two) = passed_stamp_us(), asyncio.run(stamps())

    assert 0 < mine < one < two <= int(stored(rooms)["u"])
    assert passed_stamp_us() == mine

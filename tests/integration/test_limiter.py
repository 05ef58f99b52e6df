"""pyrate-limiter on the fleet's bucket: its own Limiter and ours, in threads and under asyncio. These wait, a little."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyrate_limiter import Limiter, RateItem

from benchmarks.rig import wait_until
from fleetpoll.state.allowance import PACE_S, Permit
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


def test_a_cut_reaches_a_limiter_that_sleeps(make: Make) -> None:
    """What it waits for is a place in the row: at a thousandth of the rate its wait is a thousand times as long."""
    bucket, now = make(rate=1, burst=1), [0.0]
    bucket._mono = lambda: now[0]
    item = RateItem("mine", 0)
    assert not bucket.put(item)

    bucket.pin(0.001)
    now[0] += PACE_S
    assert not bucket.put(item)
    slowed_s = bucket._bookings[item].left_s(now[0])
    bucket.pin(1_000.0)
    now[0] += PACE_S

    assert slowed_s > 100
    assert bucket.put(item) or bucket.waiting(item) <= 5


def test_a_pause_reaches_a_limiter_that_sleeps(make: Make) -> None:
    """It does not pass before the pause has ended, though its token is booked."""
    bucket = make(rate=0.8, burst=1)
    limiter = FleetLimiter(bucket)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.try_acquire)
        wait_until(lambda: bool(bucket._bookings), 5, "a booking")
        bucket.pause(True)
        assert not limiter.try_acquire(timeout=1.6)
        assert not waiting.done()
        bucket.pause(False)

        assert waiting.result(timeout=10)


def test_a_time_out_gives_the_token_back_at_once(make: Make, rooms: Rooms) -> None:
    """A Limiter that a cut keeps past its caller's time-out books nothing in the end, without another call to come."""
    bucket = make(rate=1, rate_min=0.01, burst=1)
    limiter = FleetLimiter(bucket)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.try_acquire, timeout=1.1)
        wait_until(lambda: bool(bucket._bookings), 5, "a booking")
        bucket.pin(0.01)

        assert waiting.result(timeout=10) is False
    assert stored(rooms)["c"] == "0"
    assert float(stored(rooms)["t"]) == pytest.approx(0, abs=0.7)


def test_a_cancelled_task_gives_its_token_back(make: Make, rooms: Rooms) -> None:
    """The tokens of cancelled waiters go to those who still wait."""
    limiter = FleetLimiter(make(rate=1, rate_min=0.01, burst=1))

    async def cancelled() -> None:
        task = asyncio.create_task(limiter.try_acquire_async())
        await asyncio.to_thread(wait_until, lambda: "c" in stored(rooms), 5, "a booking")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    gc.collect()
    limiter.try_acquire(blocking=False)

    assert stored(rooms)["c"] == "0"


@pytest.mark.parametrize("blocking", [True, False])
def test_a_weight_takes_as_many_tokens(make: Make, rooms: Rooms, blocking: bool) -> None:  # noqa: FBT001 - pyrate's word
    """pyrate-limiter's weight is a number of tokens; one that the bucket can never hold is False, and takes none."""
    limiter = FleetLimiter(make(rate=50, burst=5))
    assert limiter.try_acquire(weight=5)
    wait_until(lambda: limiter.try_acquire(weight=2, blocking=blocking) is True, 5, "two tokens")

    assert limiter.try_acquire(weight=6, blocking=blocking) is False
    assert int(stored(rooms)["c"]) == 7


def test_arguments_that_contradict_each_other_are_refused_as_by_pyrate_limiter(make: Make) -> None:
    """A negative time-out, and a time-out without blocking."""
    limiter = FleetLimiter(make(rate=50))

    with pytest.raises(ValueError, match="timeout"):
        limiter.try_acquire(timeout=-2)
    with pytest.raises(RuntimeError, match="non-blocking"):
        limiter.try_acquire(blocking=False, timeout=1)


def test_a_decorator_takes_a_token_for_each_call(make: Make, rooms: Rooms) -> None:
    """pyrate-limiter's own `as_decorator` works on the fleet's bucket."""
    limiter = FleetLimiter(make(rate=100, burst=5))

    @limiter.as_decorator(name="mine", weight=1)  # type: ignore[no-untyped-call, untyped-decorator] # not typed there
    def double(number: int) -> int:
        return 2 * number

    assert [double(number) for number in range(5)] == [0, 2, 4, 6, 8]
    assert stored(rooms)["c"] == "5"


def test_threads_may_give_back_at_the_same_time(make: Make) -> None:
    """Several Limiters share a bucket; what one of them dropped is given back once, by whoever comes first."""
    bucket = make(rate=1_000, burst=50)
    permits = [bucket.reserve(60.0) for _ in range(400)]
    bucket._abandoned.extend(permit for permit in permits if isinstance(permit, Permit))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: bucket.give_back(), range(400)))
    finally:
        sys.setswitchinterval(interval)

    assert not bucket._abandoned

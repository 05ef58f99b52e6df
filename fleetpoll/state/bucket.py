"""The fleet's token bucket for one AWS operation, on Redis TIME, plugged into pyrate-limiter.

The answer to `reserve` is a time, not yes or no: the bucket goes into debt and the caller sleeps exactly once, so that a
grant costs one Redis call however many wait. `FleetBucket` is a pyrate-limiter bucket: `FleetLimiter(bucket).try_acquire()`
anywhere spends the same tokens as the workers. The first `put` of a RateItem books, the Limiter sleeps, and the `put` of
the same item that follows is answered here, without Redis.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import TYPE_CHECKING, Any

from pyrate_limiter import AbstractBucket, Rate, RateItem
from pyrate_limiter.abstracts.algorithm import Decision

from fleetpoll.errors import SettingsError

if TYPE_CHECKING:
    from fleetpoll.clock import Mono
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.scripts import Scripts

CLIMB_S = 60.0
"""How long a rate needs to climb from 0 back to the ceiling after cuts."""
CUT = 0.7
"""What is left of the granted rate after one decrease."""
HORIZON_S = 20.0
"""How far ahead a Limiter without a time-out books; who would wait longer comes back later."""
PAUSED_RECHECK_S = 0.5
"""How often a caller that waits for the end of a pause asks again."""

PIN_MIN = 0.001
"""The slowest rate that can be pinned; who wants less wants a pause."""

patience_s_of_caller: ContextVar[float] = ContextVar("patience_s", default=HORIZON_S)
passed_us_of_caller: ContextVar[list[int]] = ContextVar("passed_us")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is configured for one operation: the hard ceiling `rate` and floor `rate_min` in calls/s, tokens that pile up."""

    operation: str
    rate: float
    rate_min: float
    burst: float | None = None  # None: max(1, granted rate / 4)


@dataclass(frozen=True, slots=True)
class Permit:
    """A token that may be used once `wait_s` has passed. `stamp_us` names the booking when AWS throttles the call."""

    wait_s: float
    stamp_us: int
    granted: float


class Reason(IntEnum):
    """Why there is no permit, in the numbers of reserve.lua."""

    TOO_LONG = 0
    NEVER = -1
    PAUSED = -2


@dataclass(frozen=True, slots=True)
class Refused:
    """No token was taken: `wait_s` says how long the wait would have been."""

    wait_s: float
    reason: Reason
    granted: float


@dataclass(frozen=True, slots=True)
class BucketView:
    """What the bucket looks like from outside."""

    configured: float
    granted: float
    burst: float
    pinned: float | None
    paused: bool
    tokens_granted: int
    throttles: int
    cuts: int


@dataclass(slots=True)
class _Booking:
    """A reservation that a Limiter sleeps on."""

    ready_at: float
    weight: int
    stamp_us: int
    redeemed: bool = False


class FleetBucket(AbstractBucket):
    """The shared bucket of one operation.

    The allowance of the workers counts (`worker=True`); others go by it as soon as a worker has drawn a token.
    """

    is_async = False

    def __init__(
        self, client: Connection, scripts: Scripts, key: str, allowance: Allowance, mono: Mono, *, worker: bool = False
    ) -> None:
        self._client, self._scripts, self._key, self._mono = client, scripts, key, mono
        self.allowance, self._worker = allowance, "1" if worker else ""
        self._rng = Random()
        self._bookings: weakref.WeakKeyDictionary[RateItem, _Booking] = weakref.WeakKeyDictionary()
        self._abandoned: deque[int] = deque()
        self._waits_ms: weakref.WeakKeyDictionary[RateItem, int] = weakref.WeakKeyDictionary()
        self.rates = [Rate(max(1, math.ceil(allowance.rate)), 1000)]

    def reserve(self, max_wait_s: float, n: int = 1, *, now_us: int | None = None) -> Permit | Refused:
        """Take `n` tokens, in debt if need be, unless the wait would be longer than `max_wait_s`. One Redis call.

        Raises RedisUnavailable; then a token may have been taken, never used twice.
        """
        given_back = sum(self._abandoned.popleft() for _ in range(len(self._abandoned)))
        a = self.allowance
        burst = "" if a.burst is None else a.burst
        args = (
            "" if now_us is None else now_us,
            a.rate,
            burst,
            n,
            round(max_wait_s * 1e6),
            CLIMB_S,
            given_back,
            self._worker,
        )
        state, wait_us, stamp_us, granted = self._scripts.run("reserve", (self._key,), args)
        if state == 1:
            return Permit(wait_us / 1e6, int(stamp_us), granted / 1e6)
        if given_back:  # nothing was written, so they still wait to be given back
            self._abandoned.append(given_back)
        return Refused(wait_us / 1e6, Reason(state), granted / 1e6)

    def penalize(self, stamp_us: int, retry_after_s: float = 0.0, *, now_us: int | None = None) -> bool:
        """AWS throttled the call that was booked at `stamp_us`: slow the whole fleet down, once per event.

        Returns whether this was a new event.
        """
        a = self.allowance
        hold_us = round(retry_after_s * 1e6)
        args = ("" if now_us is None else now_us, a.rate, a.rate_min, stamp_us, hold_us, CLIMB_S, CUT, self._worker)
        return bool(self._scripts.run("penalize", (self._key,), args)[0])

    def refund(self, n: int = 1) -> None:
        """Give back tokens that will not be used."""
        self._scripts.run("refund", (self._key,), (n,))

    def pin(self, rate: float | None) -> None:
        """Fix the granted rate for the whole fleet, above or below the configured one; None lets it go again.

        Raises SettingsError for what is no rate: NaN would be no limit at all.
        """
        if rate is not None and not (math.isfinite(rate) and rate >= PIN_MIN):
            raise SettingsError(f"{rate:g} calls/s is no rate to pin: give {PIN_MIN:g} or more, or pause the bucket.")
        if rate is None:
            self._client.hdel(self._key, "pin")
        else:
            self._client.hset(self._key, "pin", str(rate))

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - the state itself is the argument
        """Grant nothing to anybody until the pause ends."""
        if paused:
            self._client.hset(self._key, "pause", "1")
        else:
            self._client.hdel(self._key, "pause")

    def view(self) -> BucketView:
        """The bucket as it is now; nothing is taken."""
        look = self.reserve(0.0, 0)
        stored: Any = self._client.hgetall(self._key)
        depth = stored.get("b", self.allowance.burst)
        return BucketView(
            configured=float(stored.get("r", self.allowance.rate)),
            granted=look.granted,
            burst=float(depth) if depth else max(1.0, look.granted / 4),
            pinned=float(stored["pin"]) if "pin" in stored else None,
            paused=stored.get("pause") == "1",
            tokens_granted=int(stored.get("c", 0)),
            throttles=int(stored.get("x", 0)),
            cuts=int(stored.get("k", 0)),
        )

    def put(self, item: RateItem) -> bool:
        """Pyrate-limiter's question: may this item pass now? Books a token the first time it is asked."""
        booking = self._bookings.get(item)
        if booking is None:
            booking = self._book(item)
        if booking is None:
            return self._record(item, Decision(self.rates[0], self.waiting(item)))
        self._waits_ms[item] = wait_ms = math.ceil((booking.ready_at - self._mono()) * 1000)
        if wait_ms > 0:
            return self._record(item, Decision(self.rates[0], wait_ms))
        booking.redeemed = True
        passed_us_of_caller.get([])[:] = [booking.stamp_us]
        return self._record(item, Decision())

    def _book(self, item: RateItem) -> _Booking | None:
        patience_s = patience_s_of_caller.get()
        answer = self.reserve(patience_s, item.weight)
        if isinstance(answer, Refused):
            self._waits_ms[item] = self._come_back_ms(answer, patience_s)
            return None
        booking = _Booking(self._mono() + answer.wait_s, item.weight, answer.stamp_us)
        self._bookings[item] = booking
        weakref.finalize(item, self._let_go, booking).atexit = False
        return booking

    def _come_back_ms(self, refused: Refused, patience_s: float) -> int:
        """When to ask again: -1 for never, else so that those who were refused together do not return together."""
        if refused.reason is Reason.NEVER:
            return -1
        if refused.reason is Reason.PAUSED:
            return round(PAUSED_RECHECK_S * 1000)
        return max(1, round((refused.wait_s - patience_s * self._rng.uniform(0.25, 0.75)) * 1000))

    def _let_go(self, booking: _Booking) -> None:
        """A Limiter dropped an item that it had not passed (a time-out, no blocking): its token returns with the next call.

        Runs inside the garbage collector, hence no Redis call here.
        """
        if not booking.redeemed:
            self._abandoned.append(booking.weight)

    def waiting(self, item: RateItem) -> int:
        """Milliseconds until `item` may pass, as the last `put` found; -1 if it never fits."""
        return self._waits_ms.get(item, 0)

    def leak(self, current_timestamp: int | None = None) -> int:
        """Nothing leaks: the refill is computed."""
        del current_timestamp
        return 0

    def flush(self) -> None:
        """Forget the bucket, operator's overrides included; it starts empty again."""
        self.failing_rate = None
        self._client.delete(self._key)

    def count(self) -> int:
        """No items are stored."""
        return 0

    def peek(self, index: int) -> None:
        """No items are stored."""
        del index

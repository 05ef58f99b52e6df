"""The shared allowance as a pyrate-limiter bucket.

`FleetLimiter(bucket).try_acquire()` anywhere spends the same tokens as the workers. The first `put` of a RateItem books,
the Limiter sleeps in slices of PACE_S, and the `put` of the same item that follows each slice is answered from the permit.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from pyrate_limiter import AbstractBucket, Rate, RateItem
from pyrate_limiter.abstracts.algorithm import Decision

from fleetpoll.errors import StateError
from fleetpoll.state.allowance import PACE_S, Allowance, Permit, Reason, Refused, SharedAllowance

if TYPE_CHECKING:
    from fleetpoll.clock import Mono
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.scripts import Scripts

HORIZON_S = 20.0
"""How far ahead a Limiter without a time-out books; who would wait longer comes back later."""
PAUSED_RECHECK_S = 0.5
"""How often a caller that waits for the end of a pause asks again."""

patience_s_of_caller: ContextVar[float] = ContextVar("patience_s", default=HORIZON_S)
passed_us_of_caller: ContextVar[list[int]] = ContextVar("passed_us")


@dataclass(slots=True)
class _Booking:
    """A permit that a Limiter sleeps on, as it stood at the monotonic moment `heard_at`."""

    permit: Permit
    heard_at: float
    paused: bool = False
    redeemed: bool = False

    def left_s(self, now: float) -> float:
        """How long until it may be used, as far as we have heard."""
        return self.heard_at + self.permit.wait_s - now


class FleetBucket(SharedAllowance, AbstractBucket):
    """The shared bucket of one operation, for pyrate-limiter and for those who reserve by themselves."""

    is_async = False

    def __init__(
        self, client: Connection, scripts: Scripts, key: str, allowance: Allowance, mono: Mono, *, worker: bool = False
    ) -> None:
        SharedAllowance.__init__(self, client, scripts, key, allowance, worker=worker)
        self._mono, self._rng = mono, Random()
        self._bookings: weakref.WeakKeyDictionary[RateItem, _Booking] = weakref.WeakKeyDictionary()
        self._abandoned: deque[Permit] = deque()
        self._waits_ms: weakref.WeakKeyDictionary[RateItem, int] = weakref.WeakKeyDictionary()
        self.rates = [Rate(max(1, math.ceil(allowance.rate)), 1000)]

    def put(self, item: RateItem) -> bool:
        """Pyrate-limiter's question: may this item pass now? Books a token the first time it is asked."""
        booking = self._bookings.get(item) or self._book(item)
        if booking is None:
            return self._record(item, Decision(self.rates[0], self.waiting(item)))
        self._waits_ms[item] = wait_ms = self._left_ms(booking)
        if wait_ms > 0:
            return self._record(item, Decision(self.rates[0], wait_ms))
        booking.redeemed = True
        passed_us_of_caller.get([])[:] = [booking.permit.stamp_us]
        return self._record(item, Decision())

    def _left_ms(self, booking: _Booking) -> int:
        """Milliseconds that the holder of a booking sleeps before it asks again, 0 if it may go."""
        now = self._mono()
        if booking.paused or (booking.left_s(now) > 0 and now - booking.heard_at >= PACE_S):
            heard = self.reconsider(booking.permit)
            booking.paused = isinstance(heard, Refused)
            if isinstance(heard, Refused):
                return round(PAUSED_RECHECK_S * 1000)
            booking.permit, booking.heard_at = heard, self._mono()
        return max(0, math.ceil(min(PACE_S, booking.left_s(self._mono())) * 1000))

    def _book(self, item: RateItem) -> _Booking | None:
        patience_s = patience_s_of_caller.get()
        self.give_back()
        answer = self.reserve(patience_s, item.weight)
        if isinstance(answer, Refused):
            self._waits_ms[item] = self._come_back_ms(answer, patience_s)
            return None
        booking = _Booking(answer, self._mono())
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
        """A Limiter dropped an item that it had not passed (a time-out, a cancelled task): its token waits to be given back.

        Runs inside the garbage collector, hence no Redis call here.
        """
        if not booking.redeemed:
            self._abandoned.append(booking.permit)

    def give_back(self) -> None:
        """Give back at once what Limiters have booked and dropped; without them it is done at the next booking."""
        permits = []
        with suppress(IndexError):  # other threads take from it as well: only taking tells whether something is there
            while True:
                permits.append(self._abandoned.popleft())
        if permits:
            with suppress(StateError):  # nobody waits for this
                self.refund(*permits)

    def waiting(self, item: RateItem) -> int:
        """Milliseconds until `item` should be put again, as the last `put` found; -1 if it never fits."""
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

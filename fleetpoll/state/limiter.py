"""The Limiter of pyrate-limiter on a fleet's bucket, for every program that makes AWS calls of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyrate_limiter import InMemoryBucket, Limiter, Rate, SingleBucketFactory

from fleetpoll.errors import RedisUnavailable
from fleetpoll.state.bucket import HORIZON_S, FleetBucket, passed_us_of_caller, patience_s_of_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fleetpoll.clock import Mono

ALONE_S = 5.0
"""How long a Limiter that cannot reach Redis goes on alone before it tries again: a frozen server keeps each try waiting."""
ALONE_SHARE = 0.5
"""What it takes of its share of the rate that was granted last: it cannot know what the others do."""


class FleetLimiter(Limiter):
    """A pyrate-limiter Limiter that books no token which its caller would not wait for."""

    def __init__(self, bucket: FleetBucket) -> None:
        super().__init__(SingleBucketFactory(bucket, schedule_leak=False), buffer_ms=0)
        self._fleet_bucket = bucket

    def try_acquire(
        self,
        name: str = "fleetpoll",
        weight: int = 1,
        blocking: bool = True,  # noqa: FBT001, FBT002 - pyrate-limiter's signature
        timeout: float = -1,
    ) -> bool | Awaitable[bool]:
        """Take `weight` tokens: True once they may be used, False if that would need a longer wait than allowed."""
        with self._patient(timeout, blocking=blocking):
            return super().try_acquire(name, weight, blocking, timeout)

    async def try_acquire_async(
        self,
        name: str = "fleetpoll",
        weight: int = 1,
        blocking: bool = True,  # noqa: FBT001, FBT002 - pyrate-limiter's signature
        timeout: float = -1,  # noqa: ASYNC109 - the same
    ) -> bool:
        """The same for asyncio: waits are the event loop's, but Redis is asked in between without it.

        pyrate-limiter lets one task of an event loop wait at a time, the others stand in line, `blocking` or not.
        """
        with self._patient(timeout, blocking=blocking):
            return await super().try_acquire_async(name, weight, blocking, timeout)

    @contextmanager
    def _patient(self, timeout: float, *, blocking: bool) -> Iterator[None]:
        """Tell the bucket how far ahead to book for this caller, and give back what is dropped on the way."""
        token = patience_s_of_caller.set(patience_of(timeout, blocking=blocking))
        passed_us_of_caller.set([])  # a holder, because asyncio.wait_for puts into a copy of this context
        try:
            yield
        finally:
            patience_s_of_caller.reset(token)
            self._fleet_bucket.give_back()


class SteadfastLimiter(FleetLimiter):
    """A FleetLimiter for programs that must go on without Redis: then it is a local one, far slower, never unlimited.

    Its rate is half of what one of `sharers` would have of the rate that was granted last; a weight above 1 never fits it.
    It does not go on alone when the last word was an operator's pause: then RedisUnavailable is raised.
    """

    def __init__(self, bucket: FleetBucket, mono: Mono, sharers: int) -> None:
        super().__init__(bucket)
        self._mono, self._sharers, self._alone_until = mono, max(1, sharers), 0.0
        self._alone: Limiter | None = None
        self._alone_ms = 0

    def try_acquire(
        self,
        name: str = "fleetpoll",
        weight: int = 1,
        blocking: bool = True,  # noqa: FBT001, FBT002 - pyrate-limiter's signature
        timeout: float = -1,
    ) -> bool | Awaitable[bool]:
        """Take `weight` tokens, from the fleet's bucket if it can be reached."""
        began = self._mono()
        if self._alone is None or began >= self._alone_until:
            try:
                return super().try_acquire(name, weight, blocking, timeout)
            except RedisUnavailable:
                if self._fleet_bucket.paused_last:
                    raise
                self._alone = self._go_alone()
        return self._alone.try_acquire(name, weight, blocking, self._rest_of(timeout, began))

    async def try_acquire_async(
        self,
        name: str = "fleetpoll",
        weight: int = 1,
        blocking: bool = True,  # noqa: FBT001, FBT002 - pyrate-limiter's signature
        timeout: float = -1,  # noqa: ASYNC109 - the same
    ) -> bool:
        """The same for asyncio."""
        began = self._mono()
        if self._alone is None or began >= self._alone_until:
            try:
                return await super().try_acquire_async(name, weight, blocking, timeout)
            except RedisUnavailable:
                if self._fleet_bucket.paused_last:
                    raise
                self._alone = self._go_alone()
        return await self._alone.try_acquire_async(name, weight, blocking, self._rest_of(timeout, began))

    def _go_alone(self) -> Limiter:
        """Leave Redis alone for a while. The same local Limiter as long as its rate is right: what was taken stays taken."""
        self._alone_until = self._mono() + ALONE_S
        rate = ALONE_SHARE * self._fleet_bucket.granted_last / self._sharers
        every_ms = max(1, round(1000 / rate))
        if self._alone is None or self._alone_ms != every_ms:
            self._alone_ms, self._alone_bucket = every_ms, InMemoryBucket([Rate(1, every_ms)])
            # pyrate-limiter would start a thread to leak it, which ends with close() only: we may be dropped without one
            return Limiter(SingleBucketFactory(self._alone_bucket, schedule_leak=False))
        self._alone_bucket.leak(self._alone_bucket.now())  # type: ignore[no-untyped-call] # pyrate-limiter has not typed it
        return self._alone

    def _rest_of(self, timeout: float, began: float) -> float:
        """What is left of a caller's time-out; -1, for ever, stays."""
        return timeout if timeout == -1 else max(0.0, timeout - (self._mono() - began))


def passed_stamp_us() -> int:
    """The booking that a FleetLimiter passed last in this thread or task, for `penalize`; 0 without one."""
    return next(iter(passed_us_of_caller.get([])), 0)


def patience_of(timeout: float, *, blocking: bool) -> float:
    """How far ahead a caller of a Limiter wants to book, in seconds."""
    if not blocking:
        return 0.0
    return HORIZON_S if timeout == -1 else min(HORIZON_S, timeout)

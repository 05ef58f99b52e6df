"""The Limiter of pyrate-limiter on a fleet's bucket, for every program that makes AWS calls of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrate_limiter import Limiter, SingleBucketFactory

from fleetpoll.state.bucket import HORIZON_S, FleetBucket, passed_us_of_caller, patience_s_of_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable


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
        token = patience_s_of_caller.set(patience_of(timeout, blocking=blocking))
        passed_us_of_caller.set([])
        try:
            return super().try_acquire(name, weight, blocking, timeout)
        finally:
            patience_s_of_caller.reset(token)
            self._fleet_bucket.give_back()

    async def try_acquire_async(
        self,
        name: str = "fleetpoll",
        weight: int = 1,
        blocking: bool = True,  # noqa: FBT001, FBT002 - pyrate-limiter's signature
        timeout: float = -1,  # noqa: ASYNC109 - the same
    ) -> bool:
        """The same for asyncio: no thread waits."""
        token = patience_s_of_caller.set(patience_of(timeout, blocking=blocking))
        passed_us_of_caller.set([])  # a holder, because asyncio.wait_for puts into a copy of this context
        try:
            return await super().try_acquire_async(name, weight, blocking, timeout)
        finally:
            patience_s_of_caller.reset(token)
            self._fleet_bucket.give_back()


def passed_stamp_us() -> int:
    """The booking that a FleetLimiter passed last in this thread or task, for `penalize`; 0 without one."""
    return next(iter(passed_us_of_caller.get([])), 0)


def patience_of(timeout: float, *, blocking: bool) -> float:
    """How far ahead a caller of a Limiter wants to book, in seconds."""
    if not blocking:
        return 0.0
    return HORIZON_S if timeout == -1 else min(HORIZON_S, timeout)

"""What a call meets at the door of its operation: stray rejections, a token bucket from which others drink, too, and faults.

Nothing runs on its own: when somebody comes, the calls that others made in the meantime are drawn and take their tokens
first, each at its own moment. So their share is exact, and costs nothing while nobody looks.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from fleetpoll.simulator.buckets import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpoll.simulator.calls import Calls
    from fleetpoll.simulator.config import Disturbance, Fault, Limit


class Tenant:
    """Everybody else in the account: a Poisson stream of `rate` calls per second, which all follows from the seed."""

    def __init__(self, rate: float, seed: str, now_ms: int) -> None:
        self._random = random.Random(seed)
        self.change(rate, now_ms)

    def change(self, rate: float, now_ms: int) -> None:
        """Call at another rate from now on; a Poisson stream has no memory, so the next wait is simply drawn anew."""
        self._rate_per_ms = rate / 1000
        self._next_ms = now_ms + self._wait_ms()

    def arrivals(self, now_ms: int) -> Iterator[float]:
        """The moments in epoch ms of the calls that were made up to now, in order; each comes once."""
        while self._next_ms <= now_ms:
            yield self._next_ms
            self._next_ms += self._wait_ms()

    def _wait_ms(self) -> float:
        return self._random.expovariate(self._rate_per_ms) if self._rate_per_ms else math.inf


class Gate:
    """Lets the calls of one operation pass, or not, and tells `calls` what it did to those of others."""

    def __init__(self, limit: Limit, disturbance: Disturbance, seed: str, now_ms: int) -> None:
        self.disturbance = disturbance
        self._bucket = TokenBucket(limit, now_ms)
        self._tenant = Tenant(disturbance.tenant_rate, f"{seed}/tenant", now_ms)
        self._strays, self._faults = random.Random(f"{seed}/stray"), random.Random(f"{seed}/fault")

    @property
    def limit(self) -> Limit:
        """The allowance that all share."""
        return self._bucket.limit

    def admit(self, calls: Calls, now_ms: int) -> bool:
        """Whether a call that comes now may pass. A stray is turned away before it could take a token."""
        self.catch_up(calls, now_ms)
        # Drawn for each call, needed or not: the same calls stray whatever the bucket holds.
        if self._strays.random() < self.disturbance.reject_share:
            calls.strays += 1
            return False
        return self._bucket.take(now_ms)

    def fault(self) -> Fault | None:
        """What becomes of a call that has passed; None: a good answer."""
        drawn = self._faults.random()
        for fault, share in self.disturbance.faults.items():
            drawn -= share
            if drawn < 0:
                return fault
        return None

    def catch_up(self, calls: Calls, now_ms: int) -> None:
        """Let the others have made their calls up to now."""
        for moment_ms in self._tenant.arrivals(now_ms):
            if self._bucket.take(moment_ms):
                calls.tenant_accepted += 1
            else:
                calls.tenant_throttled += 1

    def change(self, limit: Limit, calls: Calls, now_ms: int) -> None:
        """Go on under another limit."""
        self.catch_up(calls, now_ms)
        self._bucket.change(limit, now_ms)

    def disturb(self, disturbance: Disturbance, calls: Calls, now_ms: int) -> None:
        """Go on with other disturbances."""
        self.catch_up(calls, now_ms)
        if disturbance.tenant_rate != self.disturbance.tenant_rate:
            self._tenant.change(disturbance.tenant_rate, now_ms)
        self.disturbance = disturbance

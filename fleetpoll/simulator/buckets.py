"""The token bucket that AWS holds for each operation of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpoll.simulator.config import Limit


class TokenBucket:
    """A true token bucket: starts full, refills continuously, never holds more than `burst`."""

    def __init__(self, limit: Limit, now_ms: int) -> None:
        self.limit = limit
        self._tokens = limit.burst
        self._at_ms: float = now_ms

    def take(self, now_ms: float) -> bool:
        """Take one token if there is one; always, when there is no limit."""
        if self.limit.rate == 0:
            return True
        self._refill(now_ms)
        # Thirds do not add up in floating point: a client that keeps exactly to the rate must not be refused for 1e-9.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def change(self, limit: Limit, now_ms: int) -> None:
        """Go on under another limit with the tokens at hand: a change of limit is no free burst."""
        unlimited = self.limit.rate == 0
        self._refill(now_ms)
        self.limit = limit
        self._tokens = limit.burst if unlimited else min(self._tokens, limit.burst)

    def _refill(self, now_ms: float) -> None:
        elapsed_ms = max(0, now_ms - self._at_ms)  # a clock that was set back takes no tokens away
        self._at_ms = now_ms
        self._tokens = min(self.limit.burst, self._tokens + self.limit.rate * elapsed_ms / 1000)

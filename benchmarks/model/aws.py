"""AWS's side of the model: a true token bucket, other tenants that drink from it, and rejections without a reason."""

from __future__ import annotations

from bisect import bisect_left
from random import Random

from fleetpoll.forecast.loop import Loop


class Aws:
    """One operation of an account. The bucket starts full; `strays` is the share of the calls rejected for no reason."""

    def __init__(self, loop: Loop, rng: Random, rate: float, burst: float, *, strays: float = 0.0) -> None:
        self._loop, self._rng, self._strays = loop, rng, strays
        self._rate, self._burst, self._tokens, self._at_s = rate, burst, burst, 0.0
        self.accepted: list[float] = []
        self.throttled: list[float] = []
        self.stray: list[float] = []

    def call(self) -> bool:
        """A call of the fleet arrives. Returns whether it is accepted."""
        now_s = self._loop.now_s
        if self._strays and self._rng.random() < self._strays:
            self.stray.append(now_s)
            return False
        accepted = self._take()
        (self.accepted if accepted else self.throttled).append(now_s)
        return accepted

    def change(self, rate: float) -> None:
        """Refill at another rate from now on, with the tokens at hand."""
        self._refill()
        self._rate = rate

    def tenants(self, rate: float, until_s: float) -> None:
        """From now on until `until_s`, others make `rate` calls a second at random."""
        if self._loop.now_s < until_s:
            self._take()
            self._loop.after(self._rng.expovariate(rate), self.tenants, rate, until_s)

    def _refill(self) -> None:
        now_s = self._loop.now_s
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s

    def _take(self) -> bool:
        self._refill()
        if self._tokens < 1 - 1e-9:  # who keeps exactly to the rate is not refused for a rounding error
            return False
        self._tokens -= 1
        return True


def between(moments: list[float], from_s: float, to_s: float) -> int:
    """How many of the moments, which are in order, lie in [from_s, to_s)."""
    return bisect_left(moments, to_s) - bisect_left(moments, from_s)

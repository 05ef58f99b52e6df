"""The laws of how long something lasts. Pure.

A law is drawn from in two ways. `at` gives the lengths of what begins. `met_at` gives the lengths of what is under way at a
given moment: whoever looks then meets the long ones more often, in proportion to their length. Both take a number in [0, 1).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

BITS: Final = 32
RESOLUTION: Final = 2**BITS
"""The grain of the numbers that are drawn from: half of it is added where a law has no bounds to be asked for."""
NORMAL: Final = NormalDist()


def drawn(rng: Random) -> float:
    """A number in [0, 1) by chance, of this grain."""
    return rng.getrandbits(BITS) / RESOLUTION


def pick(sums: Sequence[float], drawn: float) -> int:
    """Which of some choices a number in [0, 1) falls on; `sums` are the running sums of their weights."""
    return min(bisect_right(sums, drawn * sums[-1]), len(sums) - 1)


class Law(Protocol):
    """How long something lasts. Lengths are in whatever unit the law was made with."""

    @property
    def mean(self) -> float:
        """The mean length of what begins."""

    def at(self, drawn: float) -> float:
        """A length of what begins."""

    def met_at(self, drawn: float) -> float:
        """A length of what is under way."""

    def share(self, length: float) -> float:
        """How much of what begins lasts no longer than this."""


class Uniform(NamedTuple):
    """Any length between two is as likely as any other."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """The mean length of what begins."""
        return (self.low + self.high) / 2

    def at(self, drawn: float) -> float:
        """A length of what begins."""
        return self.low + drawn * (self.high - self.low)

    def met_at(self, drawn: float) -> float:
        """A length of what is under way."""
        return math.sqrt(self.low**2 + drawn * (self.high**2 - self.low**2))

    def share(self, length: float) -> float:
        """How much of what begins lasts no longer than this."""
        if length >= self.high:
            return 1.0
        return max(0.0, length - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    def times(self, factor: float) -> Uniform:
        """The law of lengths that are so many times as long, or in another unit."""
        return Uniform(self.low * factor, self.high * factor)


class LogNormal(NamedTuple):
    """The logarithm of a length is normal with the deviation `sigma`: half are shorter than `median`, a few much longer."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        """The mean length of what begins."""
        return self.median * math.exp(self.sigma**2 / 2)

    def at(self, drawn: float) -> float:
        """A length of what begins."""
        return self.median * math.exp(self.sigma * NORMAL.inv_cdf(drawn + 0.5 / RESOLUTION))  # never of 0

    def met_at(self, drawn: float) -> float:
        """A length of what is under way: log-normal again, with a longer median."""
        return LogNormal(self.median * math.exp(self.sigma**2), self.sigma).at(drawn)

    def share(self, length: float) -> float:
        """How much of what begins lasts no longer than this."""
        if not self.sigma or not self.median or length <= 0:
            return float(length >= self.median)
        return NORMAL.cdf(math.log(length / self.median) / self.sigma)

    def times(self, factor: float) -> LogNormal:
        """The law of lengths that are so many times as long, or in another unit."""
        return LogNormal(self.median * factor, self.sigma)

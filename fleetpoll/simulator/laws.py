"""The draws that everything random of a job follows from, and the laws of how long something lasts. Pure.

A law is drawn from in two ways. `at` gives the lengths of what begins. `met_at` gives the lengths of what is under way at a
given moment: whoever looks then meets the long ones more often, in proportion to their length. Both take a number in [0, 1).
"""

from __future__ import annotations

import hashlib
import math
import struct
from bisect import bisect_right
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLUTION: Final = 2**32
NORMAL: Final = NormalDist()


def draws(seed: int, job_id: str, part: int) -> tuple[float, ...]:
    """Eight numbers in [0, 1) that depend on nothing else; the same on every machine and Python."""
    digest = hashlib.blake2b(f"{seed}/{job_id}/{part}".encode(), digest_size=32).digest()
    return tuple(number / RESOLUTION for number in struct.unpack("<8I", digest))


def pick(sums: Sequence[float], drawn: float) -> int:
    """Which of some choices a number in [0, 1) falls on; `sums` are the running sums of their weights."""
    return min(bisect_right(sums, drawn * sums[-1]), len(sums) - 1)


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


Law = Uniform | LogNormal

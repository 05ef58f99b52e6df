"""How fair a division is, and how far grants go over what a bucket allows."""

from __future__ import annotations

from collections.abc import Sequence


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all have the same, 1/n when one has all; 1 of nothing."""
    squares = len(shares) * sum(share * share for share in shares)
    return sum(shares) ** 2 / squares if squares else 1.0


def overshoot(moments: Sequence[float], rate: float, burst: float) -> float:
    """The most grants in any window [a, b], both ends included, over what a bucket allows: burst + rate · (b - a)."""
    most = lowest = 0.0
    for index, moment in enumerate(moments):
        level = index - rate * moment
        lowest = level if index == 0 else min(lowest, level)
        most = max(most, level - lowest + 1)
    return most - burst

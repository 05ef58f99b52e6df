"""What a timeline of calls says: how long until the calls are calm again, and until the limit is used again.

A timeline is two lists with one number a second: calls accepted and calls throttled.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

CALM_SHARE, CALM_WINDOW_S = 0.01, 10
FULL_SHARE, FULL_WINDOW_S = 0.9, 5


def calm_after_s(accepted: Sequence[int], throttled: Sequence[int]) -> int | None:
    """Seconds until the first 10 s in which less than 1 % of the calls were throttled; None: there were none such."""
    good, bad = windows(accepted, CALM_WINDOW_S), windows(throttled, CALM_WINDOW_S)
    calm = (second for second, (a, t) in enumerate(zip(good, bad, strict=True)) if a and t < CALM_SHARE * (a + t))
    return next(calm, None)


def full_after_s(accepted: Sequence[int], limit: float) -> int | None:
    """Seconds until the first 5 s in which at least 90 % of the limit was used; None: there were none such."""
    sums = windows(accepted, FULL_WINDOW_S)
    return next((second for second, calls in enumerate(sums) if calls >= FULL_SHARE * limit * FULL_WINDOW_S), None)


def windows(values: Sequence[int], width_s: int) -> list[int]:
    """The sum of each window of so many seconds, by the second in which it begins."""
    sums = [0, *accumulate(values)]
    return [end - start for start, end in zip(sums, sums[width_s:], strict=False)]

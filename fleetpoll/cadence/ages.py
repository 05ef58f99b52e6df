"""The age buckets in which dwell times are counted: log-spaced, because what matters of an age is its order of size."""

from __future__ import annotations

import math
from itertools import pairwise

FIRST_S, RATIO, BUCKETS = 1.0, 1.25, 66
EDGES_S = (0.0, *(FIRST_S * RATIO**power for power in range(BUCKETS - 1)), math.inf)
"""Bucket b holds the ages from EDGES_S[b] to EDGES_S[b + 1]: from one second up to 18 days, and what is beyond."""
WIDTHS_S = tuple(high_s - low_s for low_s, high_s in pairwise(EDGES_S))
LAST = BUCKETS - 1

_LOG_RATIO = math.log(RATIO)


def bucket_at(age_s: float) -> int:
    """The bucket that holds this age."""
    if age_s < FIRST_S:
        return 0
    guess = min(LAST, 1 + int(math.log(age_s / FIRST_S) / _LOG_RATIO))
    if age_s < EDGES_S[guess]:  # the logarithm of an edge may fall on either side of it
        return guess - 1
    return guess + 1 if age_s >= EDGES_S[guess + 1] else guess


def shares(from_s: float, to_s: float) -> list[tuple[int, float]]:
    """The buckets that a time at risk from one age to another passes through, and how many seconds are in each."""
    parts, bucket = [], bucket_at(from_s)
    while from_s < to_s:
        end_s = min(EDGES_S[bucket + 1], to_s)
        parts.append((bucket, end_s - from_s))
        from_s, bucket = end_s, bucket + 1
    return parts

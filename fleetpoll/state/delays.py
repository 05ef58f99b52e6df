"""What the part of a millisecond in a due time tells: how long the delay was, hence when the last look was made.

A look that changes nothing writes nothing but the next due time. Its delay is in there too, as a power of 1.01, so that the
time at risk between two looks can be counted, and a lease be topped up with the jobs whose delay is over most nearly. See
claim.lua.
"""

from __future__ import annotations

import math

PARTS, HALF = 4096, 2048
"""A double holds milliseconds since the epoch and so many parts of one, until 2039; above the half are fences."""
FIRST_MS, RATIO = 10.0, 1.01
_LOG = math.log(RATIO)


def code_of(delay_s: float) -> float:
    """The part of a millisecond that stands for this delay; delays are up to two months long."""
    power = round(math.log(max(delay_s * 1000, FIRST_MS) / FIRST_MS) / _LOG)
    return min(max(power, 1), HALF - 1) / PARTS


def is_due_time(score: float) -> bool:
    """Whether a score is a due time, and not the fence of a lease."""
    return score % 1 * PARTS < HALF


def looked_ms(score: float) -> int:
    """When the look was made upon which this due time was planned; 0 if that is not known."""
    part = score % 1 * PARTS
    if not 0 < part < HALF:
        return 0
    return int(score - FIRST_MS * RATIO**part)

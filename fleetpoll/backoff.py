"""The delays of Airflow's AWS Batch hook, kept with its formulas and defaults. Pure: the randomness is passed in.

Source: `AwsBatchClientHook.add_jitter` and `.exponential_delay` of apache-airflow.
"""

from __future__ import annotations

import math
from random import Random

DELAY_MAX_S = 600.0
GROWTH = 0.6
GROWN = math.ceil(math.sqrt(DELAY_MAX_S - 1.0) / GROWTH)
"""After so many tries a delay grows no more."""
DOUBLINGS = 32
"""No delay of ours doubles more often; and after 1,024 times a float cannot."""


def base_delay(tries: float) -> float:
    """The longest delay after `tries` looks, in seconds: min(600, 1 + (0.6 · tries)²)."""
    return min(DELAY_MAX_S, 1.0 + (GROWTH * tries) ** 2)


def total_delay(tries: int) -> float:
    """The longest that the delays after 1, 2, … `tries` looks take together, in seconds; as quick for any number of them."""
    growing = min(tries, GROWN)
    return sum(map(base_delay, range(1, 1 + growing))) + DELAY_MAX_S * max(0, tries - growing)


def exponential_delay(tries: float, rng: Random) -> float:
    """A delay in seconds after `tries` looks: uniform between a third of `base_delay(tries)` and all of it."""
    base = base_delay(tries)
    return rng.uniform(base / 3, base)


def doubling_delay(first_s: float, longest_s: float, times: int) -> float:
    """A delay that doubles: `first_s` after one failure in a row, never more than `longest_s`, after however many."""
    return min(longest_s, first_s * 2.0 ** min(times - 1, DOUBLINGS))


def add_jitter(delay: float, rng: Random, *, width: float = 1.0, minima: float = 0.0) -> float:
    """`delay` ± `width`, uniform, never below `minima`; the sign of each argument is ignored. All in seconds."""
    delay, width, minima = abs(delay), abs(width), abs(minima)
    return rng.uniform(max(minima, delay - width), delay + width)

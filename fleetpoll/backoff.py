"""The delays of Airflow's AWS Batch hook, kept with its formulas and defaults. Pure: the randomness is passed in.

Source: `AwsBatchClientHook.add_jitter` and `.exponential_delay` of apache-airflow.
"""

from __future__ import annotations

from random import Random

DELAY_MAX_S = 600.0
GROWTH = 0.6


def base_delay(tries: float) -> float:
    """The longest delay after `tries` looks, in seconds: min(600, 1 + (0.6 · tries)²)."""
    return min(DELAY_MAX_S, 1.0 + (GROWTH * tries) ** 2)


def exponential_delay(tries: float, rng: Random) -> float:
    """A delay in seconds after `tries` looks: uniform between a third of `base_delay(tries)` and all of it."""
    base = base_delay(tries)
    return rng.uniform(base / 3, base)


def add_jitter(delay: float, rng: Random, *, width: float = 1.0, minima: float = 0.0) -> float:
    """`delay` ± `width`, uniform, never below `minima`; the sign of each argument is ignored. All in seconds."""
    delay, width, minima = abs(delay), abs(width), abs(minima)
    return rng.uniform(max(minima, delay - width), delay + width)

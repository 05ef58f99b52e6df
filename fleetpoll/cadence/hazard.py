"""What a hazard says: when a look is worth its price, and when a job will have left its status.

The hazard is piecewise constant over the age buckets, λ_b a second. From an age on, the chance of still being there after t
is S(t) = exp(-∫λ), and what has not been noticed after t, if nobody looks, is the lag

    L(t) = ∫₀ᵗ (1 - S) = t - Σ S_b · (1 - exp(-λ_b · x)) / λ_b     over the buckets passed, x seconds in each

in closed form. For a constant hazard L(t) ≈ λt²/2: looks in proportion to its square root.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fleetpoll.cadence.ages import BUCKETS, EDGES_S, LAST, bucket_at

STEPS, NEAR = 20, 1e-6


def wait_s(hazards: Sequence[float], age_s: float, lag_s: float, longest_s: float) -> float:
    """How long until `lag_s` seconds of lag have piled up unnoticed, for a job of that age; at most `longest_s`."""
    bucket = bucket_at(age_s)
    waited_s, piled_s, survival = 0.0, 0.0, 1.0
    while waited_s < longest_s:
        hazard = hazards[bucket]
        here_s = min(EDGES_S[bucket + 1] - age_s, longest_s) - waited_s
        left_s = survival * -math.expm1(-hazard * here_s) / hazard
        if piled_s + here_s - left_s >= lag_s:
            return waited_s + within_s(hazard, survival, lag_s - piled_s, here_s)
        piled_s += here_s - left_s
        survival -= left_s * hazard
        waited_s += here_s
        bucket = min(LAST, bucket + 1)
    return longest_s


def within_s(hazard: float, survival: float, lag_s: float, most_s: float) -> float:
    """Where in a bucket the lag is reached: the root of x - S·(1 - exp(-λx))/λ = lag, known to be at most `most_s`.

    The left side is convex and grows, so Newton's steps from the right come down to the root and never pass it.
    """
    x = most_s
    for _ in range(STEPS):
        gone = -math.expm1(-hazard * x)
        slope = 1.0 - survival * (1.0 - gone)
        step = (x - survival * gone / hazard - lag_s) / slope if slope > 0 else 0.0
        x -= step
        if step <= NEAR * most_s:
            break
    return max(0.0, x)


def quantile_s(hazards: Sequence[float], age_s: float, share: float) -> float:
    """After how long such a share of the jobs of that age will have left; infinite if the buckets do not tell."""
    wanted, waited_s, bucket = -math.log1p(-share), 0.0, bucket_at(age_s)
    while bucket < BUCKETS:
        here_s = EDGES_S[bucket + 1] - age_s - waited_s
        if hazards[bucket] * here_s >= wanted:
            return waited_s + wanted / hazards[bucket]
        wanted -= hazards[bucket] * here_s
        waited_s, bucket = waited_s + here_s, bucket + 1
    return math.inf

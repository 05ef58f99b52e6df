"""What a hazard says, held against plain numeric integration."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest

from fleetpoll.cadence.ages import BUCKETS, EDGES_S, LAST, WIDTHS_S, bucket_at, shares
from fleetpoll.cadence.hazard import quantile_s, wait_s

CONSTANT = (0.01,) * BUCKETS
SLICES = 20_000
HOUR_S = 3_600.0


def uneven(seed: int) -> tuple[float, ...]:
    """Hazards that differ by orders of size from bucket to bucket."""
    rng = Random(seed)
    return tuple(10 ** rng.uniform(-5, 0) for _ in range(BUCKETS))


def survivals(hazards: tuple[float, ...], age_s: float, until_s: float) -> list[float]:
    """The chance of still being there at the middle of each of many slices of the time from `age_s` on."""
    width_s, gone, found = until_s / SLICES, 0.0, []
    for number in range(SLICES):
        here = hazards[bucket_at(age_s + (number + 0.5) * width_s)] * width_s
        found.append(math.exp(-gone - here / 2))
        gone += here
    return found


@pytest.mark.parametrize("age_s", [0.0, 0.7, 33.0, 5_000.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wait_is_over_when_the_lag_has_piled_up(seed: int, age_s: float) -> None:
    """Integrated slice by slice, the lag of what has left by then is the lag that was allowed."""
    hazards = uneven(seed)
    for lag_s in (0.01, 1.0, 40.0):
        waited_s = wait_s(hazards, age_s, lag_s, HOUR_S)
        piled_s = sum(1 - alive for alive in survivals(hazards, age_s, waited_s)) * waited_s / SLICES
        assert piled_s == pytest.approx(lag_s, rel=2e-3) or waited_s == HOUR_S


@pytest.mark.parametrize("seed", range(4))
def test_who_allows_more_lag_waits_longer(seed: int) -> None:
    """The wait grows with the lag, at any age, up to the longest."""
    hazards = uneven(seed)
    for age_s in (0.0, 2.0, 100.0):
        waits = [wait_s(hazards, age_s, 0.001 * 1.3**power, HOUR_S) for power in range(60)]
        assert all(one < other or other == HOUR_S for one, other in pairwise(waits))
        assert waits[-1] == HOUR_S


def test_a_constant_hazard_is_looked_at_by_its_square_root() -> None:
    """As long as hardly any have left, L(t) is λt²/2."""
    assert wait_s(CONSTANT, 50.0, 0.002, HOUR_S) == pytest.approx(math.sqrt(2 * 0.002 / 0.01), rel=0.01)


def test_nobody_waits_longer_than_the_longest() -> None:
    """However little may have happened by then; and no lag is no wait."""
    assert wait_s((1e-9,) * BUCKETS, 0.0, 5.0, 60.0) == 60.0
    assert wait_s(CONSTANT, 7.0, 0.0, 60.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_constant_hazard_forgets_its_age(share: float) -> None:
    """The quantile of what is left is the exponential one, whatever the age."""
    for age_s in (0.0, 12.0, 9e5, 5e6):
        assert quantile_s(CONSTANT, age_s, share) == pytest.approx(-math.log(1 - share) / 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_quantile_is_where_so_many_have_left(seed: int) -> None:
    """Integrated slice by slice, the chance of being there still is the rest."""
    hazards = uneven(seed)
    for age_s in (0.0, 3.0, 500.0):
        for share in (0.05, 0.5, 0.95):
            until_s = quantile_s(hazards, age_s, share)
            assert survivals(hazards, age_s, until_s)[-1] == pytest.approx(1 - share, rel=0.01)


def test_what_nobody_leaves_has_no_quantile() -> None:
    """It is infinite, and no number that looks like one."""
    assert quantile_s((0.0,) * BUCKETS, 10.0, 0.5) == math.inf
    assert 10.0 + quantile_s((*(0.0,) * LAST, 0.1), 10.0, 0.5) == pytest.approx(EDGES_S[LAST] + math.log(2) / 0.1)


def test_every_age_is_in_its_bucket() -> None:
    """Edges belong to the bucket that they begin, wherever the logarithm falls."""
    ages = [age_s for edge_s in EDGES_S[:-1] for age_s in (edge_s, math.nextafter(edge_s, math.inf), edge_s * 1.1)]
    assert all(EDGES_S[bucket_at(age_s)] <= age_s < EDGES_S[bucket_at(age_s) + 1] for age_s in ages)
    assert bucket_at(1e12) == LAST
    assert len(WIDTHS_S) == BUCKETS


def test_a_time_at_risk_is_shared_out_among_its_buckets() -> None:
    """All of it, and in each bucket no more than that holds."""
    parts = list(shares(0.5, 77.0))
    assert sum(seconds for _, seconds in parts) == pytest.approx(76.5)
    assert [bucket for bucket, _ in parts] == list(range(bucket_at(77.0) + 1))
    assert all(0 < seconds <= WIDTHS_S[bucket] for bucket, seconds in parts)
    assert list(shares(5.0, 5.0)) == []

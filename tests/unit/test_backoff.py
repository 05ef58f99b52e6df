"""The delays of Airflow's hook: their bounds and how they are distributed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from random import Random
from statistics import fmean

import pytest

from fleetpoll.backoff import DELAY_MAX_S, add_jitter, base_delay, doubling_delay, exponential_delay, total_delay
from workers.setback import Setback

DRAWS = 20_000
STANDARD_ERRORS = 4.0


def drawn(draw: Callable[[Random], float]) -> list[float]:
    """Many draws, the same in each run."""
    rng = Random(20_240_607)
    return [draw(rng) for _ in range(DRAWS)]


def assert_uniform(values: list[float], low: float, high: float) -> None:
    """The values lie within the bounds, have the mean of a uniform draw, and fill its deciles alike."""
    assert low <= min(values)
    assert max(values) <= high
    assert fmean(values) == pytest.approx((low + high) / 2, abs=STANDARD_ERRORS * (high - low) / math.sqrt(12 * len(values)))
    deciles = Counter(min(9, int(10 * (value - low) / (high - low))) for value in values)
    spread = math.sqrt(len(values) * 0.1 * 0.9)
    for decile in range(10):
        assert deciles[decile] == pytest.approx(len(values) / 10, abs=STANDARD_ERRORS * spread)


@pytest.mark.parametrize(
    ("tries", "expected"), [(0, 1.0), (1, 1.36), (2, 2.44), (5, 10.0), (10, 37.0), (20, 145.0), (40, 577.0)]
)
def test_the_longest_delay_grows_with_the_square_of_the_tries(tries: int, expected: float) -> None:
    """It is 1 + (0.6 · tries)² seconds."""
    assert base_delay(tries) == pytest.approx(expected)


def test_the_longest_delay_stops_at_ten_minutes() -> None:
    """The 41st try is the first that waits for up to 600 s, and no later one waits longer."""
    assert min(tries for tries in range(100) if base_delay(tries) == DELAY_MAX_S) == 41
    assert {base_delay(tries) for tries in (41, 42, 1_000, 10**9)} == {600.0}


@pytest.mark.parametrize("tries", [0, 1, 7, 40, 41, 500])
def test_a_delay_is_uniform_between_a_third_and_all_of_the_longest(tries: int) -> None:
    """No delay is likelier than another, so that tasks which started together drift apart."""
    longest = base_delay(tries)

    assert_uniform(drawn(lambda rng: exponential_delay(tries, rng)), longest / 3, longest)


@pytest.mark.parametrize("tries", [-3, 0, 1, 2, 40, 41, 42, 300, 4200])
def test_all_delays_together(tries: int) -> None:
    """The sum of the longest ones, without adding up those that grow no more."""
    assert total_delay(tries) == pytest.approx(sum(base_delay(n) for n in range(1, 1 + tries)))


def test_the_same_randomness_gives_the_same_delays() -> None:
    """All randomness is the caller's."""
    assert exponential_delay(5, Random(1)) == exponential_delay(5, Random(1))
    assert exponential_delay(5, Random(1)) != exponential_delay(5, Random(2))


def test_jitter_is_uniform_around_the_delay() -> None:
    """The default width is a second to either side."""
    assert_uniform(drawn(lambda rng: add_jitter(10, rng)), 9, 11)
    assert_uniform(drawn(lambda rng: add_jitter(10, rng, width=4)), 6, 14)


def test_jitter_never_goes_below_its_minimum() -> None:
    """A minimum inside the width raises the lower bound; the draw is uniform above it."""
    assert_uniform(drawn(lambda rng: add_jitter(0.5, rng)), 0, 1.5)
    assert_uniform(drawn(lambda rng: add_jitter(10, rng, width=4, minima=9)), 9, 14)


def test_a_minimum_below_the_width_changes_nothing() -> None:
    """The lower bound is the higher of the two."""
    assert_uniform(drawn(lambda rng: add_jitter(10, rng, width=4, minima=2)), 6, 14)


@pytest.mark.parametrize(("delay", "width", "minima"), [(-10, 4, 7), (10, -4, 7), (10, 4, -7), (-10, -4, -7)])
def test_signs_are_ignored(delay: float, width: float, minima: float) -> None:
    """A negative argument means the same as its opposite."""
    expected = add_jitter(10, Random(3), width=4, minima=7)

    assert add_jitter(delay, Random(3), width=width, minima=minima) == expected


def test_without_width_there_is_no_jitter() -> None:
    """A width of 0 leaves the delay as it is."""
    assert add_jitter(2.5, Random(1), width=0) == 2.5


def test_a_delay_that_doubles_has_a_longest_however_often() -> None:
    """A Redis that is away for a night is thousands of failures in a row: the pause stays, nothing overflows."""
    assert [doubling_delay(0.25, 2.0, times) for times in (1, 2, 3, 4, 5, 5_000)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert Setback(0.25, 2.0, failures=5_000).pause_s(Random(1)) <= 2.0

"""How the hook draws its delays: bounds, means and spreads over many draws, not one. Each case is for any contender."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

import pytest

from tests.parity.contender import Contender, scene

DRAWS = 4_000
STANDARD_ERRORS = 4.5


def assert_uniform(draw: Callable[[], float], low: float, high: float) -> None:
    """Many draws lie within the bounds, nearly reach them, have their middle as the mean, and fill their fifths alike."""
    values = [draw() for _ in range(DRAWS)]
    width = high - low
    assert low <= min(values) <= low + width / 100
    assert high - width / 100 <= max(values) <= high
    assert fmean(values) == pytest.approx((low + high) / 2, abs=STANDARD_ERRORS * width / math.sqrt(12 * DRAWS))
    fifths = Counter(min(4, int(5 * (value - low) / width)) for value in values)
    for fifth in range(5):
        assert fifths[fifth] == pytest.approx(DRAWS / 5, abs=STANDARD_ERRORS * math.sqrt(DRAWS * 0.16))


# (arguments, lower bound, upper bound)
JITTERS = (
    ((10,), 9, 11),
    ((0,), 0, 1),
    ((0.5,), 0, 1.5),
    ((5, 2), 3, 7),
    ((10, 5, 0), 5, 15),
    ((5, 2, 4), 4, 7),
    ((2, 5, 1), 1, 7),
    ((-10,), 9, 11),
    ((-5, -2, -4), 4, 7),
    ((0, 3, 2), 2, 3),
)


def jitter_is_uniform_around_the_delay(contender: Contender) -> None:
    """The delay ± the width, never below the minimum; signs are ignored."""
    add_jitter = type(scene(contender, {}).hook).add_jitter
    contender.seed(1)
    for arguments, low, high in JITTERS:
        assert_uniform(lambda given=arguments: add_jitter(*given), low, high)  # type: ignore[misc]
    assert_uniform(lambda: add_jitter(delay=5, width=2, minima=4), 4, 7)


def back_off_is_uniform_up_to_the_square_of_the_tries(contender: Contender) -> None:
    """From a third to all of 1 + (0.6 · tries)² seconds, which stops at ten minutes."""
    exponential_delay = type(scene(contender, {}).hook).exponential_delay
    contender.seed(2)
    for tries in (0, 1, 2, 3, 7, 10, 40, 41, 42, 500, 4200):
        longest = min(600.0, 1 + (0.6 * tries) ** 2)
        assert_uniform(lambda tries=tries: exponential_delay(tries), longest / 3, longest)  # type: ignore[misc]


def back_off_grows(contender: Contender) -> None:
    """On average each try waits longer than the one before, up to the longest; the means follow the formula."""
    exponential_delay = type(scene(contender, {}).hook).exponential_delay
    contender.seed(3)
    means = [fmean(exponential_delay(tries) for _ in range(DRAWS)) for tries in range(0, 42, 3)]
    assert all(before < after for before, after in pairwise(means))


def a_delay_is_slept(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of seconds ± 1, never below 0; without one, anything from the class's smallest to its largest."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    delay = type(scene(contender, {}).hook).delay
    contender.seed(4)
    for arguments, low, high in (((None,), 1, 10), ((), 1, 10), ((0,), 0, 1), ((5,), 4, 6), ((600.5,), 599.5, 601.5)):

        def draw(given: tuple[float | None, ...] = arguments) -> float:
            delay(*given)
            return slept.pop()

        assert_uniform(draw, low, high)


CASES = (jitter_is_uniform_around_the_delay, back_off_is_uniform_up_to_the_square_of_the_tries, back_off_grows)

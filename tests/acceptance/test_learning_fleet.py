"""A whole fleet that learns how long jobs take, and how soon it then knows of their ends. The API side is the witness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.scenarios.cases import Case, Phase
from benchmarks.scenarios.learning import LEARNING, kind
from benchmarks.scenarios.measuring import measure

SHORT = Case(
    name="short and regular",
    contenders=("learned", "even"),
    phases=(Phase("warm", 12), Phase("steady", 7)),
    live=1_500,
    limit=5,
    rate=5,
    kinds=(kind("step", 12, 0.1, wait_s=1.0),),
)


def test_a_fleet_learns_within_seconds_when_to_look() -> None:
    """From nothing, after 12 s, ends are known far sooner than by an even sweep, at no more calls than that."""
    seen = measure(SHORT, "learned", 1)["phases"]["steady"]["figures"]

    assert seen["lag_over_bound"] <= 0.75
    assert seen["throttled"] == 0
    assert seen["use_of_limit"] <= 1.05
    assert seen["fill"] >= 97


def measured(name: str) -> dict[str, Any]:
    """The phases of a case of the benchmark, with fleetpoll as it comes."""
    case = next(case for case in LEARNING if case.name == name)
    phases: dict[str, Any] = measure(replace(case, contenders=("learned",)), "learned", 1)["phases"]
    return {name: phase["figures"] for name, phase in phases.items()}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ends_of_regular_jobs_are_known_in_half_the_time_of_an_even_sweep() -> None:
    """Half the bound on average, and no worse than an even sweep's in the tail; all calls full, none throttled."""
    seen = measured("regular mix")["steady"]

    assert seen["lag_over_bound"] <= 0.50
    assert seen["lag_p99_over_bound"] <= 2.2
    assert seen["throttled"] == 0
    assert seen["fill"] >= 99.5
    assert seen["use_of_limit"] >= 0.97


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_learning_costs_nothing_where_there_is_nothing_to_learn() -> None:
    """Jobs that may end at any time are noticed as an even sweep would notice them."""
    seen = measured("one unpredictable definition")["steady"]

    assert seen["lag_over_bound"] <= 1.05
    assert seen["lag_p99_over_bound"] <= 3.0
    assert seen["throttled"] == 0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_run_time_that_doubles_overnight_is_no_disaster() -> None:
    """While the pattern changes, and after it has, ends are known no later than by an even sweep, or hardly."""
    seen = measured("run time doubles")

    assert seen["before"]["lag_over_bound"] <= 0.5
    assert seen["doubled"]["lag_over_bound"] <= 1.1
    assert seen["after"]["lag_over_bound"] <= 1.1

"""What the models share: how hypothesis drives one of them through interleavings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def interleave(make: Callable[[], RuleBasedStateMachine], examples: int, steps: int) -> None:
    """So many interleavings of a machine's rules, the same ones in every run."""
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = make  # hypothesis wants a class, and takes whatever makes a machine
    run_state_machine_as_test(machine, settings=profile)

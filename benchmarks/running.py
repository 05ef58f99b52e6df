"""Runs scenarios: every run of every contender in a fresh world, and its result on disk as soon as it is there."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.scenarios.scenario import Contestant, Measurable, Scenario


def measure_all(
    scenario: Scenario, folder: Path, runs: int, only: Collection[str] = (), case_part: str = "", *, quick: bool = False
) -> list[str]:
    """Measure a scenario, run by run, so that a slow hour of the machine meets all contenders alike.

    `only` names the contenders, `case_part` is a part of the cases' names; all, if not given. Returns what failed: the
    others are measured nevertheless.
    """
    failed, found = [], dict[tuple[str, str], results.Measurement]()
    for number in range(1, runs + 1):
        for case in scenario.cases:
            for name in case.contenders:
                if case_part not in case.name or (only and name not in only):
                    continue
                print(f"{scenario.name}, {case.name}: {name}, run {number} of {runs}", flush=True)
                try:
                    run = scenario.measure(case.quick() if quick else case, name, number)
                except Exception:  # noqa: BLE001 - an hour of measuring does not end with one contender
                    traceback.print_exc()
                    failed.append(f"{case.name}/{name}")
                    continue
                add(found, case.quick() if quick else case, name, scenario.contestants[name], run)
                results.save(folder, scenario.name, results.merged(results.load(folder, scenario.name), found.values()))
    return failed


def add(
    found: dict[tuple[str, str], results.Measurement],
    case: Measurable,
    name: str,
    contestant: Contestant,
    run: dict[str, Any],
) -> None:
    """One more run of a measurement, or the first."""
    measurement = found.get((case.name, name))
    if measurement is None:
        measurement = found[case.name, name] = {
            "contender": name,
            "label": contestant.label,
            "about": contestant.about,
            "case": case.name,
            "method": results.plain(case.described()),
            "machine": machine.facts(contestant.versions()),
            "runs": [],
        }
    measurement["runs"].append(run)


def allow_many_connections() -> None:
    """Let this process and its children open as many files as they may: a thousand clients have a thousand sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

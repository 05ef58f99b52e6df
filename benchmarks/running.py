"""Runs scenarios: every run of every contender in a fresh world, and its result on disk as soon as it is there."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path

from benchmarks import machine, results
from benchmarks.scenarios.scenario import Contestant, Measurable, Scenario


def measure_all(
    scenario: Scenario, folder: Path, runs: int, only: Collection[str] = (), case_part: str = "", *, quick: bool = False
) -> list[str]:
    """Measure a scenario, run by run, so that a slow hour of the machine meets all contenders alike.

    `only` names the contenders, `case_part` is a part of the cases' names; all, if not given. Returns what failed: the
    others are measured nevertheless.
    """
    failed, begun = [], dict[tuple[str, str], results.Measurement]()
    for number in range(1, runs + 1):
        for case, name in chosen(scenario, only, case_part, quick=quick):
            print(f"{scenario.name}, {case.name}: {name}, run {number} of {runs}", flush=True)
            if (case.name, name) not in begun:
                begun[case.name, name] = begin(case, name, scenario.contestants[name])
            try:
                run = scenario.measure(case, name, number)
            except Exception:  # noqa: BLE001 - an hour of measuring does not end with one contender
                traceback.print_exc()
                failed.append(f"{case.name}/{name}")
                continue
            begun[case.name, name]["runs"].append(run)
            done = [measurement for measurement in begun.values() if measurement["runs"]]
            results.save(folder, scenario.name, results.merged(results.load(folder, scenario.name), done))
    return failed


def chosen(scenario: Scenario, only: Collection[str], case_part: str, *, quick: bool) -> Iterator[tuple[Measurable, str]]:
    """The cases and contenders that are to be measured."""
    for case in scenario.cases:
        for name in case.contenders:
            if case_part in case.name and (not only or name in only):
                yield case.quick() if quick else case, name


def begin(case: Measurable, name: str, contestant: Contestant) -> results.Measurement:
    """A measurement without runs; the machine's load is that before them."""
    return {
        "contender": name,
        "label": contestant.label,
        "about": contestant.about,
        "case": case.name,
        "method": results.plain(case.described()),
        "machine": machine.facts(contestant.versions()),
        "runs": [],
    }


def allow_many_connections() -> None:
    """Let this process and its children open as many files as they may: a thousand clients have a thousand sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

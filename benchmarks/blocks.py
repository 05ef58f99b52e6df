"""The tables that belong between the markers of the READMEs and the pages of docs/, from committed results."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import broken, look, results, tables
from benchmarks.million import measuring as million
from benchmarks.scenarios.catalogue import HEADLINE, HEADLINE_LIVE, SCENARIOS
from benchmarks.scenarios.scenario import Scenario

LEARNED_CASES = ("regular mix", "one unpredictable definition")
LEARNED_COLUMNS = (
    "throttled_share",
    "use_of_limit",
    "lag_mean_s",
    "lag_over_bound",
    "lag_p99_over_bound",
    "start_lag_mean_s",
)
HEADLINE_COLUMNS = ("throttled_share", "use_of_limit", "lag_mean_s", "lag_over_bound", "lag_p99_s", "undetected")


def blocks(folder: Path) -> dict[str, str]:
    """What belongs between the markers, by their names."""
    measured = found(folder)
    rendered = {
        name: tables.table(measured[name], scenario.columns) if measured[name] else tables.unmeasured(name)
        for name, scenario in SCENARIOS.items()
    }
    case = f"{HEADLINE_LIVE:,} jobs"
    headline = [m for m in measured["known"] if m["case"] == case and m["contender"] in HEADLINE]
    told = [m for m in measured["learned"] if m["case"] in LEARNED_CASES]
    rendered["learned-headline"] = tables.table(told, LEARNED_COLUMNS) if told else tables.unmeasured("learned")
    rendered["headline"] = tables.table(headline, HEADLINE_COLUMNS) if headline else tables.unmeasured("known")
    sizes = measured[million.SCENARIO.name]
    rendered["million-longest"] = tables.table(sizes, million.LONGEST) if sizes else tables.unmeasured("million")
    rendered |= broken.blocks(folder) | look.blocks(folder)
    return rendered | {path.stem: of_the_model(path) for path in sorted(folder.glob("model-*.json"))}


def found(folder: Path) -> dict[str, list[results.Measurement]]:
    """The measurements of every scenario, in the order of tables. Raises ValueError for what does not fit together."""
    return {name: in_order(scenario, folder) for name, scenario in SCENARIOS.items()}


def in_order(scenario: Scenario, folder: Path) -> list[results.Measurement]:
    """The measurements of one scenario."""
    cases = {case.name: case.contenders for case in scenario.cases}
    return results.ordered(results.load(folder, scenario.name), cases)


def of_the_model(path: Path) -> str:
    """A table of the model as it was printed: figures of virtual time owe nothing to the machine, only to the commit."""
    result = json.loads(path.read_text(encoding="utf-8"))
    machine = result["machine"]
    return "\n".join(["```", *result["table"], "```", "", f"{machine['date'][:10]}, commit {machine['commit']}.", ""])

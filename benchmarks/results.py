"""Result files, results/NAME.json: one measurement for each contender in each case, with its own machine facts and runs.

Who measures one contender again replaces that contender's measurement and no other. Two measurements of one case stand in
one table only if their methods are the same, so a case whose conditions have changed has to be measured whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NUMBERS = re.compile(r"\[\s+((?:-?[\d.e+-]+,\s+)*-?[\d.e+-]+)\s+\]")
DIGITS = 5

Measurement = dict[str, Any]
"""contender, label, about, case, method, machine, runs."""


def merged(old: Iterable[Measurement], new: Iterable[Measurement]) -> list[Measurement]:
    """The old measurements in their order, those of the same contender and case replaced by the new ones."""
    by_key = {key(measurement): measurement for measurement in [*old, *new]}
    return list(by_key.values())


def key(measurement: Measurement) -> tuple[str, str]:
    """What makes a measurement the same as another."""
    return measurement["case"], measurement["contender"]


def ordered(measurements: Iterable[Measurement], cases: dict[str, tuple[str, ...]]) -> list[Measurement]:
    """The measurements in the order of the cases and of their contenders, without those that are no longer asked for.

    Raises ValueError when two of one case were measured by different methods, or one does not say where.
    """
    found = {key(measurement): measurement for measurement in measurements}
    for case, contenders in cases.items():
        methods = [found[case, name]["method"] for name in contenders if (case, name) in found]
        if any(method != methods[0] for method in methods):
            raise ValueError(f"{case}: its measurements differ in their methods: run the case again for all contenders")
    kept = [found[case, name] for case, contenders in cases.items() for name in contenders if (case, name) in found]
    for measurement in kept:
        if not measurement["machine"].get("commit"):
            raise ValueError(f"{key(measurement)} does not say where it was measured: run it again")
    return kept


def load(folder: Path, name: str) -> list[Measurement]:
    """The measurements of a scenario; none if there is no file."""
    path = folder / f"{name}.json"
    if not path.exists():
        return []
    found: list[Measurement] = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    return found


def save(folder: Path, name: str, measurements: Iterable[Measurement]) -> None:
    """Write a scenario's file: lists of numbers on one line each, so that a diff can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": name, "measurements": rounded(list(measurements))}, indent=1)
    (folder / f"{name}.json").write_text(NUMBERS.sub(one_line, text) + "\n", encoding="utf-8")


def one_line(numbers: re.Match[str]) -> str:
    """A list of numbers without its line breaks."""
    return "[" + ", ".join(numbers[1].replace(",", " ").split()) + "]"


def rounded(value: Any) -> Any:
    """The value with its floats cut to five digits: more would claim more than was measured."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """The value as JSON gives it back: what is compared with a file must look like what comes out of one."""
    return rounded(json.loads(json.dumps(value)))

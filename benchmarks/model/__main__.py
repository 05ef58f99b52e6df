"""Run scenarios of the model, each with a table and a results/model-NAME.json: `python -m benchmarks.model [NAME …]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.model import law

RESULTS = Path(__file__).parents[1] / "results"
NAMES = ("law",)


def main() -> None:
    """Run what was named, or everything."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.model",
        description=__doc__,
        epilog=law.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all when none is given")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs a figure is the median of (3)")
    parser.add_argument("--grid", action="store_true", help="law: every combination, not one change at a time")
    for axis, values in law.AXES.items():
        shown = ",".join(["known", "unknown"] if axis == "ceiling" else map(str, values))
        parser.add_argument(f"--{axis}", type=values_of, metavar="V,…", help=f"law: only these of {shown}")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave results/ as it is")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        rows = law_rows(arguments)
        if arguments.write:
            write(name, arguments.seeds, rows)


def values_of(text: str) -> tuple[Any, ...]:
    """The values of an axis: numbers, callers such as 8x8, known or unknown for a ceiling, or how many times the limit."""
    words = {"known": 1.0, "unknown": law.UNKNOWN}
    return tuple(word if "x" in word else words.get(word) or float(word) for word in text.split(","))


def law_rows(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the chosen cases of the law and print their lines as they come."""
    chosen = {axis: getattr(arguments, axis) for axis in law.AXES if getattr(arguments, axis) is not None}
    if arguments.grid:
        cases = list(law.grid(chosen))
    elif chosen:
        cases = list(law.grid({axis: (value,) for axis, value in law.Case()._asdict().items()} | chosen))
    else:
        cases = law.one_at_a_time()
    print(*law.HEAD, sep="\n", flush=True)
    rows = []
    for case in cases:
        found = law.medians(case, range(1, arguments.seeds + 1))
        print(law.line(case, found), flush=True)
        rows.append(law.as_json(case, found))
    return rows


def write(name: str, seeds: int, rows: list[dict[str, Any]]) -> None:
    """Keep the figures."""
    result = {"name": f"model-{name}", "machine": machine.facts(), "seeds": seeds, "rows": rows}
    (RESULTS / f"model-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

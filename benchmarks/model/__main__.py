"""Run scenarios of the model, each with a table and a results/model-NAME.json: `python -m benchmarks.model [NAME …]`."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.model import capacity, changes, crews, design, law, learned, scale

RESULTS = Path(__file__).parents[1] / "results"
SCENARIOS = {
    "design": design,
    "law": law,
    "changes": changes,
    "learned": learned,
    "scale": scale,
    "crews": crews,
    "capacity": capacity,
}

ASKED = (
    ("--accounts", int, 1_000, "so many accounts"),
    ("--jobs", int, 100_000, "live jobs of each"),
    ("--rate-each", float, 10.0, "DescribeJobs calls a second of each"),
)


def main(words: list[str] | None = None) -> None:
    """Run what was named, or everything."""
    options = parser().parse_args(words)
    for name in options.names or SCENARIOS:
        scenario = SCENARIOS[name]
        rows, table = [], [scenario.HEAD]
        print(f"\n{name}: {(scenario.__doc__ or '').partition(chr(10))[0]}\n\n{scenario.HEAD}", flush=True)
        for text, row in scenario.lines(options):
            print(text, flush=True)
            table.append(text)
            rows.append(row)
        if options.write and scenario is not capacity:  # which follows from other files
            write(options.into, name, options.seeds, rows, table)


def parser() -> argparse.ArgumentParser:
    """The options; most are the law's."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.model",
        description=__doc__,
        epilog="\n\n".join(scenario.__doc__ or "" for scenario in SCENARIOS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("names", nargs="*", metavar="NAME", type=scenario_name, help=f"{', '.join(SCENARIOS)}; default: all")
    found.add_argument("--seeds", type=int, default=3, help="law: how many runs a figure is the median of (3)")
    found.add_argument("--grid", action="store_true", help="law: every combination, not one change at a time")
    found.add_argument("--most", type=int, default=scale.SIZES[-1], metavar="N", help="scale: no more jobs than that")
    for name, kind, value, about in ASKED:
        found.add_argument(name, type=kind, default=value, metavar="N", help=f"capacity: {about} ({value:g})")
    for axis, values in law.AXES.items():
        shown = ", ".join(["known", "unknown"] if axis == "ceiling" else map(str, values))
        found.add_argument(f"--{axis}", type=values_of, metavar="V,…", help=f"law: only these, such as {shown}")
    found.add_argument("--no-write", dest="write", action="store_false", help="leave results/ as it is")
    found.add_argument("--into", type=Path, default=RESULTS, metavar="FOLDER", help="write elsewhere than to results/")
    return found


def scenario_name(text: str) -> str:
    """The name of a scenario."""
    if text not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"no such scenario: {text}; there are {', '.join(SCENARIOS)}")
    return text


def values_of(text: str) -> tuple[Any, ...]:
    """The values of an axis: numbers, callers such as 8x8, known or unknown for a ceiling, or how many times the limit."""
    words = {"known": 1.0, "unknown": law.UNKNOWN}
    return tuple(word if "x" in word else words.get(word) or float(word) for word in text.split(","))


def write(folder: Path, name: str, seeds: int, rows: list[dict[str, Any]], table: list[str]) -> None:
    """Keep the figures, and the table as it was printed."""
    result = {
        "name": f"model-{name}",
        "machine": machine.facts({"lupa": version("lupa")}),
        "seeds": seeds,
        "table": table,
        "rows": rows,
    }
    (folder / f"model-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Run benchmarks and render their results: `python -m benchmarks [NAME …] [--runs N]`, `python -m benchmarks render`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import machine, render, scenarios, sharing

BUCKET = "bucket"
BUCKET_TITLE = f"{sharing.PROCESSES} processes on one bucket of {sharing.RATE:.0f} calls/s"
NAMES = (*scenarios.SCENARIOS, BUCKET)


def main() -> None:
    """Measure what was named, write results/NAME.json, render the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}, or render; all when none is given")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run (3)")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {*NAMES, "render"}
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in [n for n in arguments.names if n != "render"] if arguments.names else NAMES:
        measure(name, arguments.runs)
    for path in render.render():
        print(f"rendered {path.name}")


def measure(name: str, runs: int) -> None:
    """Run one benchmark so many times and write its result."""
    if name == BUCKET:
        once: Callable[[], dict[str, Any]] = sharing.run
        about: dict[str, Any] = {"title": BUCKET_TITLE}
    else:
        once = partial(scenarios.run, scenarios.SCENARIOS[name])
        about = scenarios.described(scenarios.SCENARIOS[name])
    facts = machine.facts()
    found = []
    for number in range(1, runs + 1):
        print(f"{name}: run {number} of {runs}", flush=True)
        found.append(once())
        print(json.dumps(found[-1], indent=1), flush=True)
    result = {"name": name, **about, "machine": facts, "runs": found}
    (render.RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Measure and render: `python -m benchmarks [NAME …]`; `render` only renders, `smoke` only looks whether all of it works."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import render
from benchmarks.contenders.catalogue import CONTENDERS
from benchmarks.running import allow_many_connections, measure_all
from benchmarks.scenarios.catalogue import SCENARIOS
from benchmarks.sharing import TAKERS
from benchmarks.smoke import smoke

ORDERS = ("render", "smoke")


def main() -> int:
    """Do what was named. Returns 1 if something could not be measured."""
    arguments = parsed()
    allow_many_connections()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended
    if "smoke" in arguments.names:
        smoke()
        return 0
    folder = arguments.results or (Path(tempfile.mkdtemp(prefix="bench-quick-")) if arguments.quick else render.RESULTS)
    names = [name for name in arguments.names if name not in ORDERS] if arguments.names else list(SCENARIOS)
    failed = [
        f"{name}/{what}"
        for name in names
        for what in measure_all(
            SCENARIOS[name], folder, arguments.runs, arguments.contender, arguments.case, quick=arguments.quick
        )
    ]
    for path in render.render() if folder == render.RESULTS else render.render_elsewhere(folder):
        print(f"wrote {path}")
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def parsed() -> argparse.Namespace:
    """The arguments, checked."""
    about = "\n".join(f"  {name:10} {scenario.title}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python3 dev.py bench",
        description=f"{__doc__}\n\nscenarios (all when none is named):\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join([*SCENARIOS, *ORDERS])}")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run (3)")
    parser.add_argument("--quick", action="store_true", help="seconds each, into a temporary folder: does it work?")
    parser.add_argument("--contender", nargs="+", default=[], metavar="C", choices=[*CONTENDERS, *TAKERS], help="only these")
    parser.add_argument("--case", default="", metavar="WORDS", help="only cases with these words in their names")
    parser.add_argument("--results", type=Path, metavar="DIR", help="read and write results, tables and plots there")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*SCENARIOS, *ORDERS}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join([*SCENARIOS, *ORDERS])}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())

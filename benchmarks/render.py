"""Tables from the committed results, written between the markers of the READMEs. No figure is typed by hand."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

BOTTLENECK = 0.9
"""The use of the limit below which the allowance is not what decides the lag, so that its bound says nothing."""
HERE = Path(__file__).parent
RESULTS = HERE / "results"

FLEET_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("calls per second", "calls_per_s", "{:.2f}".format),
    ("use of the limit", "use_of_limit", "{:.1%}".format),
    ("throttled calls", "throttled", "{:.0f}".format),
    ("ids per call", "fill", "{:.1f}".format),
    ("mean lag of completions", "lag_mean_s", "{:.2f} s".format),
    ("p99 lag of completions", "lag_p99_s", "{:.2f} s".format),
    ("mean lag / even-sweep bound", "lag_mean_over_bound", "{:.2f}".format),
    ("asked for after its end was settled", "asked_after_terminal", "{:.0f}".format),
)
BUCKET_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("grants per second", "grants_per_s", "{:.2f}".format),
    ("most grants over burst + rate · t, any window", "excess_over_burst_and_rate", "{:+.2f}".format),
    ("Redis calls per grant", "redis_calls_per_grant", "{:.3f}".format),
    ("smallest / largest share of a process", "share_min_over_max", "{:.2f}".format),
)


def results() -> dict[str, dict[str, Any]]:
    """All committed results, by name. Raises ValueError for one without machine facts."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    for name, result in found.items():
        if not result.get("machine", {}).get("commit"):
            raise ValueError(f"{name}.json does not say where it was measured: run it again")
    return found


def render() -> list[Path]:
    """Write the tables into benchmarks/README.md and README.md. Returns the files that changed."""
    tables = {name: table(result) for name, result in results().items()}
    return [path for path in (HERE / "README.md", HERE.parent / "README.md") if fill(path, tables)]


def fill(path: Path, tables: dict[str, str]) -> bool:
    """Replace what stands between `<!-- bench NAME -->` and `<!-- /bench -->`."""
    old = text = path.read_text(encoding="utf-8")
    for name, rendered in tables.items():
        head, mark, rest = text.partition(f"<!-- bench {name} -->\n")
        if mark:
            text = f"{head}{mark}{rendered}<!-- /bench -->{rest.partition('<!-- /bench -->')[2]}"
    if text != old:
        path.write_text(text, encoding="utf-8")
    return text != old


def table(result: dict[str, Any]) -> str:
    """One result as a Markdown table with its conditions."""
    rows = BUCKET_ROWS if "redis_calls_per_grant" in result["runs"][0] else FLEET_ROWS
    if result["runs"][0].get("use_of_limit", 1.0) < BOTTLENECK:
        rows = tuple(row for row in rows if row[1] != "lag_mean_over_bound")
    lines = [f"| {result['title']} | median | min … max |", "|---|---|---|"]
    lines += [row(label, [run[key] for run in result["runs"]], form) for label, key, form in rows]
    return "\n".join([*lines, "", conditions(result), ""])


def row(label: str, values: Iterable[float], form: Callable[[float], str]) -> str:
    """A figure's median and spread."""
    ordered = sorted(values)
    return f"| {label} | {form(statistics.median(ordered))} | {form(ordered[0])} … {form(ordered[-1])} |"


def conditions(result: dict[str, Any]) -> str:
    """Where, when and with what."""
    m = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in m["packages"].items())
    return (
        f"{len(result['runs'])} runs, {m['date'][:10]}, commit {m['commit']}, {m['cores']} cores of {m['cpu']}, "
        f"Python {m['python']}, {packages}."
    )

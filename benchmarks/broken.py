"""Tables of what was broken on purpose: failovers (tests/acceptance/test_failover.py), and everything (tests/chaos)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.tables import cell, conditions, line, unmeasured

FAILOVERS, CHAOS = "failovers", "chaos"
ASPECTS = {
    "promoted_s": ("a new primary after", "{:.2f} s"),
    "first_call_s": ("first call after the kill", "{:.2f} s"),
    "after_promotion_s": ("after the promotion", "{:.2f} s"),
    "ends_lost": ("ends lost", "{:.0f}"),
    "ends_twice": ("twice in the stream", "{:.0f}"),
    "told_twice": ("told to a follower twice", "{:.0f}"),
    "calls_while_down": ("calls while there was none", "{:.0f}"),
    "throttled": ("throttled", "{:.0f}"),
}


def blocks(folder: Path) -> dict[str, str]:
    """What belongs between the markers of these two."""
    path = folder / f"{CHAOS}.json"
    told = chaos(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else unmeasured(CHAOS)
    measured = results.load(folder, FAILOVERS)
    return {CHAOS: told, FAILOVERS: failovers(measured) if measured else unmeasured(FAILOVERS)}


def failovers(measured: Sequence[results.Measurement]) -> str:
    """One row for each topology."""
    lines = [line(["", *(head for head, _ in ASPECTS.values())]), line(["---"] + ["--:"] * len(ASPECTS))]
    for m in measured:
        cells = [cell([run[name] for run in m["runs"]], form.format) for name, (_, form) in ASPECTS.items()]
        lines.append(line([m["label"], *cells]))
    return "\n".join([*lines, "", conditions(measured), ""])


def chaos(result: dict[str, Any]) -> str:
    """One row for each figure of a run, in the order in which the run tells them."""
    machine = result["machine"]
    rows = [line([name, str(value)]) for name, value in result["figures"].items()]
    where = f"{machine['date'][:10]}, commit {machine['commit']}, {machine['cores']} cores of {machine['cpu']}"
    return "\n".join([line(["", ""]), line(["---", "---"]), *rows, "", f"{where}, Python {machine['python']}.", ""])

"""Where and with what a figure was measured; it stands beside every result."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def facts(packages: dict[str, str]) -> dict[str, Any]:
    """Machine, versions, commit and load, as JSON; `packages` are those of the contender."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": packages,
        "load_before": round(os.getloadavg()[0], 2),
        "pace_ms": pace_ms(),
    }


def commit() -> str:
    """The commit that was measured, with a + when the tree differs from it."""
    root = Path(__file__).parents[1]
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    source = ["fleetpoll", "workers", "benchmarks/*.py", "constraints.txt"]
    changed = subprocess.run([*git, "status", "--porcelain", *source], capture_output=True, text=True, check=False)
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def pace_ms() -> int:
    """CPU milliseconds of a million additions in Python, now: a shared host gives the same processor at different speeds."""
    return round(1000 * statistics.median(addition_s() for _ in range(5)))


def addition_s() -> float:
    """CPU seconds of a million additions."""
    start, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return time.process_time() - start

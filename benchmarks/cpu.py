"""The CPU seconds of whole process trees, as the kernel counts them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

SESSION, FIRST, LAST = 3, 11, 15  # fields of /proc/PID/stat behind the name: session, utime, stime, cutime, cstime
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def seconds_of_sessions(sessions: Collection[int], proc: Path = Path("/proc")) -> float:
    """User and system seconds of all processes of these sessions, and of their children that ended."""
    ticks = 0
    for stat in proc.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended; its parent, when it reaps it, has its seconds
        if int(fields[SESSION]) in sessions:
            ticks += sum(map(int, fields[FIRST:LAST]))
    return ticks / TICKS_PER_S


def seconds_of(pid: int) -> float:
    """User and system seconds of one process up to now. Raises OSError if it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[FIRST]) + int(fields[FIRST + 1])) / TICKS_PER_S

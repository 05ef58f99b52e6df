"""The memory of a process, as Linux counts it."""

from __future__ import annotations

import re
from pathlib import Path


def memory_mb(pid: int | str) -> tuple[float, float]:
    """RSS, and PSS: shared pages divided by those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    kinds = ("Rss", "Pss")
    found = [re.search(rf"^{kind}: +(\d+) kB", text, re.MULTILINE) for kind in kinds]
    rss, pss = (int(match[1]) / 1024 if match else 0.0 for match in found)
    return rss, pss

"""What Redis holds, read as far as it can be read: others may write there too, another release of ours among them.

A number that cannot be read is 0: it must neither hide its neighbours nor stop a worker. See records.py for snapshots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

MOST = 2**53
"""The largest whole number that JSON, Lua and every reader have in common."""


def number(stored: Mapping[str, str], name: str) -> float:
    """A number of a hash or of an entry; 0 where there is none, or none that is finite."""
    try:
        found = float(stored.get(name) or 0)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def whole(stored: Mapping[str, str], name: str) -> int:
    """A whole number of a hash or of an entry, within what every reader can take; else 0."""
    text = stored.get(name) or ""
    try:
        found = int(text)
    except ValueError:
        return 0
    return found if abs(found) <= MOST else 0

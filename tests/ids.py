"""Job ids for tests."""

from __future__ import annotations


def make_ids(count: int, start: int = 0) -> list[str]:
    """Ids that differ, that no simulator knows, and that sort as they were made."""
    return [f"{n:08x}-0000-4000-8000-000000000000" for n in range(start, start + count)]

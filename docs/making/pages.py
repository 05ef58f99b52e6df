"""The pages that follow from the code, by their names under docs/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs.making import commands, exits, options

DOCS = Path(__file__).resolve().parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "reference/cli.md": commands.page,
    "reference/exit-codes.md": exits.page,
    "reference/settings.md": options.page,
}


def write() -> list[Path]:
    """Write them. Returns those that changed."""
    changed = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed

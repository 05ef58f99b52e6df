"""Writes tables and plots from the results into the READMEs and the pages of docs/, between their markers."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import plots, tables
from benchmarks.blocks import blocks, found
from benchmarks.model import papers

HERE = Path(__file__).parent
RESULTS, PLOTS = HERE / "results", HERE / "plots"
READMES = (HERE / "README.md", HERE.parent / "README.md", *sorted((HERE.parent / "docs").rglob("*.md")))


def render() -> list[Path]:
    """Write tables and plots from the committed results. Returns the files that changed."""
    rendered = blocks(RESULTS)
    drawn = plots.draw_all(found(RESULTS), PLOTS) + plots.draw_model(modelled(RESULTS), PLOTS)
    return [*drawn, *(path for path in READMES if fill(path, rendered)), *papers.write()]


def render_elsewhere(folder: Path) -> list[Path]:
    """Write tables and plots from the results in a folder into that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "tables.md"
    page.write_text("\n".join(f"## {name}\n\n{text}" for name, text in blocks(folder).items()), encoding="utf-8")
    drawn = plots.draw_all(found(folder), folder / "plots") + plots.draw_model(modelled(folder), folder / "plots")
    return [page, *drawn]


def modelled(folder: Path) -> dict[str, list[plots.Row]]:
    """The rows of every scenario of the model."""
    paths = sorted(folder.glob("model-*.json"))
    return {path.stem.removeprefix("model-"): json.loads(path.read_text(encoding="utf-8"))["rows"] for path in paths}


def fill(path: Path, rendered: dict[str, str]) -> bool:
    """Write the blocks between the markers of a file; whether that changed it."""
    old = path.read_text(encoding="utf-8")
    new = tables.filled(old, rendered)
    if new != old:
        path.write_text(new, encoding="utf-8")
    return new != old

"""Pages whose every figure follows from the capacity sheet: templates with names of figures in braces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.model.capacity import HERE, RESULTS, Basis, Demand, Figures, basis, sheet

TEMPLATE = HERE / "internet-scale.md"
PAGE = HERE.parents[1] / "docs" / "internet-scale.md"
MODELS = ("scale", "crews")


def page(folder: Path = RESULTS, demand: Demand | None = None) -> str:
    """The page, from the results in a folder."""
    grounds = basis(folder)
    figures = sheet(demand or Demand(), grounds) | modelled(folder)
    words = {"coefficients": coefficients(grounds), "prices": prices(grounds)}
    tables = {f"table_{name}": table(folder, name) for name in MODELS}
    return TEMPLATE.read_text(encoding="utf-8").format_map(Shown(figures, {**words, **tables}))


class Shown(dict[str, Any]):
    """Figures and texts by name; a name that is neither is an error that says so."""

    def __init__(self, figures: Mapping[str, float], words: Mapping[str, str]) -> None:
        super().__init__({**figures, **words})

    def __missing__(self, name: str) -> Any:
        """Refuse a name that the sheet does not have."""
        raise KeyError(f"{TEMPLATE.name} names {name}, and the sheet has no such figure")


def modelled(folder: Path) -> Figures:
    """Figures of the models that the page's sentences need."""
    found: Figures = {}
    for row in rows(folder, "scale"):
        found[f"{row['mix']}_{row['cadence']}_{row['jobs']}"] = row["mean_over_bound"]
        found[f"{row['mix']}_{row['cadence']}_{row['jobs']}_p99"] = row["p99_over_bound"]
    for row in rows(folder, "crews"):
        if row["hangs"]:
            found["hanging_made"] = row["made"] / row["wanted"]
        elif row["places"] > 1:
            found["every_row_made"] = row["made"]
        elif row["name"] == "all are busy":
            found |= {
                f"crew_{row['fleets']}_{row['processes']}_{what}": row[what] for what in ("made", "worst", "asks", "busy")
            }
    return found


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a model's result."""
    path = folder / f"model-{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return found


def table(folder: Path, name: str) -> str:
    """A model's table as it was printed."""
    path = folder / f"model-{name}.json"
    return "\n".join(json.loads(path.read_text(encoding="utf-8"))["table"]) if path.exists() else "not run yet"


def coefficients(grounds: Basis) -> str:
    """The coefficients with where they come from, as a table."""
    known = json.loads((HERE / "coefficients.json").read_text(encoding="utf-8"))
    return "\n".join(["| coefficient | value | from |", "|---|--:|---|", *described(known, grounds)])


def described(known: Mapping[str, Any], grounds: Basis) -> Iterator[str]:
    """The lines of that table."""
    for name, entry in known.items():
        source = f"[AWS]({entry['source']})" if "source" in entry else grounds.sources[name]
        yield f"| {entry['what']} | {figure(grounds.values[name])} | {source} |"


def figure(value: float) -> str:
    """A number in as many figures as matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def prices(grounds: Basis) -> str:
    """The prices with their sources, as a table."""
    found = ["| price | USD | as of | page |", "|---|--:|---|---|"]
    for entry in grounds.prices["prices"].values():
        price = "; ".join(plain(price) for _, price in entry["tiers"]) if "tiers" in entry else plain(entry["value"])
        found.append(f"| {entry['unit']} | {price} | {entry['as_of']} | [AWS]({entry['source']}) |")
    return "\n".join(found)


def plain(price: float) -> str:
    """A price without exponents; those of single events by the million."""
    return f"{price:g}" if price == 0 or price >= 1e-4 else f"{price * 1e6:g} a million"


def write() -> list[Path]:
    """Write the page from the committed results. Returns it if that changed it."""
    text = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return []
    PAGE.write_text(text, encoding="utf-8")
    return [PAGE]

"""What is known of dwell times, as rows for programs and as tables with small histograms for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fleetpoll.cadence.ages import EDGES_S, WIDTHS_S
from fleetpoll.cadence.dwell import ALL, DEFINITION, Dwell, Group
from fleetpoll.cadence.prediction import FEW, SHARES, Stage, stage_at
from fleetpoll.cadence.stays import COUNTED
from fleetpoll.cli.render import span
from fleetpoll.cli.tables import table
from fleetpoll.jobs import JobStatus
from fleetpoll.text import safe

if TYPE_CHECKING:
    from rich.table import Table

STATUSES = [status for status in JobStatus if status in COUNTED]
BLOCKS = "▁▂▃▄▅▆▇█"
BLOCKS_MAX = 16


class Row(NamedTuple):
    """What is known of how long jobs of a definition stay in a status."""

    definition: str
    status: JobStatus
    dwell: Dwell
    stage: Stage | None  # None: no exit is known

    def left_s(self, share: float) -> float | None:
        """After how long such a share of the jobs has left; None if too few did."""
        found = self.stage.left_s(0.0, share) if self.stage and round(self.dwell.known) >= FEW else math.inf
        return None if math.isinf(found) else round(found, 3)

    def public(self) -> dict[str, Any]:
        """The form that users read: seconds; `ages` holds [from, to, exits, seconds at risk], null where there is no end."""
        counts = zip(EDGES_S, EDGES_S[1:], self.dwell.exits, self.dwell.at_risk_s, strict=False)
        return {
            "definition": self.definition,
            "status": self.status.value,
            "known": round(self.dwell.known, 3),
            "at_risk_s": round(sum(self.dwell.at_risk_s), 3),
            **{f"p{round(share * 100)}_s": self.left_s(share) for share in SHARES},
            "ages": [
                [from_s, to_s if math.isfinite(to_s) else None, round(left, 3), round(at_risk_s, 3)]
                for from_s, to_s, left, at_risk_s in counts
                if left or at_risk_s
            ],
        }


def rows_of(pages: Mapping[Group, Dwell], statuses: Sequence[JobStatus], names: Sequence[str]) -> list[Row]:
    """What is known of definitions in these statuses, of all or of those that are named: of most exits first."""
    rows = []
    for group, dwell in pages.items():
        if group.level == DEFINITION and group.status in statuses and (not names or group.name in names):
            levels = [pages.get(Group(group.status, ALL)) or Dwell(), dwell]
            rows.append(Row(group.name, group.status, dwell, stage_at(levels, 1) if dwell.known else None))
    return sorted(rows, key=lambda row: (STATUSES.index(row.status), -row.dwell.known, row.definition))


def titled(rows: Sequence[Row], names: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Rows by tables: each definition that was asked for has one, or else each status."""
    for title in names or STATUSES:
        part = [row for row in rows if title == (row.definition if names else row.status)]
        if part:
            yield title, part


def overview(title: str, rows: Sequence[Row], *, named: bool) -> Table:
    """Some rows for people: the statuses of one definition that is named, or else the definitions in one status."""
    shown = table(safe(title))
    shown.add_column("STATUS" if named else "DEFINITION", overflow="fold")
    for name in ("KNOWN", "OBSERVED", "P10", "P50", "P90"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("FROM … TO", no_wrap=True)
    for row in rows:
        observed, times = span(sum(row.dwell.at_risk_s)), (span(row.left_s(share)) for share in SHARES)
        first = row.status.value if named else safe(row.definition) or "-"
        shown.add_row(first, f"{row.dwell.known:,.0f}", observed, *times, histogram(row))
    return shown


def worth(price: float | None) -> str:
    """What the fleet pays for a look: the mean delay is that at a constant hazard of 2p (see cadence/learned.py)."""
    if price is None:
        return "No price of a look is agreed upon yet."
    even_s = 1 / (2 * math.exp(price))
    return f"The price of a look: jobs that stay for {span(even_s)} on average are looked at as often as the mean."


def histogram(row: Row) -> str:
    """When jobs leave: the ages of the first and the last exit, and between them blocks as high as many leave."""
    seen = [bucket for bucket, count in enumerate(row.dwell.exits) if count]
    if row.stage is None:
        return ""
    first, after = seen[0], seen[-1] + 1
    each, left = math.ceil((after - first) / BLOCKS_MAX), left_in(row.stage.hazards)
    shares = [sum(left[at : min(at + each, after)]) for at in range(first, after, each)]
    blocks = "".join(BLOCKS[math.ceil(len(BLOCKS) * share / max(shares)) - 1] for share in shares)
    return f"{span(EDGES_S[first])} {blocks} {span(EDGES_S[after]) if after < len(WIDTHS_S) else ''}".rstrip()


def left_in(hazards: Sequence[float]) -> list[float]:
    """The share of the jobs that leave within each age bucket."""
    stay, shares = 1.0, []
    for hazard, width_s in zip(hazards, WIDTHS_S, strict=True):
        going = -math.expm1(-hazard * width_s)
        shares.append(stay * going)
        stay *= 1 - going
    return shares

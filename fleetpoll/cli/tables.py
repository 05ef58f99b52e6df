"""Tables of rich's, in the one look that ours have."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_COLUMNS = 160


def console(*, err: bool = False) -> Console:
    """A console that takes no text for markup; on a pipe wide enough that no id is cut."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else PIPED_COLUMNS
    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=False, width=width)


def table(title: str = "", *, header: bool = True) -> Table:
    """An empty table: rules only under the header."""
    return Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD if header else None,
        show_header=header,
        header_style="bold",
        pad_edge=False,
    )


def facts(rows: list[tuple[str, str | Text]]) -> Table:
    """Names and values, one pair a line."""
    pairs = table(header=False)
    pairs.add_column(style="dim", no_wrap=True)
    pairs.add_column(overflow="fold")
    for name, value in rows:
        pairs.add_row(name, value)
    return pairs

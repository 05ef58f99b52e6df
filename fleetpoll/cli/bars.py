"""A bar that shows how far something has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fleetpoll.cli.tables import console


@contextmanager
def progress(words: str) -> Iterator[Callable[[int, int | None], None]]:
    """A function that moves a bar on standard error, if that is a terminal: so many are done, of so many (None: unknown)."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of_all: bar.update(task, completed=done, total=of_all)

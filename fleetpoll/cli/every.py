"""All fleets of a file at once: a row for each at a glance, an order to each; one that does not answer holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from fleetpoll.cli import exits
from fleetpoll.cli.render import emit, say, span
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.many import ask_each
from fleetpoll.errors import RedisDenied
from fleetpoll.text import masked, safe

if TYPE_CHECKING:
    from fleetpoll.cli.options import Asked
    from fleetpoll.client.fleet import Fleet
    from fleetpoll.client.many import Heard
    from fleetpoll.client.status import FleetStatus

RECENT = 500
"""How many of the last transitions of each fleet its lag is taken from."""
NUMBERS = ("LIVE", "DUE", "CALLS/S", "OF", "CALLS", "THROTTLED", "FILL", "LAG P50", "P99", "WORKERS")


@dataclass(frozen=True, slots=True)
class Glance:
    """A fleet's status, and how many of its jobs are due; None if that may not be asked."""

    status: FleetStatus
    due: int | None


def glance(fleet: Fleet) -> Glance:
    """One fleet, by commands that do not grow with its jobs."""
    try:
        due = fleet.due()
    except RedisDenied:  # a user that an older release has made: all else is its right
        due = None
    return Glance(fleet.status(RECENT), due)


def show_all(heard: Sequence[Heard[Glance]], *, as_json: bool) -> None:
    """A row for each fleet, or an object a line."""
    if as_json:
        for one in heard:
            emit(public(one))
        return
    rows = table()
    rows.add_column("FLEET", overflow="fold")
    rows.add_column("REGION", no_wrap=True)
    for name in NUMBERS:
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("TROUBLE", overflow="fold")
    for one in heard:
        seen = one.answer
        figures = ("-",) * len(NUMBERS) if seen is None else numbers(seen)
        rows.add_row(safe(one.settings.fleet), one.settings.region or "-", *figures, Text(trouble(one), style="red"))
    console().print(rows)


def public(one: Heard[Glance]) -> dict[str, Any]:
    """A fleet as programs read it: its status, or an `error`."""
    whose = {"fleet": one.settings.fleet, "region": one.settings.region}
    if one.answer is None:
        return whose | {"error": masked(str(one.error))}
    return whose | one.answer.status.public() | {"due": one.answer.due}


def numbers(seen: Glance) -> tuple[str, ...]:
    """The figures of a row."""
    status, bucket, totals = seen.status, seen.status.bucket, seen.status.totals
    return (
        f"{status.live:,}",
        "-" if seen.due is None else f"{seen.due:,}",
        f"{bucket.granted:.4g}",
        f"{bucket.configured:g}",
        f"{totals.calls:,}",
        f"{totals.throttled / totals.calls:.2%}" if totals.calls else "-",
        "-" if totals.fill is None else f"{totals.fill:.1f}",
        span(status.lag.p50_s),
        span(status.lag.p99_s),
        f"{len(status.alive):,}",
    )


def trouble(one: Heard[Glance]) -> str:
    """What is not as it should be, in a few words."""
    if one.answer is None:
        return safe(masked(str(one.error)))
    status = one.answer.status
    said = [f"{found.kind} {found.code}".strip() for found in status.troubles]
    if status.bucket.paused:
        said.append("paused")
    if status.order is not None:
        said.append(f"told to {status.order.kind.value}")
    return safe(", ".join(said))


def tell(asked: Asked, ctx: click.Context, order: Callable[[Fleet], None], words: str, *, every: bool) -> None:
    """Give an order to one fleet, or to all, and say of each that it has it; the rest is told it in any case."""
    if not every:
        with open_fleet(asked.settings()) as fleet:
            order(fleet)
        click.echo(words)
        return
    heard = list(ask_each(asked.fleets(), order))
    for one in heard:
        if one.error is None:
            click.echo(f"{one.settings.fleet}: {words}")
        else:
            say_of(one, as_json=False)
    ctx.exit(exit_code(heard))


def say_of(one: Heard[Any], *, as_json: bool) -> None:
    """Why a fleet does not answer: as an object for programs, on standard error for people."""
    words = masked(str(one.error))
    if as_json:
        emit({"fleet": one.settings.fleet, "error": words})
    else:
        say(f"{one.settings.fleet}: {safe(words)}")


def exit_code(heard: Sequence[Heard[Any]]) -> int:
    """That of the first fleet that does not answer."""
    return next((exits.of(one.error) for one in heard if one.error is not None), exits.OK)

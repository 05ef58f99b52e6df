"""`fleetpoll budget`: the allowance, and an operator's hand on it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from fleetpoll.cli.every import exit_code, say_of, tell
from fleetpoll.cli.options import Asked, as_json, every_fleet, pass_asked
from fleetpoll.cli.render import emit
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.many import ask_each
from fleetpoll.errors import SettingsError
from fleetpoll.state.rooms import DESCRIBE, OPERATIONS

if TYPE_CHECKING:
    from rich.table import Table

    from fleetpoll.client.fleet import Fleet
    from fleetpoll.client.many import Heard
    from fleetpoll.state.allowance import BucketView

    Views = dict[str, BucketView]

operation_option = click.option(
    "--operation",
    type=click.Choice(OPERATIONS, case_sensitive=False),
    default=DESCRIBE,
    show_default=True,
    metavar="NAME",
    help=f"Which of AWS's operations: {', '.join(OPERATIONS)}.",
)


@click.group()
def budget() -> None:
    """Show or change the fleet's allowance of API calls.

    Each operation has a bucket of its own, as at AWS. Changes hold for the whole fleet at once and stay until taken back.
    """


@budget.command()
@every_fleet
@as_json
@click.pass_context
@pass_asked
def show(asked: Asked, ctx: click.Context, *, every: bool, as_json: bool) -> None:
    """Show the buckets of all operations."""
    if every:
        heard = list(ask_each(asked.fleets(), buckets))
        show_all(heard, as_json=as_json)
        ctx.exit(exit_code(heard))
    with open_fleet(asked.settings()) as fleet:
        views = buckets(fleet)
    if as_json:
        for operation, view in views.items():
            emit({"operation": operation, **dataclasses.asdict(view)})
        return
    rows = columns()
    for operation, view in views.items():
        rows.add_row(operation, *figures(view))
    console().print(rows)


def show_all(heard: list[Heard[Views]], *, as_json: bool) -> None:
    """The buckets of each fleet, and of one that does not answer, why."""
    rows = columns("FLEET")
    for one in heard:
        name = one.settings.fleet
        if one.answer is None:
            say_of(one, as_json=as_json)
        for operation, view in (one.answer or {}).items():
            rows.add_row(name, operation, *figures(view))
            if as_json:
                emit({"fleet": name, "operation": operation, **dataclasses.asdict(view)})
    if not as_json:
        console().print(rows)


def buckets(fleet: Fleet) -> Views:
    """The bucket of each operation."""
    return {operation: fleet.bucket(operation).view() for operation in OPERATIONS}


def columns(*before: str) -> Table:
    """A table for figures of buckets, with columns of others `before` them."""
    rows = table()
    for name in (*before, "OPERATION"):
        rows.add_column(name, no_wrap=True)
    for name in ("CONFIGURED", "GRANTED", "LIMIT MET", "BURST", "CALLS", "THROTTLES"):
        rows.add_column(name, justify="right")
    rows.add_column("")
    return rows


def figures(view: BucketView) -> tuple[str, ...]:
    """What a bucket's row says."""
    met = "-" if view.limit is None else f"{view.limit:.4g}/s"
    rates = (f"{view.configured:g}/s", f"{view.granted:.4g}/s", met, f"{view.burst:.4g}")
    return (*rates, f"{view.tokens_granted:,}", f"{view.throttles:,}", override(view))


@budget.command(name="set", epilog="\b\nExamples:\n  fleetpoll budget set 5\n  fleetpoll budget set --unpin")
@click.argument("rate", type=click.FloatRange(min=0, min_open=True), required=False)
@click.option("--unpin", is_flag=True, help="Let the rate go: it adapts by itself again.")
@operation_option
@every_fleet
@click.pass_context
@pass_asked
def set_rate(asked: Asked, ctx: click.Context, rate: float | None, operation: str, *, unpin: bool, every: bool) -> None:
    """Pin the rate of an operation to RATE calls a second, with --all of each fleet.

    Above or below the configured one; throttles do not move a pinned rate.
    """
    if (rate is None) is not unpin:
        raise SettingsError("Give a RATE to pin, or --unpin to let it go.")
    words = f"{operation} adapts by itself again." if rate is None else f"{operation} is pinned to {rate:g} calls/s."
    tell(asked, ctx, lambda fleet: fleet.bucket(operation).pin(rate), words, every=every)


@budget.command()
@operation_option
@every_fleet
@click.pass_context
@pass_asked
def pause(asked: Asked, ctx: click.Context, operation: str, *, every: bool) -> None:
    """Grant no calls of an operation to anybody until `resume`."""
    words = f"{operation} is paused; fleetpoll budget resume ends it."
    tell(asked, ctx, lambda fleet: fleet.bucket(operation).pause(True), words, every=every)


@budget.command()
@operation_option
@every_fleet
@click.pass_context
@pass_asked
def resume(asked: Asked, ctx: click.Context, operation: str, *, every: bool) -> None:
    """End the pause of an operation."""
    tell(asked, ctx, lambda fleet: fleet.bucket(operation).pause(False), f"{operation} goes on.", every=every)


def override(view: BucketView) -> str:
    """What an operator has decided."""
    if view.paused:
        return "paused"
    return "" if view.pinned is None else f"pinned to {view.pinned:g}/s"

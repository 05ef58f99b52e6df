"""`fleetpoll budget`: the allowance, and an operator's hand on it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.render import emit
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import SettingsError
from fleetpoll.state.rooms import DESCRIBE, OPERATIONS

if TYPE_CHECKING:
    from fleetpoll.state.allowance import BucketView

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
@as_json
@pass_asked
def show(asked: Asked, *, as_json: bool) -> None:
    """Show the buckets of all operations."""
    with open_fleet(asked.settings()) as fleet:
        views = {operation: fleet.bucket(operation).view() for operation in OPERATIONS}
    if as_json:
        for operation, view in views.items():
            emit({"operation": operation, **dataclasses.asdict(view)})
        return
    rows = table()
    rows.add_column("OPERATION", no_wrap=True)
    for name in ("CONFIGURED", "GRANTED", "LIMIT MET", "BURST", "CALLS", "THROTTLES"):
        rows.add_column(name, justify="right")
    rows.add_column("")
    for operation, view in views.items():
        met = "-" if view.limit is None else f"{view.limit:.4g}/s"
        figures = (f"{view.configured:g}/s", f"{view.granted:.4g}/s", met, f"{view.burst:.4g}")
        rows.add_row(operation, *figures, f"{view.tokens_granted:,}", f"{view.throttles:,}", override(view))
    console().print(rows)


@budget.command(name="set", epilog="\b\nExamples:\n  fleetpoll budget set 5\n  fleetpoll budget set --unpin")
@click.argument("rate", type=click.FloatRange(min=0, min_open=True), required=False)
@click.option("--unpin", is_flag=True, help="Let the rate go: it adapts by itself again.")
@operation_option
@pass_asked
def set_rate(asked: Asked, rate: float | None, operation: str, *, unpin: bool) -> None:
    """Pin the rate of an operation to RATE calls a second.

    Above or below the configured one; throttles do not move a pinned rate.
    """
    if (rate is None) is not unpin:
        raise SettingsError("Give a RATE to pin, or --unpin to let it go.")
    with open_fleet(asked.settings()) as fleet:
        fleet.bucket(operation).pin(rate)
    click.echo(f"{operation} adapts by itself again." if rate is None else f"{operation} is pinned to {rate:g} calls/s.")


@budget.command()
@operation_option
@pass_asked
def pause(asked: Asked, operation: str) -> None:
    """Grant no calls of an operation to anybody until `resume`."""
    with open_fleet(asked.settings()) as fleet:
        fleet.bucket(operation).pause(True)
    click.echo(f"{operation} is paused; fleetpoll budget resume ends it.")


@budget.command()
@operation_option
@pass_asked
def resume(asked: Asked, operation: str) -> None:
    """End the pause of an operation."""
    with open_fleet(asked.settings()) as fleet:
        fleet.bucket(operation).pause(False)
    click.echo(f"{operation} goes on.")


def override(view: BucketView) -> str:
    """What an operator has decided."""
    if view.paused:
        return "paused"
    return "" if view.pinned is None else f"pinned to {view.pinned:g}/s"

"""`fleetpoll events groups` and `events drop`: who shares the transitions, and how far they are behind."""

from __future__ import annotations

import click

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.render import emit, say
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import open_fleet
from fleetpoll.text import safe


@click.command()
@as_json
@pass_asked
def groups(asked: Asked, *, as_json: bool) -> None:
    """List the consumer groups, and how far each is behind.

    PENDING were given to a consumer and are not acknowledged, LAG were given to nobody yet, LOST are those of them that the
    stream does not keep any more; ? where the server cannot tell. A group that nobody reads costs the fleet nothing.
    """
    with open_fleet(asked.settings()) as fleet:
        found = fleet.groups()
    if as_json:
        for group in found:
            emit(group.public())
        return
    if not found:
        say("There are no consumer groups; fleetpoll events --group NAME makes one, and so does fleetpoll relay.")
        return
    rows = table()
    rows.add_column("GROUP", overflow="fold")
    for name in ("CONSUMERS", "PENDING", "LAG", "LOST"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("CURSOR", no_wrap=True)
    for group in found:
        numbers = (group.consumers, group.pending, group.lag, group.lost)
        rows.add_row(safe(group.name), *("?" if n is None else f"{n:,}" for n in numbers), group.cursor)
    console().print(rows)


@click.command()
@click.argument("group")
@click.pass_context
@pass_asked
def drop(asked: Asked, ctx: click.Context, group: str) -> None:
    """Forget a consumer group, and what it has read.

    Members of it that are still there make it anew from where they are. Exit code 3 if there is no such group.
    """
    with open_fleet(asked.settings()) as fleet:
        dropped = fleet.drop_group(group)
    say(f"Group {safe(group)} is forgotten." if dropped else f"There is no group {safe(group)}: fleetpoll events groups.")
    ctx.exit(exits.OK if dropped else exits.UNKNOWN)

"""`fleetpoll events`: the transitions, as they were or as they come."""

from __future__ import annotations

import re
import sys
from itertools import islice
from typing import TYPE_CHECKING

import click

from fleetpoll.cli.groups import drop, groups
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.render import coloured, emit, moment
from fleetpoll.client.fleet import open_fleet
from fleetpoll.state.events import BEGINNING
from fleetpoll.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpoll.client.consuming import Consumer
    from fleetpoll.client.fleet import Fleet
    from fleetpoll.jobs import Transition

EPILOG = """\b
Examples:
  fleetpoll events --since 1732276800000-0
  fleetpoll events --follow --json | jq -r 'select(.to == "FAILED") | .job_id'
  fleetpoll events --group billing --json | ./book

\b
A cursor is the "id" of a transition in --json; a time in epoch milliseconds
will do, too. --follow and --group end with Ctrl-C (exit code 130).
Exit code 65: what came after CURSOR is not kept any more.
"""


def parse_cursor(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A cursor has the form MS-N or MS."""
    if value is not None and not re.fullmatch(r"\d{1,19}(-\d{1,19})?", value, re.ASCII):
        raise click.BadParameter("a cursor looks like 1732276800000-0", ctx, parameter)
    return value


@click.group(invoke_without_command=True, epilog=EPILOG)
@click.option("--follow", is_flag=True, help="Go on with what comes, from --since or from now, until Ctrl-C.")
@click.option(
    "--since", callback=parse_cursor, metavar="CURSOR", help="Only what comes after CURSOR; else from the beginning."
)
@click.option("--group", metavar="NAME", help="Follow, and share the transitions with all others that follow in this group.")
@click.option("--consumer", default="", metavar="NAME", help="Who we are in the group; else a name is made up.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N transitions.")
@as_json
@pass_asked
def events(
    asked: Asked,
    since: str | None,
    group: str | None,
    consumer: str,
    limit: int | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the transitions that were seen, oldest first.

    The stream keeps about the last million. --follow goes on by itself when Redis was away, without gap or repetition.
    A --group remembers what its members have printed (--since says where a new one begins): each transition goes to one of
    them, and to another one if that does not print it within a minute. A member that dies may leave one to be printed twice.
    A follower that is overtaken by the stream ends with exit code 65, a group says how many it has lost and goes on.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    if consumer and group is None:
        raise click.UsageError("--consumer is a name within a --group: give both.")
    with open_fleet(asked.settings()) as fleet:
        if group is not None:
            found = consumed(fleet.consume(group, consumer, after=since), limit)
        elif follow:
            found = islice(followed(fleet, since), limit)
        else:
            found = fleet.past_events(since or BEGINNING, limit)
        show(found, as_json=as_json)


events.add_command(groups)
events.add_command(drop)


def show(found: Iterator[Transition], *, as_json: bool) -> None:
    """Print transitions as they come."""
    for transition in found:
        if as_json:
            emit(transition.public())
        else:
            click.echo(line(transition))


def followed(fleet: Fleet, since: str | None) -> Iterator[Transition]:
    """What comes. Each is sent on when it is printed: the next one may be long in coming."""
    for transition in fleet.events(since):
        if transition is not None:
            yield transition
            sys.stdout.flush()


def consumed(consumer: Consumer, limit: int | None) -> Iterator[Transition]:
    """What a group gives to this consumer. Each is sent on before it is acknowledged."""
    with consumer:
        given = 0
        for transition in consumer:
            if transition is None:
                continue
            yield transition
            sys.stdout.flush()
            given += 1
            if given == limit:
                consumer.acknowledge()
                return


def line(transition: Transition) -> str:
    """A transition in one line; the reason comes last, for it may be long."""
    change = f"{coloured(transition.before, 9)} {coloured(transition.after, 9)}"
    code = "" if transition.exit_code is None else f" exit {transition.exit_code}"
    reason = f" {safe(transition.reason)}" if transition.reason else ""
    return f"{moment(transition.detected_ms)}  {safe(transition.job_id):<36}  {change}{code}{reason}"

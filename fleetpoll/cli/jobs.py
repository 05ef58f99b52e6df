"""`fleetpoll jobs` and `show`: what is known."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.text import Text

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import age, clock, coloured, emit, emit_all, safe, say
from fleetpoll.cli.tables import console, facts
from fleetpoll.client.fleet import open_fleet
from fleetpoll.jobs import JobStatus

if TYPE_CHECKING:
    from fleetpoll.jobs import Snapshot

NAME_COLUMNS = 22  # what 80 columns leave beside an id, a status and an age

EPILOG = """\b
Examples:
  fleetpoll jobs --status FAILED --status LOST
  fleetpoll jobs --json | jq -r 'select(.exit_code == 137) | .job_id'
"""


@click.command(epilog=EPILOG)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="STATUS",
    type=click.Choice(list(JobStatus), case_sensitive=False),
    help=f"Only jobs in this status; may be repeated. One of {', '.join(JobStatus)}.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N jobs.")
@as_json
@pass_asked
def jobs(asked: Asked, statuses: tuple[JobStatus, ...], limit: int | None, *, as_json: bool) -> None:
    """List tracked jobs and their last known status.

    In no order. The last column but one says how long ago the last transition was seen.
    """
    with open_fleet(asked.settings()) as fleet:
        found = fleet.jobs(statuses, limit)
        if as_json:
            emit_all(snapshot.public(job_id) for job_id, snapshot in found)
            return
        first = list(islice(found, 1))
        if not first:
            say("No tracked job has such a status." if statuses else "No jobs are tracked: fleetpoll track starts it.")
        for job_id, snapshot in (*first, *found) if limit else _chained(first, found):
            click.echo(line(job_id, snapshot))


@click.command()
@click.argument("job_id", metavar="ID")
@as_json
@click.pass_context
@pass_asked
def show(asked: Asked, ctx: click.Context, job_id: str, *, as_json: bool) -> None:
    """Show what is known of one job.

    Exit code 3 if it is not tracked.
    """
    ids = read_ids([job_id], []).good
    with open_fleet(asked.settings()) as fleet:
        snapshot = fleet.get(ids).get(job_id)
    if snapshot is None:
        say(f"{job_id} is not tracked: fleetpoll track {job_id} starts it.")
        ctx.exit(exits.UNKNOWN)
    elif as_json:
        emit(snapshot.public(job_id))
    else:
        console().print(facts(card(job_id, snapshot)))

"""`fleetpoll jobs` and `show`: what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import COLOURS, age, coloured, emit, moment, safe, say
from fleetpoll.cli.tables import console, facts
from fleetpoll.client.fleet import open_fleet
from fleetpoll.jobs import JobStatus

if TYPE_CHECKING:
    from fleetpoll.jobs import Snapshot

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

    In no order. A line is id, status, how long ago that was seen, name.
    """
    shown = 0
    with open_fleet(asked.settings()) as fleet:
        for job_id, snapshot in fleet.jobs(statuses, limit):
            shown += 1
            if as_json:
                emit(snapshot.public(job_id))
            else:
                click.echo(line(job_id, snapshot))
    if not shown:
        say("No tracked job has such a status." if statuses else "No jobs are tracked; fleetpoll track starts it.")


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
        say(f"{job_id} is not tracked; fleetpoll track {job_id} starts it.")
        ctx.exit(exits.UNKNOWN)
    elif as_json:
        emit(snapshot.public(job_id))
    else:
        console().print(facts(card(job_id, snapshot)))


def line(job_id: str, snapshot: Snapshot) -> str:
    """A job in one line; 80 columns leave some twenty for its name."""
    return f"{job_id:<36}  {coloured(snapshot.status, 9)}  {age(snapshot.changed_ms):>6}  {safe(snapshot.job_name)}"


def card(job_id: str, snapshot: Snapshot) -> list[tuple[str, str | Text]]:
    """A job as names and values, without those that are not known."""
    rows: list[tuple[str, str | Text]] = [
        ("job", job_id),
        ("name", safe(snapshot.job_name)),
        ("status", Text(snapshot.status.value, style=COLOURS.get(snapshot.status.value, ""))),
        ("status reason", safe(snapshot.status_reason)),
        ("reason", safe(snapshot.reason)),
        ("exit code", "" if snapshot.exit_code is None else str(snapshot.exit_code)),
        ("attempt", str(snapshot.attempt or "")),
        ("queue", safe(snapshot.job_queue)),
        ("definition", safe(snapshot.job_definition)),
        ("log stream", safe(snapshot.log_stream)),
        ("created", moment(snapshot.created_ms)),
        ("started", moment(snapshot.started_ms)),
        ("stopped", moment(snapshot.stopped_ms)),
        ("tracked", moment(snapshot.tracked_ms)),
        ("last change", moment(snapshot.changed_ms)),
    ]
    return [(name, value) for name, value in rows if value]

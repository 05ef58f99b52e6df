"""`fleetpoll jobs` and `show`: what is known, and what is expected."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import COLOURS, age, coloured, emit, moment, plural, say, span
from fleetpoll.cli.tables import console, facts
from fleetpoll.client.fleet import open_fleet
from fleetpoll.jobs import JobStatus
from fleetpoll.text import safe

if TYPE_CHECKING:
    from fleetpoll.cadence.prediction import Prediction
    from fleetpoll.jobs import Snapshot

EPILOG = """\b
Examples:
  fleetpoll jobs --status FAILED --status LOST
  fleetpoll jobs --json | jq -r 'select(.exit_code == 137) | .job_id'
  fleetpoll jobs --predict --json | jq .expected_end_at.p90
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
@click.option("--predict", is_flag=True, help="When each will have ended, by what is learnt of such jobs.")
@as_json
@pass_asked
def jobs(asked: Asked, statuses: tuple[JobStatus, ...], limit: int | None, *, predict: bool, as_json: bool) -> None:
    """List tracked jobs and their last known status.

    In no order. A line is id, status, how long ago that was seen, name; with --predict also the time until the job ends, in
    the middle and with a chance of 10 % and of 90 %, where enough is known.
    """
    shown = 0
    with open_fleet(asked.settings()) as fleet:
        oracle = fleet.oracle() if predict else None
        for job_id, snapshot in fleet.jobs(statuses, limit):
            shown += 1
            end = oracle.end_of(snapshot) if oracle else None
            if as_json:
                emit(snapshot.public(job_id) | (expected(end) if predict else {}))
            else:
                click.echo(line(job_id, snapshot) + (f"  {ending(end, oracle.now_ms)}" if oracle and end else ""))
    if not shown:
        say("No tracked job has such a status." if statuses else "No jobs are tracked; fleetpoll track starts it.")


@click.command()
@click.argument("job_id", metavar="ID")
@as_json
@click.pass_context
@pass_asked
def show(asked: Asked, ctx: click.Context, job_id: str, *, as_json: bool) -> None:
    """Show what is known of one job.

    Also when it is expected to end, with a chance of 10, 50 and 90 %, if enough is known of such jobs (see fleetpoll learn).
    Exit code 3 if it is not tracked.
    """
    (job_id,) = read_ids([job_id], []).good
    with open_fleet(asked.settings()) as fleet:
        snapshot = fleet.get([job_id]).get(job_id)
        end = fleet.expected_end(snapshot) if snapshot else None
    if snapshot is None:
        say(f"{job_id} is not tracked; fleetpoll track {job_id} starts it.")
        ctx.exit(exits.UNKNOWN)
    elif as_json:
        emit(snapshot.public(job_id) | expected(end))
    else:
        console().print(facts([*card(job_id, snapshot), *foretold(end)]))


def line(job_id: str, snapshot: Snapshot) -> str:
    """A job in one line; 80 columns leave some twenty for its name."""
    return f"{safe(job_id):<36}  {coloured(snapshot.status, 9)}  {age(snapshot.changed_ms):>6}  {safe(snapshot.job_name)}"


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


def expected(end: Prediction | None) -> dict[str, Any]:
    """A prediction as JSON has it."""
    return {"expected_end_at": end.public() if end else None}


def foretold(end: Prediction | None) -> list[tuple[str, str]]:
    """A prediction as a name and a value, if there is one."""
    if end is None:
        return []
    words, at = ending(end, round(time.time() * 1000)), moment(end.p50_ms or 0)
    return [("expected end", f"{at}: {words}, by {plural(end.known, 'job')} before" if at else words)]


def ending(end: Prediction, now_ms: int) -> str:
    """When a job ends, in words: 'ends in 4 m (3 m … 7 m)', or as far as that is known."""
    soon, middle, late = (None if at is None else max(0, at - now_ms) / 1000 for at in end[:3])
    if soon is None:
        return f"has taken longer than any of {plural(end.known, 'job')} before"
    if middle is None:
        return f"ends in {span(soon)} or more"
    return f"ends in {span(middle)} ({span(soon)} {f'… {span(late)}' if late is not None else 'or more'})"

"""`fleetpoll terminate` and `cancel`: jobs that shall not go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, aws_settings, ids_argument, ids_file, pass_asked, several
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import plural, say
from fleetpoll.client.calls import open_calls
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import AccessDenied, AwsError, TokenRefused
from fleetpoll.text import masked, safe

EPILOG = """\b
Example:
  fleetpoll jobs --status RUNNING --json | jq -r .job_id |
    fleetpoll terminate -f - --reason "wrong input"
"""

common = several(
    ids_argument,
    ids_file,
    click.option("--reason", required=True, metavar="TEXT", help="Why; AWS keeps it as the status reason."),
    aws_settings,
    click.pass_context,
    pass_asked,
)


@click.command(epilog=EPILOG)
@common
def terminate(asked: Asked, ctx: click.Context, ids: tuple[str, ...], files: tuple[str, ...], reason: str) -> None:
    """Terminate jobs in any status, through the fleet's bucket.

    They end as FAILED. Exit code 1 if AWS refused some of them.
    """
    given = read_ids(ids, files).good
    with open_fleet(asked.settings()) as fleet:
        ctx.exit(one_by_one(given, open_calls(fleet).terminate, reason, "terminated"))


@click.command()
@common
def cancel(asked: Asked, ctx: click.Context, ids: tuple[str, ...], files: tuple[str, ...], reason: str) -> None:
    """Cancel jobs that have not started, through the fleet's bucket.

    AWS ignores it for jobs that are STARTING or RUNNING. Exit code 1 if AWS refused some of them.
    """
    given = read_ids(ids, files).good
    with open_fleet(asked.settings()) as fleet:
        ctx.exit(one_by_one(given, open_calls(fleet).cancel, reason, "cancelled"))


def one_by_one(ids: Sequence[str], end: Callable[[str, str], None], reason: str, done: str) -> int:
    """End each job; one that AWS refuses does not keep the others alive. Returns the exit code."""
    refused = 0
    for job_id in ids:
        try:
            end(job_id, reason)
        except AccessDenied:
            raise
        except (AwsError, TokenRefused) as error:
            refused += 1
            say(f"{job_id}: {safe(masked(str(error)))}")
    say(f"{plural(len(ids) - refused, 'job')} {done}" + (f", {refused:,} failed." if refused else "."))
    return exits.SOME_FAILED if refused else exits.OK

"""`fleetpoll wait`: stand still until jobs are done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from fleetpoll.cli import exits
from fleetpoll.cli.bars import progress
from fleetpoll.cli.options import Asked, as_json, ids_argument, ids_file, pass_asked
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import coloured, emit, plural, say
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.waiting import Goal
from fleetpoll.jobs import GIVEN_UP, JobStatus

if TYPE_CHECKING:
    from fleetpoll.client.waiting import Waited

NAMED_MAX = 20

EPILOG = """\b
Examples:
  fleetpoll wait 4f0c1b5e-6c1d-4a55-9a25-0f7f6a2d8b11 && ./next-step
  fleetpoll wait -f ids.txt --timeout 3600 --json

\b
Exit codes: 0 all succeeded (or run, with --for running), 1 some failed,
3 some are lost, expired, rejected or were untracked, 124 timed out, 130 Ctrl-C.
If several hold: 124 before 3 before 1.
"""


@click.command(epilog=EPILOG)
@ids_argument
@ids_file
@click.option(
    "--for",
    "goal",
    type=click.Choice([goal.value for goal in Goal]),
    default=Goal.COMPLETE.value,
    show_default=True,
    help="What to wait for: that jobs have started, or that they are over.",
)
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), metavar="S", help="Give up after S seconds.")
@as_json
@click.pass_context
@pass_asked
def wait(
    asked: Asked,
    ctx: click.Context,
    ids: tuple[str, ...],
    files: tuple[str, ...],
    goal: str,
    timeout_s: float | None,
    *,
    as_json: bool,
) -> None:
    """Wait until jobs have finished, or have started.

    Jobs that are not tracked yet are tracked. No call to AWS is made for it: the fleet's workers look at the jobs.
    """
    given = read_ids(ids, files)
    with open_fleet(asked.settings()) as fleet:
        if not fleet.alive():
            say("No worker is alive, so nothing will change until one is started: fleetpoll worker.")
        with progress("waiting") as on_change:
            waited = fleet.wait(given.good, Goal(goal), timeout_s, on_change)
    if as_json:
        reached = {job_id: status.value for job_id, status in waited.reached.items()}
        emit({"reached": reached, "pending": waited.pending, "gone": waited.gone, "timed_out": waited.timed_out})
    else:
        summarize(waited)
    ctx.exit(exit_code(waited))


def summarize(waited: Waited) -> None:
    """How many jobs ended how; by name only those that did not go well."""
    counts = Counter(waited.reached.values())
    words = [f"{counts[status]:,} {coloured(status)}" for status in JobStatus if counts[status]]
    words += [f"{len(waited.pending):,} pending when the time was up"] if waited.pending else []
    words += [f"{len(waited.gone):,} no longer tracked (untracked, or Redis lost its data)"] if waited.gone else []
    total = len(waited.reached) + len(waited.pending) + len(waited.gone)
    click.echo(f"{plural(total, 'job')}{': ' if words else ''}{', '.join(words)}.")
    bad = [(job_id, status) for job_id, status in waited.reached.items() if status in BAD]
    for job_id, status in bad[:NAMED_MAX]:
        click.echo(f"  {job_id}  {coloured(status)}")
    if len(bad) > NAMED_MAX:
        click.echo(f"  and {len(bad) - NAMED_MAX:,} more")


BAD = frozenset({JobStatus.FAILED, *GIVEN_UP})


def exit_code(waited: Waited) -> int:
    """What a script is told."""
    ends = set(waited.reached.values())
    if waited.timed_out:
        return exits.TIMED_OUT
    if waited.gone or ends & GIVEN_UP:
        return exits.UNKNOWN
    return exits.SOME_FAILED if JobStatus.FAILED in ends else exits.OK

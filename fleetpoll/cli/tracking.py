"""`fleetpoll track` and `untrack`: what is watched."""

from __future__ import annotations

import click

from fleetpoll.cli.options import Asked, as_json, ids_argument, ids_file, pass_asked
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import emit, plural, say
from fleetpoll.client.fleet import open_fleet

EPILOG = """\b
Examples:
  fleetpoll track 4f0c1b5e-6c1d-4a55-9a25-0f7f6a2d8b11
  aws batch list-jobs ... --query 'jobSummaryList[].[jobId]' --output text |
    fleetpoll track -f -
  fleetpoll track --children 4f0c1b5e-6c1d-4a55-9a25-0f7f6a2d8b11
  fleetpoll jobs --status EXPIRED --json | jq -r .job_id |
    fleetpoll track --again -f -
"""


@click.command(epilog=EPILOG)
@ids_argument
@ids_file
@click.option("--skip-bad", is_flag=True, help="Name bad ids and track the others; without it nothing is tracked then.")
@click.option(
    "--again",
    is_flag=True,
    help="Watch those once more that are over already, as if they were new; not an array's children.",
)
@click.option("--children", is_flag=True, help="The IDs are those of arrays: follow their children as well.")
@as_json
@pass_asked
def track(
    asked: Asked,
    ids: tuple[str, ...],
    files: tuple[str, ...],
    *,
    skip_bad: bool,
    again: bool,
    children: bool,
    as_json: bool,
) -> None:
    """Start to watch jobs.

    Tracking a job twice is the same as once. An ID is a UUID, UUID:index for a child of an array job, or UUID#node.

    With --children, the end of each child of an array is published, of up to 10,000 for one ID: the fleet looks at the
    array, whose summary tells how many have ended, and at children only when there are more than it knows of.
    """
    given = read_ids(ids, files, skip_bad=skip_bad)
    with open_fleet(asked.settings()) as fleet:
        new = fleet.track(given.good, again=again, children=children)
    if given.bad:
        say(f"{plural(len(given.bad), 'bad id')} skipped:\n{given.complaint()}")
    already = len(given.good) - new
    if as_json:
        emit({"new": new, "already_tracked": already, "skipped": len(given.bad)})
    else:
        click.echo(f"{new:,} new, {already:,} already tracked.")


@click.command()
@ids_argument
@ids_file
@as_json
@pass_asked
def untrack(asked: Asked, ids: tuple[str, ...], files: tuple[str, ...], *, as_json: bool) -> None:
    """Stop watching jobs and forget them.

    With an array that is followed, its children are forgotten. The jobs themselves run on; who waits for them learns that
    they are gone.
    """
    given = read_ids(ids, files)
    with open_fleet(asked.settings()) as fleet:
        known = fleet.untrack(given.good)
    unknown = len(given.good) - known
    if as_json:
        emit({"untracked": known, "not_tracked": unknown})
    else:
        click.echo(f"{known:,} untracked, {unknown:,} were not tracked.")

"""`fleetpoll track` and `untrack`: what is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import click

from fleetpoll.cli.bars import progress
from fleetpoll.cli.options import Asked, as_json, ids_argument, ids_file, pass_asked
from fleetpoll.cli.reading import Spool, spooled
from fleetpoll.cli.render import emit, plural, say
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.given import parents
from fleetpoll.state.scripts import chunks

EachPart = Callable[[Callable[[Sequence[str]], int]], tuple[int, int]]

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
    with given_ids(ids, files, "tracking", skip_bad=skip_bad) as (given, each_part):
        for part in chunks(given) if children else ():
            parents(part)
        with open_fleet(asked.settings()) as fleet:
            new, already = each_part(partial(fleet.track, again=again, children=children))
    if given.bad.count:
        say(f"{plural(given.bad.count, 'bad id')} skipped:\n{given.bad.complaint()}")
    if as_json:
        emit({"new": new, "already_tracked": already, "skipped": given.bad.count})
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
    with given_ids(ids, files, "untracking") as (_, each_part), open_fleet(asked.settings()) as fleet:
        known, unknown = each_part(fleet.untrack)
    if as_json:
        emit({"untracked": known, "not_tracked": unknown})
    else:
        click.echo(f"{known:,} untracked, {unknown:,} were not tracked.")


@contextmanager
def given_ids(
    ids: tuple[str, ...], files: tuple[str, ...], words: str, *, skip_bad: bool = False
) -> Iterator[tuple[Spool, EachPart]]:
    """The ids that are given, and a function that does something with a thousand at a time, while a bar shows how far it is.

    It returns how many ids the calls have counted, and how many not.
    """
    with (
        progress(words) as moved,
        spooled(ids, files, skip_bad=skip_bad, on_read=lambda count: moved(count, None)) as given,
    ):

        def each_part(use: Callable[[Sequence[str]], int]) -> tuple[int, int]:
            counted = left = done = 0
            for part in chunks(given):
                different = list(dict.fromkeys(part))
                here = use(different)
                counted, left, done = counted + here, left + len(different) - here, done + len(part)
                moved(done, given.count)
            return counted, left

        yield given, each_part

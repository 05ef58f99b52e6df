"""`fleetpoll learn`: what is learnt of how long jobs take, to see, to forget and to carry elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetpoll.cadence.dwell import DEFINITION, Dwell, Group, groups_of
from fleetpoll.cli import exits
from fleetpoll.cli.learn_report import STATUSES, Row, overview, rows_of, titled, worth
from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.reading import complaint, lines, shown
from fleetpoll.cli.render import emit, plural, say
from fleetpoll.cli.tables import console
from fleetpoll.client.exchange import from_text, to_text
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_MAX = 1_000
"""With so many bad lines a file is taken for something else altogether, and read no further."""

definitions_argument = click.argument("definitions", nargs=-1, metavar="[DEFINITION]...")


@click.group()
def learn() -> None:
    """See what is learnt of how long jobs take, forget it, or carry it elsewhere.

    With the cadence "learned" workers count, for each job definition, queue and status, how long jobs stay, and look at a
    job when it is worth it. fleetpoll show ID and fleetpoll jobs --predict tell from it when jobs will have ended.
    """


@learn.command(epilog="\b\nExamples:\n  fleetpoll learn show\n  fleetpoll learn show align --status RUNNING --json")
@definitions_argument
@click.option(
    "--status",
    "statuses",
    multiple=True,
    metavar="STATUS",
    type=click.Choice(STATUSES, case_sensitive=False),
    help=f"Only this status; may be repeated. One of {', '.join(STATUSES)}.  [default: RUNNING, or all of a DEFINITION]",
)
@as_json
@click.pass_context
@pass_asked
def show(
    asked: Asked, ctx: click.Context, definitions: tuple[str, ...], statuses: tuple[JobStatus, ...], *, as_json: bool
) -> None:
    """Show how long jobs of a DEFINITION stay in each status, or those of all definitions.

    KNOWN is how many exits from the status are remembered, OBSERVED how long jobs were watched in it. Of the jobs 10, 50
    and 90 % have left after P10, P50 and P90. The blocks show when, from the earliest age to the latest, each a quarter
    older than the one before or more. A revision makes no difference. Exit code 3 if nothing is learnt of a DEFINITION.
    """
    names = list(dict.fromkeys(map(name_of, definitions)))
    with open_fleet(asked.settings()) as fleet:
        pages, price = fleet.learnt(), fleet.price()
    rows = rows_of(pages, statuses or (STATUSES if names else [JobStatus.RUNNING]), names)
    if as_json:
        if not names:
            emit({"groups": len(pages), "price": None if price is None else math.exp(price)})
        for row in rows:
            emit(row.public())
    else:
        for title, part in titled(rows, names):
            console().print(overview(title, part, named=bool(names)))
        if rows and not names:
            click.echo(worth(price))
    ctx.exit(missed(pages, rows, names))


@learn.command(epilog="\b\nExamples:\n  fleetpoll learn reset align\n  fleetpoll learn reset --all")
@definitions_argument
@click.option("--all", "everything", is_flag=True, help="Forget all definitions, queues and the price of a look.")
@pass_asked
def reset(asked: Asked, definitions: tuple[str, ...], *, everything: bool) -> None:
    """Forget what is learnt of a DEFINITION, or everything.

    Jobs of it are then looked at by what is known of their queue, until they are known again. It is forgotten by itself too:
    of a definition some 300 exits are remembered, and half of what was not seen again for two weeks.
    """
    if everything is bool(definitions):
        raise SettingsError("Give each DEFINITION to forget, or --all.")
    with open_fleet(asked.settings()) as fleet:
        forgotten = fleet.forget_all() if everything else fleet.forget(definitions)
    click.echo(f"{plural(forgotten, 'group')} of jobs forgotten.")


@learn.command(name="export", epilog="\b\nExample:\n  fleetpoll learn export | fleetpoll --fleet other learn import -")
@click.argument("file", default="-", metavar="[FILE]")
@pass_asked
def export_(asked: Asked, file: str) -> None:
    """Write what is learnt to FILE or standard output.

    One group of jobs a line, as JSON: for another fleet, or as a copy. The price of a look is left out: it comes by itself.
    """
    with open_fleet(asked.settings()) as fleet:
        pages = fleet.learnt()
    text = "".join(f"{to_text(group, pages[group])}\n" for group in sorted(pages))
    try:
        # A file is replaced when all is written; a device or a named pipe is there to be written to.
        with click.open_file(file, "w", encoding="utf-8", atomic=Path(file).is_file() or not Path(file).exists()) as out:
            out.write(text)
    except BrokenPipeError:
        raise  # whoever reads has seen enough
    except OSError as error:
        raise SettingsError(f"{shown(file, 'output')} cannot be written: {error.strerror}.") from None
    say(f"{plural(len(pages), 'group')} of jobs written.")


@learn.command(name="import", epilog="\b\nExample:\n  fleetpoll learn import learnt.jsonl")
@click.argument("file", metavar="FILE")
@click.option("--replace", is_flag=True, help="Put it in the place of what the fleet knows of the same groups of jobs.")
@pass_asked
def import_(asked: Asked, file: str, *, replace: bool) -> None:
    """Take in what `export` wrote to FILE.

    A FILE of - is standard input. It is added to what the fleet knows of these groups of jobs, or replaces it. Workers that
    are at work hear of it with their next notes. If a line is none of export's, it is named and nothing at all is taken in.
    """
    pages = read_pages(lines(file))
    with open_fleet(asked.settings()) as fleet:
        fleet.teach(pages, replace=replace)
    click.echo(f"{plural(len(pages), 'group')} of jobs taken in.")


def read_pages(places: Iterable[tuple[str, str]]) -> dict[Group, Dwell]:
    """What the lines tell, together. Raises SettingsError that names the bad ones."""
    pages: dict[Group, Dwell] = {}
    bad: list[str] = []
    for place, line in places:
        if len(bad) == BAD_MAX:
            break
        if not line.strip():
            continue
        try:
            group, dwell = from_text(line)
        except SettingsError as error:
            bad.append(f"{place}: {safe(str(error))}")
            continue
        pages.setdefault(group, Dwell()).add(dwell)
    if bad:
        count = f"{len(bad):,}{' or more' if len(bad) == BAD_MAX else ''}"
        raise SettingsError(f"Not a line of fleetpoll learn export: {count}. Nothing was taken in.\n{complaint(bad)}")
    return pages


def name_of(definition: str) -> str:
    """The name under which a definition is known, whatever its revision."""
    return groups_of(JobStatus.RUNNING, "", definition)[-1].name


def missed(pages: Mapping[Group, Dwell], rows: Sequence[Row], names: Sequence[str]) -> int:
    """Say what was asked for and is not known. Returns the exit code."""
    unknown = set(names) - {group.name for group in pages if group.level == DEFINITION}
    if not pages:
        say("Nothing is learnt yet: fleetpoll worker learns as it works, fleetpoll learn import takes in what others know.")
    elif unknown:
        say(f"Nothing is learnt of {safe(', '.join(sorted(unknown)))}; fleetpoll learn show lists what is known.")
    elif not rows:
        say("Nothing is learnt of this status.")
    return exits.UNKNOWN if unknown else exits.OK

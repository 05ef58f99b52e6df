"""`fleetpoll status`: the fleet at a glance."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from fleetpoll.cli.every import exit_code, glance, show_all
from fleetpoll.cli.options import Asked, as_json, every_fleet, pass_asked
from fleetpoll.cli.render import COLOURS, emit, plural, span
from fleetpoll.cli.tables import console, facts
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.health import Health, Level
from fleetpoll.client.many import ask_each
from fleetpoll.text import safe

if TYPE_CHECKING:
    from fleetpoll.client.status import FleetStatus, Lag
    from fleetpoll.client.troubles import SharedTrouble
    from fleetpoll.figures import Totals
    from fleetpoll.jobs import JobStatus
    from fleetpoll.state.allowance import BucketView
    from fleetpoll.state.broods import BroodSizes

COLUMNS = 68
"""How wide sentences are: on a pipe a table has no end."""
HEALTH = {Level.GOOD: "green", Level.IDLE: "", Level.WARN: "yellow", Level.BAD: "red"}


@click.command()
@every_fleet
@as_json
@click.pass_context
@pass_asked
def status(asked: Asked, ctx: click.Context, *, every: bool, as_json: bool) -> None:
    """Show the fleet at a glance: jobs, rate, fill, lag and workers.

    Fill is ids per call: calls are what is scarce, and a call carries up to 100 ids. Lag is from the moment AWS stopped
    a job to its detection, over the last 2,000 transitions, with --all over the last 500 of each fleet.
    """
    if every:
        heard = list(ask_each(asked.fleets(), glance))
        show_all(heard, as_json=as_json)
        ctx.exit(exit_code(heard))
    with open_fleet(asked.settings()) as fleet:
        seen = fleet.status()
    if as_json:
        emit(seen.public())
    else:
        console().print(overview(seen))


def overview(seen: FleetStatus) -> Table:
    """The status as names and values, one pair a line."""
    rows: list[tuple[str, str | Text]] = [
        ("fleet", seen.fleet),
        *verdict(seen.health),
        ("jobs", f"{seen.tracked:,} tracked, {seen.live:,} live"),
        *((f"  {status.value}", in_colour(status, f"{count:,}")) for status, count in seen.jobs.items()),
        *arrays(seen.broods),
        ("rate", rate(seen.bucket)),
        ("calls", calls(seen.totals)),
        ("fill", f"{seen.totals.fill:.1f} ids a call" if seen.totals.fill is not None else "-"),
        ("lag", lag(seen.lag)),
        ("workers", workers(seen)),
        *(("trouble", Text(trouble_of(trouble, seen), style="red")) for trouble in seen.troubles),
    ]
    if seen.order is not None:
        rows.append(("order", f"{seen.order.kind.value} (fleetpoll fleet resume takes it back)"))
    return facts(rows)


def verdict(found: Health) -> list[tuple[str, str | Text]]:
    """How the fleet is, and what to do."""
    rows: list[tuple[str, str | Text]] = [("health", Text(fill(safe(found.words), COLUMNS), style=HEALTH[found.level]))]
    return [*rows, ("", fill(f"-> {safe(found.advice)}", COLUMNS, subsequent_indent="   "))] if found.advice else rows


def arrays(broods: BroodSizes) -> list[tuple[str, str]]:
    """The arrays whose children are followed, if there are any."""
    if not broods.arrays:
        return []
    return [("arrays", f"{broods.arrays:,} followed, {broods.children:,} children asleep until some have ended")]


def in_colour(status: JobStatus, text: str) -> Text:
    """Text in the colour of a status."""
    return Text(text, style=COLOURS.get(status.value, ""))


def rate(bucket: BucketView) -> str:
    """The DescribeJobs bucket in words."""
    if bucket.paused:
        return "paused (fleetpoll budget resume ends it)"
    pinned = " (pinned)" if bucket.pinned is not None else ""
    met = "" if bucket.limit is None else f", AWS's limit last met at {bucket.limit:.4g}"
    return f"{bucket.granted:.4g} calls/s granted{pinned}, {bucket.configured:g} configured, burst {bucket.burst:.4g}{met}"


def calls(totals: Totals) -> str:
    """All calls since the fleet began."""
    share = totals.throttled / totals.calls if totals.calls else 0.0
    kinds = ", ".join(f"{count:,} {safe(kind)}" for kind, count in totals.failures.items())
    made = f"{totals.calls:,} made, {totals.throttled:,} throttled ({share:.2%}), {totals.failed:,} failed"
    return f"{made} ({kinds})" if kinds else made


def trouble_of(trouble: SharedTrouble, seen: FleetStatus) -> str:
    """Who is in trouble with AWS, since when, what AWS says, and what to do."""
    who = f"{trouble.workers:,} of {plural(max(trouble.workers, len(seen.workers)), 'worker')} on {', '.join(trouble.hosts)}"
    lasting = span(max(0, seen.now_ms - trouble.since_ms) / 1000)
    return safe(f"{trouble.kind}: {who}, for {lasting}. {trouble.words.rstrip('.')}. {trouble.advice}")


def lag(seen: Lag) -> str:
    """The lag of completions."""
    if seen.mean_s is None:
        return "-"
    return f"{span(seen.mean_s)} mean, {span(seen.p50_s)} median, {span(seen.p99_s)} p99"


def workers(seen: FleetStatus) -> str:
    """Who is alive."""
    alive, silent = len(seen.alive), len(seen.workers) - len(seen.alive)
    if not seen.workers:
        return "none (start some with fleetpoll worker)"
    hosts = len({beat.facts.host for beat in seen.alive})
    return f"{alive:,} alive on {plural(hosts, 'host')}" + (f", {silent:,} silent" if silent else "")

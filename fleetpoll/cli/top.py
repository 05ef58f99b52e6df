"""`fleetpoll top`: a fleet in the terminal, live."""

from __future__ import annotations

import sys

import click

from fleetpoll.cli.later import load_extra
from fleetpoll.cli.options import Asked, pass_asked
from fleetpoll.errors import SettingsError

EPILOG = """\b
Keys: q quit, p hold the picture, 1-4 or Tab turn to a tab, / filter by id, name
or status, f next fleet of the file, b pause the budget, d drain, ? help.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
@pass_asked
def top(asked: Asked, interval: float) -> None:
    """Watch a fleet in the terminal: health, jobs, allowance, lag, workers and transitions, live.

    It reads, some twenty Redis commands a look however many jobs there are; what steers the fleet is asked about first.
    While Redis is away it says so, and goes on by itself. Needs pip install 'fleetpoll[top]'.
    """
    fleets = asked.fleets()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SettingsError("fleetpoll top needs a terminal; for pipes and scripts there is fleetpoll status --json.")
    load_extra("fleetpoll.top.app:Top", "top")(fleets, interval).run()

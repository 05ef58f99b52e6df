"""`fleetpoll demo`: everything in one command, with nothing left behind."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from fleetpoll.cli import exits
from fleetpoll.cli.demo_report import Outcome, comparison, outcome_of, report
from fleetpoll.cli.demo_stage import Script, Stage, staged
from fleetpoll.cli.options import Asked, pass_asked
from fleetpoll.cli.render import plural, say, span
from fleetpoll.cli.simulate import life_option
from fleetpoll.cli.status import overview
from fleetpoll.cli.tables import console
from fleetpoll.errors import FleetpollError
from fleetpoll.text import safe_lines
from workers.stopping import Stopping

if TYPE_CHECKING:
    from fleetpoll.client.status import FleetStatus

BOOT_S = 30.0
SPARE_S = 60.0
"""How much longer than the longest job the play may take."""
LOOK_S = 0.25
LINE_EVERY_S = 5.0

View = Callable[["FleetStatus"], None]


@click.command()
@click.option("--jobs", type=click.IntRange(1, 100_000), default=3000, show_default=True, metavar="N", help="Jobs.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N", help="Worker processes.")
@life_option("How long jobs live, in seconds.  [default: 5:45]")
@click.option(
    "--limit",
    type=click.FloatRange(min=0.5),
    default=20.0,
    show_default=True,
    metavar="RATE",
    help="DescribeJobs calls a second that the pretend AWS grants.",
)
@click.pass_context
@pass_asked
def demo(asked: Asked, ctx: click.Context, jobs: int, workers: int, life: tuple[float, float] | None, limit: float) -> None:
    """Show the whole thing at work on this machine, in under two minutes.

    Starts a private Redis server, a pretend AWS Batch and real workers, lets them watch jobs until all have ended, and
    compares what the API saw with what the fleet says. Nothing is left behind, and no AWS account is touched.
    """
    script = Script(jobs, workers, life or (5.0, 45.0), limit)
    redis_server = asked.fleets()[0].redis_server
    stopping = Stopping()
    stopping.on(signal.SIGINT, signal.SIGTERM)
    say(
        f"{plural(jobs, 'job')} of {script.life_s[0]:g} to {script.life_s[1]:g} s, {plural(workers, 'worker')}, "
        f"a pretend AWS Batch that grants {limit:g} DescribeJobs calls a second."
    )
    try:
        with staged(script, redis_server) as stage:
            outcome = play(stage, script, stopping)
    except (FleetpollError, OSError):
        if not stopping.drain:
            raise
        outcome = None  # Ctrl-C reaches the simulator, too
    if outcome is None:
        say("Interrupted; everything is taken down.")
        ctx.exit(exits.INTERRUPTED)
    console().print(report(outcome))
    click.echo(comparison(outcome))
    ctx.exit(exits.OK if outcome.good else exits.SOME_FAILED)


def play(stage: Stage, script: Script, stopping: Stopping) -> Outcome | None:
    """Let the jobs live and the fleet watch them. None if we were told to stop."""
    try:
        if not until(stage, stopping, BOOT_S, lambda: len(stage.fleet.alive()) >= script.workers):
            return None
        ids = stage.simulator.populate(script.jobs)
        stage.simulator.reset_stats()
        stage.fleet.track(ids)
        with live_view() if sys.stderr.isatty() else plain_view() as view:
            if not until(stage, stopping, script.life_s[1] + SPARE_S, lambda: shown(stage, view).live == 0):
                return None
        return outcome_of(stage, script, ids)
    except FleetpollError:
        if not stopping.drain:
            say(f"The end of the workers' log:\n{safe_lines(stage.last_words())}")
        raise


def until(stage: Stage, stopping: Stopping, timeout_s: float, reached: Callable[[], bool]) -> bool:
    """Wait for a moment; False if we were told to stop before it came."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        if stopping.drain:
            return False
        if stage.worker.poll() is not None:
            raise FleetpollError(f"The workers ended by themselves, with exit code {stage.worker.returncode}.")
        if time.monotonic() > deadline:
            raise FleetpollError(f"The demo did not get on for {timeout_s:g} s.")
        time.sleep(LOOK_S)
    return True


def shown(stage: Stage, view: View) -> FleetStatus:
    """The status, after the viewer has seen it."""
    seen = stage.fleet.status()
    view(seen)
    return seen


@contextmanager
def live_view() -> Iterator[View]:
    """The status on a terminal, drawn anew in place."""
    started_at = time.monotonic()
    with Live(console=console(err=True), auto_refresh=False, transient=True) as live:

        def draw(seen: FleetStatus) -> None:
            title = Text(f"fleetpoll demo, {time.monotonic() - started_at:.0f} s", style="bold")
            live.update(Group(title, overview(seen)), refresh=True)

        yield draw


@contextmanager
def plain_view() -> Iterator[View]:
    """The status as a line every few seconds."""
    started_at, next_line = time.monotonic(), 0.0

    def write(seen: FleetStatus) -> None:
        nonlocal next_line
        passed_s = time.monotonic() - started_at
        if passed_s < next_line:
            return
        next_line = passed_s + LINE_EVERY_S
        jobs = ", ".join(f"{count:,} {status}" for status, count in seen.jobs.items())
        fill = f"{seen.totals.fill:.1f}" if seen.totals.fill is not None else "-"
        say(
            f"{passed_s:4.0f} s: {jobs}; {seen.totals.calls:,} calls, {seen.totals.throttled:,} throttled,"
            f" fill {fill}, lag {span(seen.lag.mean_s)}"
        )

    yield write

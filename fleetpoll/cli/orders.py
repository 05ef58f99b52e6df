"""`fleetpoll fleet`: the workers, and orders to them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from fleetpoll.cli.every import exit_code, say_of, tell
from fleetpoll.cli.options import Asked, as_json, every_fleet, pass_asked
from fleetpoll.cli.render import age, emit, say
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.client.many import Heard, ask_each
from fleetpoll.client.status import FleetStatus, public_beat
from fleetpoll.state.roster import OrderKind
from fleetpoll.text import safe


@click.group()
def fleet() -> None:
    """See the workers and give them orders.

    Orders ride back on the workers' beats, and idle workers are woken for them.
    """


@fleet.command()
@every_fleet
@as_json
@click.pass_context
@pass_asked
def workers(asked: Asked, ctx: click.Context, *, every: bool, as_json: bool) -> None:
    """List the workers on the roster. One that serves several fleets is on the roster of each."""
    if every:
        heard = list(ask_each(asked.fleets(), Fleet.status))
    else:
        with open_fleet(asked.settings()) as opened:
            heard = [Heard(opened.settings, opened.status())]
    for one in heard:
        if one.answer is None:
            say_of(one, as_json=as_json)
    answers = [one.answer for one in heard if one.answer is not None]
    if as_json:
        for seen in answers:
            show_objects(seen, {"fleet": seen.fleet} if every else {})
    elif any(seen.workers for seen in answers):
        show_table(answers, named=every)
    elif answers:
        say("No workers are on the roster; fleetpoll worker starts some.")
    ctx.exit(exit_code(heard))


def show_objects(seen: FleetStatus, whose: dict[str, str]) -> None:
    """The workers of a fleet for programs."""
    alive = {beat.worker_id for beat in seen.alive}
    for beat in seen.workers:
        emit(whose | public_beat(beat) | {"alive": beat.worker_id in alive})


def show_table(fleets: Sequence[FleetStatus], *, named: bool) -> None:
    """The workers of some fleets for people, with the fleets' names if need be."""
    rows = table()
    for name in ("FLEET", "HOST") if named else ("HOST",):
        rows.add_column(name, overflow="fold")
    for name in ("PID", "UP", "LAST BEAT", "CALLS"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("VERSION", no_wrap=True)
    rows.add_column("DOING", no_wrap=True)
    for seen in fleets:
        alive = {beat.worker_id for beat in seen.alive}
        behind_ms = round(time.time() * 1000) - seen.now_ms  # the beats are on the clock of Redis
        for beat in seen.workers:
            facts = beat.facts
            whose = [safe(seen.fleet)] if named else []
            times = (age(facts.started_ms + behind_ms), age(beat.beat_ms + behind_ms))
            doing = safe(facts.doing) if beat.worker_id in alive else "silent"
            rows.add_row(*whose, safe(facts.host), str(facts.pid), *times, f"{facts.calls:,}", safe(facts.version), doing)
    console().print(rows)


@fleet.command()
@every_fleet
@click.pass_context
@pass_asked
def drain(asked: Asked, ctx: click.Context, *, every: bool) -> None:
    """Tell all workers to finish their lease and claim nothing more, but to stay."""
    words = "All workers are told to drain; fleetpoll fleet resume takes it back."
    tell(asked, ctx, lambda opened: opened.order(OrderKind.DRAIN), words, every=every)


@fleet.command()
@every_fleet
@click.pass_context
@pass_asked
def resume(asked: Asked, ctx: click.Context, *, every: bool) -> None:
    """Take the standing order back: workers that drained go on."""
    tell(asked, ctx, lambda opened: opened.order(None), "No order stands; workers work.", every=every)


@fleet.command()
@every_fleet
@click.pass_context
@pass_asked
def stop(asked: Asked, ctx: click.Context, *, every: bool) -> None:
    """Tell all workers that run now to finish their lease and leave.

    Workers that are started later work. Those that serve several fleets leave when all of these are stopped.
    """
    tell(asked, ctx, lambda opened: opened.order(OrderKind.STOP), "All workers that run now are told to leave.", every=every)

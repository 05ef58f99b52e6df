"""`fleetpoll fleet`: the workers, and orders to them."""

from __future__ import annotations

import time

import click

from fleetpoll.cli.options import Asked, as_json, pass_asked
from fleetpoll.cli.render import age, emit, say
from fleetpoll.cli.tables import console, table
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.status import public_beat
from fleetpoll.state.roster import OrderKind
from fleetpoll.text import safe


@click.group()
def fleet() -> None:
    """See the workers and give them orders.

    Orders ride back on the workers' beats, and idle workers are woken for them.
    """


@fleet.command()
@as_json
@pass_asked
def workers(asked: Asked, *, as_json: bool) -> None:
    """List the workers on the roster."""
    with open_fleet(asked.settings()) as opened:
        seen = opened.status()
    alive = {beat.worker_id for beat in seen.alive}
    if as_json:
        for beat in seen.workers:
            emit(public_beat(beat) | {"alive": beat.worker_id in alive})
        return
    if not seen.workers:
        say("No workers are on the roster; fleetpoll worker starts some.")
        return
    rows = table()
    rows.add_column("HOST", overflow="fold")
    for name in ("PID", "UP", "LAST BEAT", "CALLS"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("VERSION", no_wrap=True)
    rows.add_column("", no_wrap=True)
    behind_ms = round(time.time() * 1000) - seen.now_ms  # the beats are on the clock of Redis
    for beat in seen.workers:
        facts = beat.facts
        times = (age(facts.started_ms + behind_ms), age(beat.beat_ms + behind_ms))
        silent = "" if beat.worker_id in alive else "silent"
        rows.add_row(safe(facts.host), str(facts.pid), *times, f"{facts.calls:,}", safe(facts.version), silent)
    console().print(rows)


@fleet.command()
@pass_asked
def drain(asked: Asked) -> None:
    """Tell all workers to finish their lease and claim nothing more, but to stay."""
    with open_fleet(asked.settings()) as opened:
        opened.order(OrderKind.DRAIN)
    click.echo("All workers are told to drain; fleetpoll fleet resume takes it back.")


@fleet.command()
@pass_asked
def resume(asked: Asked) -> None:
    """Take the standing order back: workers that drained go on."""
    with open_fleet(asked.settings()) as opened:
        opened.order(None)
    click.echo("No order stands; workers work.")


@fleet.command()
@pass_asked
def stop(asked: Asked) -> None:
    """Tell all workers that run now to finish their lease and leave.

    Workers that are started later work.
    """
    with open_fleet(asked.settings()) as opened:
        opened.order(OrderKind.STOP)
    click.echo("All workers that run now are told to leave.")

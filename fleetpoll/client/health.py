"""How a fleet is, in one sentence, and what to do: the judgement that status, `top` and the dashboard share.

Pure: what is judged is passed in, so that every case can be told in a table. The worst that is found is what is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fleetpoll.state.roster import OrderKind
from fleetpoll.text import plural, span

if TYPE_CHECKING:
    from fleetpoll.client.status import FleetStatus
    from fleetpoll.figures import Point

IDS_PER_CALL = 100
FRESHNESS_S = 5.0
"""The freshness of a fleet whose settings are not known."""
THROTTLED_SHARE = 0.02
"""Throttled calls from this share on are more than the search for AWS's limit costs."""
FEW_CALLS_PER_S = 0.05
"""Below it a share of throttled calls says nothing."""
LATE_TIMES = 4.0
"""An end that is noticed later than so many sweeps, or times the freshness, is late: the design's p99 is 2.4 bounds."""


class Level(StrEnum):
    """How much attention a fleet needs."""

    GOOD = "good"
    IDLE = "idle"  # all is well, and there is nothing to do
    WARN = "warn"
    BAD = "bad"  # jobs are not watched


URGENCY = (Level.GOOD, Level.IDLE, Level.WARN, Level.BAD)


@dataclass(frozen=True, slots=True)
class Health:
    """How a fleet is: a sentence for a person who has just been woken, and another with what to do ('' : nothing)."""

    level: Level
    words: str
    advice: str = ""

    def public(self) -> dict[str, str]:
        """The form that users read."""
        return {"level": self.level.value, "words": self.words, "advice": self.advice}


def health(status: FleetStatus, recent: Point | None = None, freshness_s: float = FRESHNESS_S) -> Health:
    """How a fleet is; with what `recent`ly happened also whether AWS throttles it, and whether it notices ends late."""
    found = [*of_nobody(status), *of_aws(status), *of_orders(status), *of_pins(status, freshness_s), *of_silence(status)]
    if recent is not None:
        found += [*of_throttles(recent), *of_lags(status, recent, freshness_s)]
    return max(found, key=lambda one: URGENCY.index(one.level), default=of_work(status, freshness_s))


def away(words: str) -> Health:
    """The health of a fleet whose Redis does not answer."""
    return Health(Level.BAD, words, "No call is made without it; the workers go on by themselves when it is back.")


def of_nobody(status: FleetStatus) -> Iterator[Health]:
    """Jobs that nobody watches."""
    if status.live and not status.alive:
        silent = f"; {plural(len(status.workers), 'worker')} fell silent" if status.workers else ""
        words = f"No worker is alive: nobody watches {plural(status.live, 'live job')}{silent}."
        yield Health(
            Level.BAD,
            words,
            "Start workers: fleetpoll worker. If they run, fleetpoll doctor and their logs say why they are not heard.",
        )


def of_aws(status: FleetStatus) -> Iterator[Health]:
    """Workers whom AWS fails."""
    nobody_left = sum(trouble.workers for trouble in status.troubles) >= len(status.alive)
    for trouble in status.troubles:
        everybody = trouble.workers >= len(status.alive)
        who = "all workers" if everybody else f"{trouble.workers} of {plural(len(status.alive), 'worker')}"
        what = "AWS denies access to" if trouble.kind == "denied" else f"AWS fails ({trouble.kind})"
        words = f"{what} {who}: {trouble.words.rstrip('.')}."
        yield Health(Level.BAD if nobody_left else Level.WARN, words, trouble.advice or "fleetpoll doctor says more.")


def of_orders(status: FleetStatus) -> Iterator[Health]:
    """What operators have stopped."""
    live = plural(status.live, "live job")
    if status.bucket.paused:
        words = f"The budget is paused: no calls are made for {live}."
        yield Health(Level.WARN, words, "fleetpoll budget resume ends it.")
    if status.order is not None and status.alive:
        kind = "drained" if status.order.kind is OrderKind.DRAIN else "stopped"
        words = f"The fleet is being {kind}: workers take no new work for {live}."
        yield Health(Level.WARN, words, "fleetpoll fleet resume takes the order back.")


def of_pins(status: FleetStatus, freshness_s: float) -> Iterator[Health]:
    """A rate that somebody has pinned, and forgotten there, too low for what there is to do."""
    sweep_s = sweep_of(status)
    if status.bucket.pinned is not None and not status.bucket.paused and sweep_s > LATE_TIMES * freshness_s:
        looks = f"a look at each of {plural(status.live, 'live job')} takes {span(sweep_s)}"
        words = f"The rate is pinned to {status.bucket.pinned:g} calls a second: {looks}."
        yield Health(Level.WARN, words, "fleetpoll budget set --unpin lets it find AWS's limit by itself.")


def of_silence(status: FleetStatus) -> Iterator[Health]:
    """Workers that were there and beat no more, while others do."""
    silent = len(status.workers) - len(status.alive)
    if silent and status.alive:
        hosts = sorted({beat.facts.host for beat in status.workers if beat not in status.alive})
        words = f"{silent} of {plural(len(status.workers), 'worker')} fell silent, on {', '.join(hosts[:3])}."
        advice = "Others have their jobs. If they should run, see their logs and that host."
        yield Health(Level.WARN, words, advice)


def of_throttles(recent: Point) -> Iterator[Health]:
    """An allowance that somebody else spends from."""
    if recent.throttled_per_s > max(FEW_CALLS_PER_S, THROTTLED_SHARE * recent.calls_per_s):
        share = recent.throttled_per_s / recent.calls_per_s if recent.calls_per_s else 1.0
        left = f"{recent.granted:.3g} of {recent.configured:g} a second are left"
        words = f"AWS throttles {min(share, 1.0):.0%} of the calls; {left}."
        advice = "Others in this account and Region call AWS, or `rate` is above its limit: fleetpoll doctor tells which."
        yield Health(Level.WARN, words, advice)


def of_lags(status: FleetStatus, recent: Point, freshness_s: float) -> Iterator[Health]:
    """Ends that are noticed later than the allowance makes necessary, or than anybody wants."""
    sweep_s = sweep_of(status)
    if recent.lag_p50_s is not None and recent.lag_p50_s > LATE_TIMES * max(sweep_s, freshness_s):
        words = f"Ends are noticed late: half of them after more than {span(recent.lag_p50_s)}."
        advice = (
            f"A look at each live job takes {span(sweep_s)}. More workers or a higher rate? fleetpoll doctor tells which."
        )
        yield Health(Level.WARN, words, advice)


def of_work(status: FleetStatus, freshness_s: float) -> Health:
    """A fleet with which nothing is wrong."""
    workers = plural(len(status.alive), "worker")
    if not status.live:
        if not status.alive:
            return Health(
                Level.IDLE, "No live jobs, and no workers.", "Start some: fleetpoll worker; then fleetpoll track ID."
            )
        return Health(Level.IDLE, f"No live jobs: {workers} ready.", "fleetpoll track ID gives them some.")
    watch = "watches" if len(status.alive) == 1 else "watch"
    pinned = "" if status.bucket.pinned is None else f", pinned to {status.bucket.pinned:g} calls a second"
    rhythm = f"each about every {span(max(sweep_of(status), freshness_s))}"
    return Health(Level.GOOD, f"All is well: {workers} {watch} {plural(status.live, 'live job')}, {rhythm}{pinned}.")


def sweep_of(status: FleetStatus) -> float:
    """How long the granted rate needs for one look at each live job, in seconds."""
    return status.live / (IDS_PER_CALL * status.bucket.granted) if status.bucket.granted > 0 else 0.0

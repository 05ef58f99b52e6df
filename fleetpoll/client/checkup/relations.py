"""Settings beside each other, and beside what the fleet has to do: whether each is good for what the others want."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fleetpoll.client.checkup.finding import Finding, Grade, graded
from fleetpoll.client.status import FleetStatus
from fleetpoll.forecast.estimate import even_rate, sweep_s
from fleetpoll.settings import Settings
from fleetpoll.text import plural, span

CALL_S = 0.08
"""How long AWS takes to answer where nobody has measured it (see forecast)."""
STALE_TIMES = 4.0
"""A sweep that takes so many times the freshness is another fleet than the settings speak of."""
LONG_VOID_S = 300.0
"""A dead worker's jobs wait for `visibility`."""
SHORT_KEPT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the settings are held against: live jobs, workers, and how long AWS takes to answer."""

    live: int
    finished: int
    workers: int
    granted: float
    call_s: float = CALL_S

    @classmethod
    def of(cls, seen: FleetStatus, call_s: float | None = None) -> Load:
        """The load of a fleet as it was seen."""
        finished = max(0, seen.tracked - seen.live)
        return cls(seen.live, finished, len(seen.alive), seen.bucket.granted, call_s or CALL_S)


def check_relations(settings: Settings, load: Load) -> Iterator[Finding]:
    """All relations."""
    yield check_freshness(settings, load)
    yield from check_reach(settings, load)
    yield from check_burst(settings)
    yield from check_void(settings)
    yield check_kept(settings, load)


def check_freshness(settings: Settings, load: Load) -> Finding:
    """Whether the allowance affords the freshness for as many jobs as there are."""
    if not load.live or not load.granted:
        return Finding("freshness", Grade.OK, f"{settings.freshness:g} s, and no live job")
    sweep = sweep_s(load.live, load.granted)
    jobs = plural(load.live, "live job")
    found = (
        f"{jobs} at {load.granted:.4g} calls/s: a look at each takes {span(sweep)}, {settings.freshness:g} s is fresh enough"
    )
    needed = even_rate(load.live, settings.freshness / 2)
    advice = (
        f"An even sweep as fresh as that takes about {needed:.3g} calls/s. `fleetpoll plan --learnt` says what this fleet"
        f" needs: raise rate as far as AWS lets you, or freshness."
    )
    return graded("freshness", sweep > STALE_TIMES * settings.freshness, found, advice)


def check_reach(settings: Settings, load: Load) -> Iterator[Finding]:
    """Whether so many workers can make so many calls, with one in flight each. Nothing without workers."""
    if not load.workers:
        return
    reach = load.workers / load.call_s
    found = f"{plural(load.workers, 'worker')} can make {reach:.3g} calls/s, rate is {settings.rate:g}"
    needed = math.ceil(settings.rate * load.call_s)
    advice = f"Start more: {plural(needed, 'worker')} can use it, at {load.call_s * 1000:.0f} ms a call."
    yield graded("reach", reach < settings.rate, found, advice)


def check_burst(settings: Settings) -> Iterator[Finding]:
    """Whether calls that were not made may be made up for all at once. Nothing while burst is left to the fleet."""
    if settings.burst is not None:
        found = f"burst {settings.burst:g} beside rate {settings.rate:g}"
        advice = (
            "After a lull so many calls go out at once, and AWS may throttle them: leave burst out, or lower it to rate."
        )
        yield graded("burst", settings.burst > max(1.0, settings.rate), found, advice)


def check_void(settings: Settings) -> Iterator[Finding]:
    """How long a dead worker's jobs wait. Nothing while that is short."""
    if settings.visibility > LONG_VOID_S:
        call_s = settings.token_wait + settings.connect_timeout + settings.read_timeout + settings.margin
        found = f"visibility is {span(settings.visibility)}: so long nobody looks at the jobs of a worker that died"
        yield Finding(
            "visibility", Grade.WARN, found, f"Lower it; it must only be above {call_s:g} s, what a call may take."
        )


def check_kept(settings: Settings, load: Load) -> Finding:
    """How long finished jobs can be asked for, and how many those are."""
    found = f"finished jobs are kept for {span(settings.finished_kept)}: {load.finished:,} now"
    advice = "Who asks for a job after that is told that it is not tracked: raise finished_kept to an hour or more."
    return graded("kept", settings.finished_kept < SHORT_KEPT_S, found, advice)

"""What users feel: how late ends are noticed, and how old what is known of live jobs gets."""

from __future__ import annotations

from collections.abc import Iterator

from fleetpoll.client.checkup.finding import Finding, graded
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.health import LATE_TIMES, sweep_of
from fleetpoll.client.status import FleetStatus
from fleetpoll.figures import Point, point
from fleetpoll.settings import Settings
from fleetpoll.text import span

RECENT_MS = 600_000
ADVICE = "More workers, or a higher rate? See reach and freshness. After an outage this passes by itself."


def recent_of(fleet: Fleet, now_ms: int) -> Point | None:
    """What happened in the last ten minutes, by the samples that workers keep; None if they have none."""
    first = next(iter(fleet.history(now_ms - RECENT_MS)), None)
    now = fleet.sample()
    return None if first is None or first.at_ms >= now.at_ms else point(first, now)


def check_service(settings: Settings, seen: FleetStatus, recent: Point | None) -> Iterator[Finding]:
    """The lag of the last ends and the age of what is known, beside what the allowance makes necessary."""
    needful_s = max(sweep_of(seen), settings.freshness)
    if seen.lag.p50_s is not None:
        lags = f"{span(seen.lag.p50_s)} (median), {span(seen.lag.p99_s)} (p99)"
        found = f"ends are noticed after {lags}; a look at each job takes {span(needful_s)}"
        yield graded("lag", seen.lag.p50_s > LATE_TIMES * needful_s, found, ADVICE)
    if recent is not None and recent.age_p99_s is not None:
        due_s = max(needful_s, *settings.freshness_by_status.values(), 0.0)
        found = f"of 100 jobs 99 were looked at within {span(recent.age_p99_s)}, in the last ten minutes"
        yield graded("staleness", recent.age_p99_s > LATE_TIMES * due_s, found, ADVICE)

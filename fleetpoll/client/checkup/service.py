"""What users feel: how late ends are noticed, and how old what is known of live jobs gets."""

from __future__ import annotations

from collections.abc import Iterator

from fleetpoll.client.checkup.finding import Finding, graded
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.health import LATE_TIMES, sweep_of
from fleetpoll.client.status import FleetStatus
from fleetpoll.text import span


def check_service(fleet: Fleet, seen: FleetStatus) -> Iterator[Finding]:
    """The lag of the last ends, beside what the allowance makes necessary. Nothing where nobody ended."""
    if seen.lag.p50_s is None:
        return
    needful_s = max(sweep_of(seen), fleet.settings.freshness)
    lags = f"{span(seen.lag.p50_s)} (median), {span(seen.lag.p99_s)} (p99)"
    found = f"ends are noticed after {lags}; a sweep takes {span(needful_s)}"
    advice = "More workers, or a higher rate? See reach and freshness. After an outage this passes by itself."
    yield graded("lag", seen.lag.p50_s > LATE_TIMES * needful_s, found, advice)

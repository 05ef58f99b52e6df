"""Those who work: who is alive, which release they are, whether somebody holds them up, and whether they get anywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version

from fleetpoll.client.checkup.finding import Finding, Grade, graded
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import FleetStatus
from fleetpoll.figures import Figures
from fleetpoll.text import plural, safe

PROGRESS_S = (1.0, 4.0)
"""The shortest and the longest wait for a call of workers that have jobs to look at."""
CALLS_AWAITED = 2
POLL_S = 0.1
NAMED_MAX = 3
EXPIRED_SHARE, EXPIRED_MIN = 0.01, 5
"""Of leases, so many may end by themselves: workers are killed now and then."""


def check_workers(fleet: Fleet, seen: FleetStatus) -> Iterator[Finding]:
    """Who works, and whether somebody holds them up."""
    yield check_alive(seen)
    yield from check_releases(seen)
    order = fleet.order_standing()
    found = "no order stands" if order is None else f"they are told to {order.kind.value}"
    yield graded("order", order is not None, found, "fleetpoll fleet resume takes it back.")
    bucket = seen.bucket
    found = "paused" if bucket.paused else f"{bucket.granted:.4g} of {bucket.configured:g} calls/s granted"
    found += "" if bucket.pinned is None else ", pinned"
    overridden = bucket.paused or bucket.pinned is not None
    yield graded("budget", overridden, found, "fleetpoll budget resume, or budget set --unpin.")
    if order is None and seen.alive and not bucket.paused and not seen.troubles:
        yield from check_progress(fleet, seen)


def check_alive(seen: FleetStatus) -> Finding:
    """Who beats, and who fell silent."""
    alive = len(seen.alive)
    silent = [beat for beat in seen.workers if beat not in seen.alive]
    hosts = len({beat.facts.host for beat in seen.alive})
    if not alive:
        grade = Grade.FAIL if seen.live else Grade.WARN
        known = f", {len(silent)} silent" if silent else ""
        found = f"0 alive{known}" + (f": nobody watches {plural(seen.live, 'live job')}" if seen.live else "")
        return Finding("workers", grade, found, "Start some: fleetpoll worker.")
    found = f"{alive} alive on {plural(hosts, 'host')}"
    if not silent:
        return Finding("workers", Grade.OK, found)
    names = ", ".join(f"{safe(beat.facts.host)} (pid {beat.facts.pid})" for beat in silent[:NAMED_MAX])
    more = f" and {len(silent) - NAMED_MAX} more" if len(silent) > NAMED_MAX else ""
    advice = (
        "They died, hang, or are cut off from Redis: see their logs. Others have their jobs; in a while they are forgotten."
    )
    return Finding("workers", Grade.WARN, f"{found}, {len(silent)} silent: {names}{more}", advice)


def check_releases(seen: FleetStatus) -> Iterator[Finding]:
    """Whether all are of one release. Nothing without workers."""
    releases = Counter(beat.facts.version or "unknown" for beat in seen.alive)
    ours = version("fleetpoll")
    if len(releases) > 1:
        found = "they are of several releases: " + ", ".join(f"{safe(one)} ({n})" for one, n in sorted(releases.items()))
        advice = "That is meant to work while a release is rolled out: bring it to its end."
        yield Finding("releases", Grade.WARN, found, advice)
    elif releases and ours not in releases:
        found = f"they are {safe(next(iter(releases)))}, and this command is {ours}"
        yield Finding("releases", Grade.WARN, found, "Use the same release everywhere.")
    elif releases:
        yield Finding("releases", Grade.OK, f"all are {ours}")


def check_leases(figures: Figures) -> Iterator[Finding]:
    """Whether leases are closed before they end. Nothing before there were some."""
    if figures.leases:
        share = figures.expired / figures.leases
        found = f"{figures.expired:,} of {figures.leases:,} ran out before they were closed"
        advice = (
            "Their workers died, hung or lost Redis; the jobs were looked at again. Often? Raise visibility, see the logs."
        )
        yield graded("leases", share > EXPIRED_SHARE and figures.expired >= EXPIRED_MIN, found, advice)


def check_progress(fleet: Fleet, seen: FleetStatus) -> Iterator[Finding]:
    """Whether somebody calls while jobs are due. Nothing when none are, or calls are rarer than anybody would wait for."""
    shortest_s, longest_s = PROGRESS_S
    due = fleet.due()
    if not due or longest_s * seen.bucket.granted < CALLS_AWAITED:
        return
    patience_s = max(shortest_s, CALLS_AWAITED / seen.bucket.granted)
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if fleet.figures().totals.calls != seen.totals.calls:
            yield Finding("progress", Grade.OK, f"calls are made; {plural(due, 'job')} due")
            return
        time.sleep(POLL_S)
    if fleet.due() < due:
        return
    advice = "Are they stuck? See `fleetpoll fleet workers` and their logs; a supervisor replaces its own after stuck_after."
    found = f"{plural(due, 'job')} due, and no call within {patience_s:.0f} s"
    yield Finding("progress", Grade.WARN, found, advice)


def check_troubles(seen: FleetStatus) -> Iterator[Finding]:
    """What the workers say of AWS. Nothing while it works for them."""
    for trouble in seen.troubles:
        of_all = max(trouble.workers, len(seen.workers))
        grade = Grade.FAIL if trouble.workers == of_all else Grade.WARN
        found = f"{trouble.workers} of {of_all} workers ({', '.join(trouble.hosts)}): {trouble.kind}, {trouble.words}"
        yield Finding("aws", grade, found, trouble.advice)

"""The fleet at a glance, from what Redis knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from fleetpoll.client.health import FRESHNESS_S, Health, health
from fleetpoll.client.troubles import SharedTrouble, shared
from fleetpoll.figures import Figures, Point, Sample, Totals, point
from fleetpoll.jobs import JobStatus, seconds
from fleetpoll.state.allowance import BucketView
from fleetpoll.state.broods import BroodSizes
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.roster import Beat, Order, OrderKind

LATELY_MS, SHORT_MS = 60_000, 5_000
"""What the health is judged by: the last minute, if a worker has kept a sample of its beginning, or of some of it."""
RECENT = 2000
"""How many of the last transitions the lag is taken from."""
SILENT_BEATS = 3
"""A worker that missed this many beats is not counted as alive."""


@dataclass(frozen=True, slots=True)
class Lag:
    """From the moment AWS stopped a job to its detection, over recent completions; seconds, None without any."""

    mean_s: float | None
    p50_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The fleet at one moment."""

    fleet: str
    now_ms: int
    jobs: dict[JobStatus, int]
    live: int
    tracked: int
    broods: BroodSizes
    bucket: BucketView
    totals: Totals
    lag: Lag
    workers: list[Beat]
    troubles: list[SharedTrouble]
    order: Order | None
    lately: Point | None = None
    freshness_s: float = FRESHNESS_S

    @property
    def health(self) -> Health:
        """How the fleet is, in a sentence."""
        return health(self, self.lately, self.freshness_s)

    @property
    def alive(self) -> list[Beat]:
        """The workers that beat lately."""
        return alive(self.workers, self.now_ms)

    def public(self) -> dict[str, Any]:
        """The form that users read: rates in calls per second, lags in seconds, times in epoch seconds."""
        b, t = self.bucket, self.totals
        return {
            "fleet": self.fleet,
            "health": self.health.public(),
            "jobs": {status.value: count for status, count in self.jobs.items()},
            "live": self.live,
            "tracked": self.tracked,
            "arrays": {"followed": self.broods.arrays, "children_not_over": self.broods.children},
            "rate": {
                "configured": b.configured,
                "granted": b.granted,
                "limit": b.limit,
                "burst": b.burst,
                "pinned": b.pinned,
                "paused": b.paused,
            },
            "calls": {
                "total": t.calls,
                "throttled": t.throttled,
                "failed": t.failed,
                "failures": t.failures,
                "ids": t.ids,
            },
            "fill": t.fill,
            "lag": {"mean": self.lag.mean_s, "p50": self.lag.p50_s, "p99": self.lag.p99_s},
            "workers": [public_beat(beat) for beat in self.alive],
            "trouble": [trouble.public() for trouble in self.troubles],
            "order": self.order.kind.value if self.order else None,
        }


def alive(workers: list[Beat], now_ms: int) -> list[Beat]:
    """Those of the `workers` that did not miss too many beats by `now_ms` (Redis TIME)."""
    return [w for w in workers if now_ms - w.beat_ms <= w.facts.beat_s * SILENT_BEATS * 1000]


def public_beat(beat: Beat) -> dict[str, Any]:
    """One worker, as users read it."""
    facts = beat.facts
    return {
        "id": beat.worker_id,
        "host": facts.host,
        "pid": facts.pid,
        "started": seconds(facts.started_ms),
        "last_beat": seconds(beat.beat_ms),
        "calls": facts.calls,
        "version": facts.version,
        "doing": facts.doing,
    }


def status_of(rooms: Rooms, recent: int = RECENT, freshness_s: float = FRESHNESS_S) -> FleetStatus:
    """Read the status: a handful of commands, none of which grows with the number of jobs."""
    live, tracked = rooms.ledger.sizes()
    now_ms, workers, figures = rooms.roster.now_ms(), rooms.roster.workers(), rooms.ledger.figures()
    living, order = alive(workers, now_ms), rooms.roster.order()
    ids = {beat.worker_id for beat in living}  # one that died in trouble is in none
    seen = FleetStatus(
        fleet=rooms.keys.fleet,
        now_ms=now_ms,
        jobs=rooms.ledger.counts(),
        live=live,
        tracked=tracked,
        broods=rooms.broods.sizes(),
        bucket=rooms.buckets[DESCRIBE].view(),
        totals=figures.totals,
        lag=lag_of([t.lag_ms for t in rooms.events.recent(recent) if t.lag_ms is not None]),
        workers=workers,
        troubles=shared(one for one in rooms.troubles.all() if one.worker_id in ids),
        order=standing(order, living) if living else order,
        freshness_s=freshness_s,
    )
    return replace(seen, lately=lately(rooms, seen, figures))


def standing(order: Order | None, living: list[Beat]) -> Order | None:
    """An order, unless all it was meant for have obeyed: a stop is not for workers that were started after it."""
    if order is None or order.kind is OrderKind.DRAIN:
        return order
    return order if any(order.holds_for(beat.facts.started_ms) for beat in living) else None


def moment_of(status: FleetStatus, figures: Figures) -> Sample:
    """The sample that a status and the figures are together: what both have is not read twice."""
    bucket = status.bucket
    return Sample(
        at_ms=status.now_ms,
        figures=figures,
        jobs=status.jobs,
        live=status.live,
        workers=len(status.alive),
        granted=bucket.granted,
        configured=bucket.configured,
        tokens=bucket.tokens_ever,
    )


def lately(rooms: Rooms, status: FleetStatus, figures: Figures) -> Point | None:
    """What happened in the last minute; None if nobody has kept a sample of it, or too late to say much."""
    first = next(rooms.history.read(status.now_ms - LATELY_MS), None)
    known = first is not None and first.at_ms <= status.now_ms - SHORT_MS
    return point(first, moment_of(status, figures)) if first is not None and known else None


def lag_of(lags_ms: list[int]) -> Lag:
    """Mean, median and 99th percentile (nearest rank) of lags in ms."""
    if not lags_ms:
        return Lag(None, None, None)
    ordered = sorted(lags_ms)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 for share in (0.5, 0.99))
    return Lag(fmean(ordered) / 1000, p50, p99)

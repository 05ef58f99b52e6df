"""How a fleet is, in a sentence: a table of fleets and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetpoll.client.health import Level, away, health
from fleetpoll.client.status import FleetStatus, Lag
from fleetpoll.client.troubles import SharedTrouble
from fleetpoll.figures import Figures, Point, Sample, Totals, point
from fleetpoll.state.allowance import BucketView
from fleetpoll.state.broods import BroodSizes
from fleetpoll.state.roster import Beat, Facts, Order, OrderKind

NOW = 1_800_000_000_000
BUCKET = BucketView(10.0, 10.0, None, 2.5, pinned=None, paused=False, tokens_granted=0, throttles=0, cuts=0)
EXPIRED = SharedTrouble("denied", "ExpiredTokenException", "The token is expired.", 4, ["a"], NOW, NOW)
BROKEN = SharedTrouble("server", "", "An internal error", 1, ["a"], NOW, NOW)


def beat(number: int, ago_ms: int = 0) -> Beat:
    """A worker's last sign of life."""
    return Beat(f"w{number}", NOW - ago_ms, Facts(f"host-{number}", 1, NOW, 5.0))


def fleet(**differs: Any) -> FleetStatus:
    """A fleet of four workers and 12,000 live jobs with which nothing is wrong, but for what differs."""
    well = FleetStatus(
        fleet="prod",
        now_ms=NOW,
        jobs={},
        live=12_000,
        tracked=20_000,
        broods=BroodSizes(0, 0),
        bucket=BUCKET,
        totals=Totals(),
        lag=Lag(None, None, None),
        workers=[beat(number) for number in range(4)],
        troubles=[],
        order=None,
    )
    return replace(well, **differs)


def lately(**differs: Any) -> Point:
    """A quiet minute, but for what differs."""
    one = Sample(0, Figures(), {}, 0, 0, granted=4.0, configured=10.0, tokens=0)
    return replace(point(one, replace(one, at_ms=60_000)), **{"calls_per_s": 4.0} | differs)


CASES: list[tuple[dict[str, Any], dict[str, Any] | None, Level, str, str]] = [
    ({}, None, Level.GOOD, "4 workers watch 12,000 live jobs, each about every 12 s.", ""),
    ({"live": 1, "workers": [beat(1)]}, {}, Level.GOOD, "1 worker watches 1 live job, each about every 5.0 s.", ""),
    ({"bucket": replace(BUCKET, pinned=3.0)}, None, Level.GOOD, "pinned to 3 calls a second", ""),
    ({"live": 0}, {}, Level.IDLE, "No live jobs: 4 workers ready.", "fleetpoll track"),
    ({"live": 0, "workers": []}, None, Level.IDLE, "No live jobs, and no workers.", "fleetpoll worker"),
    ({"workers": []}, None, Level.BAD, "nobody watches 12,000 live jobs.", "fleetpoll worker"),
    ({"workers": [beat(1, 60_000)]}, None, Level.BAD, "1 worker fell silent", "their logs"),
    ({"troubles": [EXPIRED]}, None, Level.BAD, "AWS denies access to all workers: The token is expired.", "Renew"),
    ({"troubles": [BROKEN]}, None, Level.WARN, "AWS fails (server) 1 of 4 workers", "AWS Health"),
    ({"troubles": [BROKEN, replace(EXPIRED, workers=3)]}, None, Level.BAD, "1 of 4 workers", "AWS Health"),
    ({"bucket": replace(BUCKET, granted=0.01, pinned=0.01)}, None, Level.WARN, "pinned to 0.01 calls a second", "--unpin"),
    ({"bucket": replace(BUCKET, paused=True)}, None, Level.WARN, "The budget is paused", "fleetpoll budget resume"),
    ({"order": Order(OrderKind.DRAIN, NOW)}, None, Level.WARN, "is being drained", "fleetpoll fleet resume"),
    ({"order": Order(OrderKind.STOP, NOW), "live": 0, "workers": []}, None, Level.IDLE, "No live jobs", "worker"),
    ({"workers": [beat(1), beat(2, 60_000)]}, None, Level.WARN, "1 of 2 workers fell silent, on host-2.", "logs"),
    ({}, {"throttled_per_s": 1.0}, Level.WARN, "AWS throttles 25% of the calls; 4 of 10 a second are left.", "doctor"),
    ({}, {"throttled_per_s": 0.01}, Level.GOOD, "All is well", ""),
    ({}, {"lag_p50_s": 47.0}, Level.GOOD, "All is well", ""),
    ({}, {"lag_p50_s": 49.0}, Level.WARN, "noticed late: half of them after more than 49 s.", "rate"),
    ({"troubles": [EXPIRED]}, {"lag_p50_s": 490.0}, Level.BAD, "AWS denies", "Renew"),
]


@pytest.mark.parametrize(("differs", "recent", "level", "words", "advice"), CASES)
def test_the_worst_is_what_is_said(
    differs: dict[str, Any], recent: dict[str, Any] | None, level: Level, words: str, advice: str
) -> None:
    """A level, a sentence for a person who has just been woken, and what to do, if anything."""
    found = health(fleet(**differs), None if recent is None else lately(**recent))

    assert (found.level, found.words.count(words)) == (level, 1), found
    assert advice in found.advice
    assert bool(found.advice) is (level is not Level.GOOD)
    assert found.words.endswith(".")


def test_health_is_part_of_the_public_status() -> None:
    """Programs read it by the same words."""
    assert fleet(live=0).public()["health"] == {
        "level": "idle",
        "words": "No live jobs: 4 workers ready.",
        "advice": "fleetpoll track ID gives them some.",
    }


def test_a_redis_that_is_away_is_bad() -> None:
    """Whoever reads it learns that nothing is lost by it."""
    assert away("Redis does not answer.").level is Level.BAD

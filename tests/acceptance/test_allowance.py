"""The allowance of a whole fleet: an operator's hand on it, and a limit that nobody knows. The API side is the witness."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, rig, wait_until
from benchmarks.scenarios.cases import Case, Phase
from benchmarks.scenarios.measuring import measure
from fleetpoll.forecast.estimate import Question, forecast
from fleetpoll.forecast.fleet import Habits
from fleetpoll.forecast.lives import Lives
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import DESCRIBE

SOON_MS = 2_000
"""An operator's word is read twice a second; the rest is for a machine that is busy."""
QUIET_MS = 2_500


@pytest.fixture
def fleet() -> Iterator[Rig]:
    """A busy fleet: more jobs than it may look at, four workers that wait for tokens most of the time."""
    settings = Settings(rate=5, rate_start=5, workers=4, freshness=0.5, log_format="json")
    with rig(settings, limited(100, life_min_s=600, life_max_s=900)) as fleet, fleet.workers():
        fleet.await_pollers(4)
        fleet.submit(2_000, spread_s=600)
        wait_until(lambda: describe(fleet)["calls"] > 8, 20, "calls")
        yield fleet


def describe(fleet: Rig) -> dict[str, Any]:
    """What the API's side saw of DescribeJobs."""
    figures: dict[str, Any] = fleet.simulator.stats()["operations"]["describe"]
    return figures


def now_ms() -> int:
    """The simulator's clock and ours are the same machine's."""
    return time.time_ns() // 1_000_000


def test_a_pause_holds_the_whole_fleet_at_once(fleet: Rig) -> None:
    """Workers that wait for their tokens give them back; after the pause they go on as soon."""
    bucket = fleet.rooms.buckets[DESCRIBE]
    bucket.pause(True)
    paused_ms = now_ms()
    wait_until(lambda: now_ms() - max(paused_ms, describe(fleet)["last_call_ms"]) > QUIET_MS, 20, "silence")
    last_ms = describe(fleet)["last_call_ms"]

    fleet.simulator.reset_stats()
    bucket.pause(False)
    resumed_ms = now_ms()
    wait_until(lambda: describe(fleet)["calls"] > 0, 10, "a call")

    assert last_ms - paused_ms <= SOON_MS
    assert describe(fleet)["first_call_ms"] - resumed_ms <= SOON_MS


def test_a_pinned_rate_is_the_whole_fleet_s_at_once(fleet: Rig) -> None:
    """Pinned to 20 from 5 calls/s, calls come at 20/s a second later, though all had booked at 5."""
    bucket = fleet.rooms.buckets[DESCRIBE]
    bucket.pin(20)
    fleet.simulator.reset_stats()
    wait_until(lambda: len(describe(fleet)["timeline"]["accepted"]) > 4, 20, "four seconds")
    faster = describe(fleet)["timeline"]["accepted"]
    bucket.pin(2)
    fleet.simulator.reset_stats()
    wait_until(lambda: len(describe(fleet)["timeline"]["accepted"]) > 5, 20, "five seconds")
    slower = describe(fleet)["timeline"]["accepted"]

    assert sum(faster[1:4]) >= 0.8 * 3 * 20
    assert all(calls <= 20 * 1.25 + 1 for calls in faster[1:4])  # the rate, and what may pile up
    assert all(calls <= 3 for calls in slower[1:5])


@pytest.mark.soak
@pytest.mark.timeout(420)
def test_a_limit_that_nobody_knows_is_found_followed_and_used() -> None:
    """Told 100 calls/s and allowed 20: used in full, hardly throttled; halved and given back: followed in half a minute."""
    settings = Settings(rate=100, workers=4, freshness=0.5, log_format="json")
    with rig(settings, limited(20, 20, life_min_s=3_000, life_max_s=6_000, latency_ms=20)) as fleet, fleet.workers():
        fleet.await_pollers(4)
        fleet.submit(5_000, spread_s=3_000)
        seconds(fleet, 60)
        steady = seconds(fleet, 120)
        fleet.simulator.limit("describe", 10, 20)
        halved = seconds(fleet, 60)
        fleet.simulator.limit("describe", 20, 20)
        back = seconds(fleet, 40)

    assert sum(steady["accepted"]) / len(steady["accepted"]) >= 0.97 * 20
    assert share(steady, 0, 120) <= 0.005
    assert share(halved, 20, 60) <= 0.01
    assert sum(back["accepted"][30:35]) >= 0.9 * 5 * 20


def seconds(fleet: Rig, count: int) -> dict[str, list[int]]:
    """What the API's side answers in each of so many whole seconds from now."""
    fleet.simulator.reset_stats()
    wait_until(lambda: len(describe(fleet)["timeline"]["accepted"]) > count, count + 20, f"{count} seconds")
    timeline = describe(fleet)["timeline"]
    return {kind: timeline[kind][:count] for kind in ("accepted", "throttled")}


def share(timeline: dict[str, list[int]], from_s: int, to_s: int) -> float:
    """The throttled share of the calls of a span."""
    throttled, accepted = (sum(timeline[kind][from_s:to_s]) for kind in ("throttled", "accepted"))
    return throttled / (throttled + accepted)


@pytest.mark.soak
@pytest.mark.timeout(360)
def test_a_plan_is_what_a_fleet_then_does() -> None:
    """Of 4,000 jobs at 8 calls/s calls and mean lag are within 20 % of what `fleetpoll plan` says, and p99 within a third.

    The plan is of a fleet that knows its jobs: this one has to learn them first, and a thousand ends make a rough p99.
    """
    case = Case(
        name="as planned",
        contenders=("fleetpoll",),
        phases=(Phase("warm", 100), Phase("steady", 120)),
        live=4_000,
        limit=8,
        rate=8,
        life_s=(200, 600),
    )
    seen = measure(case, "fleetpoll", 1)["phases"]["steady"]["figures"]
    planned = forecast(Question(case.live, case.rate, Habits(case.freshness, case.processes, Lives(*case.life_s))))

    assert seen["accepted_per_s"] == pytest.approx(planned.calls_per_s, rel=0.2)
    assert seen["lag_noticed_s"] == pytest.approx(planned.lag_mean_s, rel=0.2)
    assert seen["lag_p99_s"] == pytest.approx(planned.lag_p99_s, rel=1 / 3)

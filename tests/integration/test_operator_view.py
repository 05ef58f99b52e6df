"""What an operator is told when calls are short: by the status that status, top and dashboard share, and by the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from fleetpoll.client.checkup import aws as of_aws
from fleetpoll.client.checkup.aws import check_call
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.workers import check_progress
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.health import Level
from fleetpoll.client.sampling import sample_of
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.roster import Facts, OrderKind
from tests.ids import make_ids


@pytest.fixture(scope="module")
def aws() -> Iterator[Simulator]:
    """One pretend AWS for these tests."""
    with Simulator() as one:
        yield one


def fleet_at(aws: Simulator, rooms: Rooms, settings: Settings) -> Fleet:
    """A fleet whose calls go to the pretend AWS."""
    return Fleet(rooms, msgspec.structs.replace(settings, endpoint_url=aws.url))


def watched(rooms: Rooms, count: int = 300) -> None:
    """Jobs, and a worker that beats."""
    rooms.schedule.track(make_ids(count))
    now_ms = rooms.roster.now_ms()
    rooms.roster.beat("w", Facts("here", 1, now_ms, 5.0))


def test_throttles_are_in_the_status_itself(rooms: Rooms, settings: Settings) -> None:
    """Not only on the screen of `top`, which has a memory of its own."""
    watched(rooms)
    fleet = Fleet(rooms, settings)
    assert fleet.status().health.level is Level.GOOD
    rooms.history.add(sample_of(rooms), now_ms=rooms.roster.now_ms() - 30_000)
    counted: Any = rooms.client
    counted.hincrby(rooms.keys.totals, "calls", 100)
    counted.hincrby(rooms.keys.totals, "throttled", 50)

    seen = fleet.status()

    assert (seen.health.level, "AWS throttles 50% of the calls" in seen.health.words) == (Level.WARN, True), seen.health
    assert seen.public()["health"] == seen.health.public()


def test_a_stop_is_not_for_workers_that_were_started_after_it(rooms: Rooms, settings: Settings) -> None:
    """It stands in Redis until somebody takes it back; whoever has just started workers is not to be told of it."""
    rooms.roster.beat("old", Facts("here", 1, rooms.roster.now_ms() - 60_000, 5.0))
    fleet = Fleet(rooms, settings)
    fleet.order(OrderKind.STOP)
    assert "stopped" in fleet.status().health.words
    rooms.roster.leave("old")
    watched(rooms)

    seen = fleet.status()

    assert (seen.health.level, seen.order, fleet.order_standing()) == (Level.GOOD, None, None)


def test_the_doctor_does_not_wait_with_a_fleet_whose_rate_is_low(
    aws: Simulator, rooms: Rooms, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in minutes is none now; and workers that make a call in minutes are not stuck."""
    assert of_aws.TOKEN_WAIT_S <= 5
    monkeypatch.setattr(of_aws, "TOKEN_WAIT_S", 0.1)
    watched(rooms)
    fleet = fleet_at(aws, rooms, settings)
    fleet.bucket().pin(0.01)
    while rooms.buckets[DESCRIBE].reserve(0.0).wait_s == 0:
        pass

    found, stuck = check_call(fleet), list(check_progress(fleet, fleet.status()))

    assert (found.grade, found.found, stuck) == (Grade.WARN, "not asked: no token within 0.1 s", [])
    assert aws.stats()["operations"]["describe"]["calls"] == 0


def test_the_doctor_makes_one_call_also_of_an_aws_that_throttles(aws: Simulator, rooms: Rooms, settings: Settings) -> None:
    """Four more would take from the fleet what it lacks."""
    aws.disturb("describe", reject_share=1.0)

    found = check_call(fleet_at(aws, rooms, settings))

    aws.disturb("describe", reject_share=0.0)
    assert (found.grade, aws.stats()["operations"]["describe"]["calls"]) == (Grade.WARN, 1), found


def test_the_wait_for_a_token_is_no_fault_of_aws(aws: Simulator, rooms: Rooms, settings: Settings) -> None:
    """How long AWS took is told without it."""
    fleet = fleet_at(aws, rooms, settings)
    while rooms.buckets[DESCRIBE].reserve(0.5).wait_s < 0.3:
        pass

    found: Finding = check_call(fleet)

    assert found.grade is Grade.OK
    assert float(found.found.split()[-2]) < 0.3

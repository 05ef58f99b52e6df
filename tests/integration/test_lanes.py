"""Lanes of one poller: what they share, and what one must not take from another."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.rig import wait_until
from fleetpoll.errors import SettingsError
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state import connection
from fleetpoll.state.keys import Keys
from fleetpoll.state.rooms import Rooms, open_for_worker
from fleetpoll.state.roster import OrderKind
from tests.servers import server
from workers.poller import Poller
from workers.stopping import Stopping

NAMES = ("one", "two", "three")


@pytest.fixture
def fleets(fleet_name: str) -> list[Settings]:
    """Three fleets of the test's own."""
    return [Settings(fleet=f"{fleet_name}-{name}", beat=0.5, freshness=0.1, cadence="even") for name in NAMES]


@pytest.fixture
def opened(redis_url: str, fleets: list[Settings]) -> Iterator[list[Rooms]]:
    """Their rooms, which leave nothing behind."""
    rooms = open_for_worker(redis_url, fleets)
    yield rooms
    for own in rooms:
        for key in own.client.scan_iter(match=Keys(own.keys.fleet).pattern):
            own.client.delete(key)
    rooms[0].close()


@contextmanager
def running(redis_url: str, fleets: list[Settings]) -> Iterator[Poller]:
    """A poller's real loop, in a thread."""
    stopping = Stopping()
    poller = Poller(fleets, redis_url, stopping, lambda: None)
    thread = threading.Thread(target=poller.run)
    thread.start()
    try:
        yield poller
    finally:
        stopping.signals = 1
        thread.join()
        for lane in poller._by_name.values():
            if lane._cycle is not None:
                lane._cycle._api.close()


def test_fleets_on_one_server_share_a_connection_and_another_for_all_bells(
    redis_url: str, fleets: list[Settings], opened: list[Rooms]
) -> None:
    """Two connections a process, however many fleets."""
    listed: Any = opened[0].client.client_list
    before = len(listed())
    with running(redis_url, fleets):
        wait_until(lambda: all(own.roster.workers() for own in opened), 10, "beats everywhere")
        assert len(listed()) - before == 2


def test_settings_that_will_not_do_end_a_poller_only_if_no_other_fleet_has_better_ones(
    redis_url: str, fleets: list[Settings], opened: list[Rooms]
) -> None:
    """A fleet without a profile is in trouble, which `status` tells, while the others are served."""
    lost = Settings(fleet=fleets[0].fleet, profile="nobody", beat=0.5)
    with pytest.raises(SettingsError, match="nobody"):
        Poller([lost], redis_url, Stopping(), lambda: None)

    with running(redis_url, [lost, *fleets[1:]]):
        wait_until(lambda: all(own.roster.workers() for own in opened), 10, "beats everywhere")
        wait_until(lambda: opened[0].troubles.count() == 1, 10, "the trouble told")
        (one,) = opened[0].troubles.all()
        wait_until(lambda: doing(opened[0]) == "AWS fails", 10, "a beat that says so")

    assert (one.trouble.kind, one.trouble.code) == ("denied", "SettingsError")
    assert [own.troubles.count() for own in opened[1:]] == [0, 0]


def test_a_fleet_whose_keys_are_unusable_is_left_alone_and_mended(
    redis_url: str, fleets: list[Settings], opened: list[Rooms]
) -> None:
    """Its errors are its own, beats of the others go on; and when it is mended it is served again."""
    broken, well, _ = opened
    broken.client.set(broken.keys.roster, "no hash")
    with Simulator(SimulatorConfig(seed=3, life_min_s=3600, life_max_s=3600)) as aws:
        there = [Settings(fleet=one.fleet, endpoint_url=aws.url, beat=0.5, freshness=0.1) for one in fleets]
        with running(redis_url, there) as poller:
            well.schedule.track(aws.populate(10))
            broken.schedule.track(aws.populate(10))
            wait_until(lambda: aws.stats()["transitions_shown"] == 10, 10, "the well one's jobs looked at")
            lane, bell = poller._by_name[fleets[0].fleet], poller._bell._pubsub
            failures = lane.redis.failures
            assert failures > 0
            wait_until(lambda: lane.redis.failures > failures, 10, "another failure")
            assert poller._bell._pubsub is bell

            broken.client.delete(broken.keys.roster)
            wait_until(lambda: aws.stats()["transitions_shown"] == 20, 10, "the mended one's jobs looked at")
            wait_until(lambda: broken.roster.workers() != [], 10, "its beat")


def test_a_drain_gives_back_what_is_held_while_tokens_are_waited_for(
    redis_url: str, fleets: list[Settings], opened: list[Rooms]
) -> None:
    """The lease is given back when the process leaves, and its place in the row of tokens."""
    with Simulator(SimulatorConfig(seed=3, life_min_s=3600, life_max_s=3600)) as aws:
        there = [Settings(fleet=one.fleet, endpoint_url=aws.url, rate=0.1, rate_start=0.1, rate_min=0.1) for one in fleets]
        for own in opened:
            own.schedule.track(aws.populate(10))
        with running(redis_url, there) as poller:
            held = list(poller._by_name.values())
            wait_until(lambda: any(lane.waits for lane in held), 10, "a lane waiting for a token")

        assert [own.buckets["DescribeJobs"].view().tokens_granted for own in opened] == [0, 0, 0]
        assert all(own.roster.workers() == [] for own in opened)
        lease = [own.schedule.claim(60.0, margin_s=5.0) for own in opened]
        assert [len(one.jobs) for one in lease] == [10, 10, 10]  # type: ignore[union-attr] # there is one


def test_one_lane_waits_for_a_token_and_the_others_take_those_that_are_there(
    redis_url: str, fleets: list[Settings], opened: list[Rooms]
) -> None:
    """A process books ahead in one row only; a fleet whose tokens come quickly is served meanwhile."""
    slow = {"rate": 0.01, "rate_start": 0.01, "rate_min": 0.01, "token_wait": 300.0, "visibility": 400.0}
    with Simulator(SimulatorConfig(seed=3, life_min_s=3600, life_max_s=3600)) as aws:
        there = [msgspec.structs.replace(one, endpoint_url=aws.url, **slow) for one in fleets[:2]]
        quick = msgspec.structs.replace(fleets[2], endpoint_url=aws.url, rate=20.0, rate_start=20.0)
        for own in opened:
            own.schedule.track(aws.populate(10))
        with running(redis_url, [*there, quick]) as poller:
            first, second, lane = (poller._by_name[one.fleet] for one in fleets)
            wait_until(lambda: first.waits or second.waits, 10, "a lane waiting for a token")
            beaten = second if first.waits else first
            wait_until(lambda: lane.calls > 10 and beaten._outrun.failures > 1, 10, "calls, and another lane outrun")

            assert [first.waits, second.waits].count(True) == 1
            assert {first.doing, second.doing} == {"waiting for a token"}
            assert beaten.rooms.schedule.claim(60.0, margin_s=5.0).jobs  # type: ignore[union-attr] # it holds no lease
            assert beaten.rooms.buckets["DescribeJobs"].view().tokens_granted == 0


def test_beats_say_what_a_worker_does(redis_url: str, fleets: list[Settings], opened: list[Rooms]) -> None:
    """In a few words for operators."""
    own = opened[0]
    with (
        Simulator(SimulatorConfig(seed=3, life_min_s=3600, life_max_s=3600)) as aws,
        running(redis_url, [msgspec.structs.replace(fleets[0], endpoint_url=aws.url, beat=0.1, rate=0.5, token_wait=0.1)]),
    ):
        wait_until(lambda: doing(own) == "idle", 10, "nothing to do")

        own.buckets["DescribeJobs"].pause(True)
        own.schedule.track(aws.populate(10))
        wait_until(lambda: doing(own) == "paused", 10, "a pause")

        own.roster.command(OrderKind.DRAIN)
        wait_until(lambda: doing(own) == "drained", 10, "a drain")

        own.buckets["DescribeJobs"].pause(False)
        own.roster.command(None)
        wait_until(lambda: doing(own) == "asking AWS", 10, "a call")


def doing(rooms: Rooms) -> str:
    """What the one worker on the roster does, by its last beat."""
    beats = rooms.roster.workers()
    return beats[0].facts.doing if beats else ""


def test_a_poller_waits_once_for_a_server_that_is_silent_when_it_leaves(
    tmp_path: Path, fleet_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each fleet on it: the supervisor's patience would not outlast that."""
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", 0.5)
    many = [Settings(fleet=f"{fleet_name}-{number}", endpoint_url="http://127.0.0.1:9") for number in range(12)]
    with server(tmp_path) as silent:
        try:
            with running(silent.url, many) as poller:
                wait_until(lambda: all(lane.house_at > time.monotonic() for lane in poller._lanes), 10, "beats everywhere")
                silent.signal(signal.SIGSTOP)
                start = time.monotonic()
            assert time.monotonic() - start < 3.5  # a verb may be under way, which is tried three times; each in turn: 6 s
        finally:
            silent.signal(signal.SIGCONT)

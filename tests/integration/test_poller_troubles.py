"""Pollers that AWS fails, several at once on one Redis: real loops in threads, against the pretend AWS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from benchmarks.rig import wait_until
from fleetpoll.client.status import status_of
from fleetpoll.clock import system_mono
from fleetpoll.errors import AccessDenied, Unreachable
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.config import Fault, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from fleetpoll.state.schedule import Lease
from tests.servers import free_port
from workers import troubles
from workers.lane import Lane
from workers.poller import Poller
from workers.stopping import Stopping
from workers.troubles import AwsTrouble, Turn

WORKERS = 6
EVERY_S = (0.2, 0.5)
DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries in trouble are ten times as close together as they are for users."""
    monkeypatch.setattr(troubles, "EVERY_S", EVERY_S)


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator whose jobs live for an hour."""
    with Simulator(SimulatorConfig(seed=29, life_min_s=3600, life_max_s=3600)) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    """The same without faults and with fresh figures."""
    shared.reset_stats()
    yield shared
    shared.disturb("describe", faults={})


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that would make more calls than it may, so that every worker has its share of them."""
    fresh = {"freshness": 0.05, "freshness_by_status": {"PENDING": 0.05, "RUNNABLE": 0.05}}
    return load({}, flags={"fleet": fleet_name, "rate": 40, "rate_start": 40, "beat": 1, "cadence": "even"} | fresh)


@contextmanager
def pollers(redis_url: str, settings: Settings, *urls: str) -> Iterator[list[Poller]]:
    """A poller for each URL of an API, for as long as the block lasts."""
    with ExitStack() as stack:
        running, stopping = [], Stopping()
        for url in urls:
            own = msgspec.structs.replace(settings, endpoint_url=url)
            running.append(Poller([own], redis_url, stopping, lambda: None))
        for poller in running:
            thread = threading.Thread(target=poller.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(close_api, poller._lanes[0])
        stack.callback(setattr, stopping, "signals", 1)
        yield running


def close_api(lane: Lane) -> None:
    """Close the connections of a lane to AWS."""
    assert lane._cycle is not None
    lane._cycle._api.close()


def said(log: list[Any], event: str) -> list[str]:
    """The levels of the lines that say so."""
    return [str(line["log_level"]) for line in log if line["event"] == event]


def calls(simulator: Simulator) -> int:
    """How many calls the API side has seen."""
    return int(simulator.stats()["operations"]["describe"]["calls"])


def test_a_fleet_that_is_denied_tries_as_one_and_recovers_as_one(
    simulator: Simulator, rooms: Rooms, settings: Settings, redis_url: str
) -> None:
    """One error line and one good end for all workers; meanwhile one try a turn, and after it all are back in seconds."""
    rooms.schedule.track(simulator.populate(1000))
    simulator.disturb("describe", faults={Fault.DENIED: 1.0})
    with capture_logs() as log, pollers(redis_url, settings, *[simulator.url] * WORKERS):
        wait_until(lambda: rooms.troubles.count() == WORKERS, DEADLINE_S, "all in trouble")
        wait_until(lambda: all(one.trouble.failures > 1 for one in rooms.troubles.all()), DEADLINE_S, "turns")
        before, start = calls(simulator), time.monotonic()
        wait_until(lambda: time.monotonic() - start > 1.2, DEADLINE_S, "a moment")
        tries = calls(simulator) - before
        (trouble,) = status_of(rooms).troubles

        simulator.disturb("describe", faults={})
        recovery_s = wait_until(lambda: rooms.troubles.count() == 0, DEADLINE_S, "all out of trouble")

    assert tries <= 1.2 / (0.7 * EVERY_S[1]) + 3
    assert (trouble.kind, trouble.workers) == ("denied", WORKERS)
    assert recovery_s < 4 * EVERY_S[1] + 2.0
    assert said(log, "AWS fails") == ["error"]
    assert said(log, "AWS works again").count("info") == 1
    assert [line for line in log if line["log_level"] in {"error", "warning"}] == [
        line for line in log if line["event"] == "AWS fails"
    ]
    assert calls(simulator) == rooms.ledger.totals().calls


def test_one_bad_host_among_good_ones_stops_nobody(
    simulator: Simulator, rooms: Rooms, settings: Settings, redis_url: str
) -> None:
    """Its workers are in trouble together and try in turns; all jobs are looked at by the others all the same."""
    ids = simulator.populate(1000)
    rooms.schedule.track(ids)
    bad = f"http://127.0.0.1:{free_port()}"
    with capture_logs() as log, pollers(redis_url, settings, *[bad] * 4):
        wait_until(lambda: rooms.troubles.count() == 4, DEADLINE_S, "the bad host's workers in trouble")
        with pollers(redis_url, settings, *[simulator.url] * 2):
            wait_until(lambda: simulator.stats()["transitions_shown"] >= len(ids), DEADLINE_S, "every job looked at")
            before, start = rooms.ledger.totals(), time.monotonic()
            wait_until(lambda: time.monotonic() - start > 1.2, DEADLINE_S, "a moment")
            after = rooms.ledger.totals()
            seen = status_of(rooms)

    assert after.failed - before.failed <= 1.2 / (0.7 * EVERY_S[1]) + 3
    assert after.calls - before.calls > 3 * (after.failed - before.failed)
    assert [(trouble.kind, trouble.workers) for trouble in seen.troubles] == [("connection", 4)]
    assert said(log, "AWS fails") == ["error"]
    assert set(after.failures) == {"connection"}


@pytest.mark.parametrize("why", ["trouble", "leaves"])
def test_the_idle_take_over_from_a_worker_that_gives_its_jobs_back(
    simulator: Simulator, rooms: Rooms, settings: Settings, redis_url: str, why: str
) -> None:
    """Whoever found all jobs on loan to it, and sleeps until that loan would end, hears that they are to be had again."""
    rooms.schedule.track(simulator.populate(50))
    lease = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="bad")
    assert isinstance(lease, Lease)
    with pollers(redis_url, settings, simulator.url) as (good,):
        wait_until(lambda: good.worker.worker_id in {one.worker_id for one in rooms.roster.workers()}, DEADLINE_S, "a beat")
        start = time.monotonic()
        wait_until(lambda: time.monotonic() - start > 0.3, DEADLINE_S, "it to fall asleep")
        rooms.schedule.release(lease, list(lease.jobs), delay_s=0.25)
        if why == "trouble":
            aws_trouble(rooms, "bad").failed(AccessDenied("no", "AccessDenied"))
        else:
            rooms.roster.leave("bad")

        assert wait_until(lambda: calls(simulator) > 0, DEADLINE_S, "a look at the jobs") < 5.0


def aws_trouble(rooms: Rooms, name: str = "me") -> AwsTrouble:
    """One worker's, with the worker on the roster."""
    rooms.roster.beat(name, Facts("host", 1, 1, 5.0))
    return AwsTrouble(rooms.troubles, name, "host", system_mono, Random(1))


SERVER = Unreachable("ServerException: no", "ServerException", "server")


def test_failures_now_and_then_are_no_trouble(rooms: Rooms) -> None:
    """Two in a row cost no pause and no report, however often; the third is trouble, and an answer ends it."""
    mine = aws_trouble(rooms)
    for _ in range(3):
        assert [mine.failed(SERVER), mine.failed(SERVER)] == [Turn(), Turn()]
        mine.works()
    assert rooms.troubles.count() == 0

    turns = [mine.failed(SERVER) for _ in range(3)]
    assert turns[2].wait_s > 0
    assert rooms.troubles.count() == 1
    mine.works()
    assert rooms.troubles.count() == 0
    assert (mine.failed(SERVER), mine.ids_max) == (Turn(), 100)


def test_a_denial_and_a_long_silence_are_trouble_at_once(rooms: Rooms) -> None:
    """Nobody is denied by accident; and two time-outs of 20 s are not waited for to become three."""
    assert aws_trouble(rooms, "one").failed(AccessDenied("no", "ExpiredTokenException")).wait_s > 0
    assert aws_trouble(rooms, "two").failed(Unreachable("", "ReadTimeoutError", "timeout"), took_s=20.0).wait_s > 0
    assert rooms.troubles.count() == 2


def test_turns_of_one_worker_grow_and_have_an_end(rooms: Rooms) -> None:
    """A single worker tries again after a moment, and later once in `EVERY_S[1]`, for as long as it takes."""
    mine = aws_trouble(rooms)
    waits = [mine.failed(AccessDenied("no", "AccessDenied")).wait_s for _ in range(12)]

    assert mine.ids_max == 1  # a hundred jobs need not wait for what will hardly come
    assert waits[0] <= troubles.PAUSE_S[0]
    assert 0.7 * EVERY_S[1] - 0.01 <= min(waits[3:])
    assert max(waits[1:]) <= EVERY_S[1] + 0.01


def test_many_in_the_same_trouble_share_their_tries(rooms: Rooms) -> None:
    """A host without a network tries no more often with forty workers than with a few, while others are answered."""
    forty = [aws_trouble(rooms, f"w{number}") for number in range(40)]
    for _ in range(8):
        turns = []
        for one in forty:
            rooms.client.hincrby(rooms.keys.totals, "calls", 1)
            turns.append(one.failed(AccessDenied("no", "AccessDenied")))

    assert {turn.answered for turn in turns} == {None}
    assert 20.0 <= min(turn.wait_s for turn in turns) <= max(turn.wait_s for turn in turns) <= 40.0
    assert {turn.least_s for turn in turns} == {EVERY_S[1]}


def test_who_hears_that_others_recovered_and_has_nothing_to_ask_is_well(rooms: Rooms) -> None:
    """An idle worker takes their word for it; one that heard nothing stays in trouble, for it is."""
    mine = aws_trouble(rooms)
    mine.failed(AccessDenied("no", "AccessDenied"))
    mine.idle()
    assert rooms.troubles.count() == 1

    mine.others_work = True
    mine.idle()

    assert rooms.troubles.count() == 0

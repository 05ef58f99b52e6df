"""Faults of the fleet's own processes: supervisors killed or frozen, pollers that die at once, false clocks, a full disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.rig import Rig, Workers, alive, environment, limited, rig, wait_until
from fleetpoll.errors import RedisUnavailable
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms, open_rooms
from tests.acceptance.test_fleet import assert_all_ended_once, calls, quick
from tests.chaos.processes import children
from tests.servers import server

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HOURS_OFF = ("+9h", "-31h", "+400d", "-2h")
ROOM = 256 * 1024
"""How large a file of the server may become while its disk is full."""


def test_pollers_do_not_outlive_a_supervisor_that_dies_while_they_boot() -> None:
    """A supervisor that is killed right after its start leaves nobody behind."""
    with rig(quick(workers=3), limited(20)) as fleet:
        workers = fleet.workers()
        wait_until(lambda: len(children(workers.process.pid)) >= 3, 15, "pollers that boot")
        pids = children(workers.process.pid)

        workers.stop(signal.SIGKILL)

        wait_until(lambda: not any(map(alive, pids)), 15, "nobody left")


def test_orphans_leave_while_redis_is_away(tmp_path: Path) -> None:
    """Pollers whose supervisor is killed leave even if there is no Redis to take leave of."""
    settings = quick(workers=2)
    with (
        server(tmp_path / "redis") as redis,
        Simulator(limited(20)) as aws,
        Workers(environment(settings, redis.url, aws.url), tmp_path / "log") as workers,
    ):
        rooms = open_rooms(redis.url, settings)
        wait_until(lambda: len(rooms.roster.workers()) == 2, 20, "pollers")
        rooms.close()
        pids = children(workers.process.pid)
        redis.kill()

        workers.stop(signal.SIGKILL)

        wait_until(lambda: not any(map(alive, pids)), 15, "nobody left")


@pytest.mark.soak
def test_a_supervisor_that_stood_still_kills_nobody() -> None:
    """While a supervisor is frozen its pollers work on, and when it goes on it does not take its own sleep for theirs."""
    with rig(quick(workers=2, rate=20, stuck_after=3.5), limited(20, life_min_s=60.0)) as fleet, fleet.workers() as workers:
        before = fleet.await_pollers(2)
        fleet.submit(200)
        wait_until(lambda: calls(fleet) > 0, 20, "calls")
        os.kill(workers.process.pid, signal.SIGSTOP)
        asleep, made = time.monotonic(), calls(fleet)
        wait_until(lambda: time.monotonic() - asleep > 4, 10, "four seconds")
        assert calls(fleet) > made

        os.kill(workers.process.pid, signal.SIGCONT)

        back = time.monotonic()
        wait_until(lambda: time.monotonic() - back > 1, 10, "a look at the pollers")
        assert sorted(fleet.poller_pids()) == sorted(before)
        assert "stuck" not in workers.words()


@pytest.mark.soak
def test_a_poller_that_dies_at_once_is_no_storm() -> None:
    """A poller that is killed whenever it comes is replaced after longer and longer pauses."""
    with rig(quick(workers=1), limited(20)) as fleet, fleet.workers() as workers:
        (pid,) = fleet.await_pollers(1)
        for deaths in range(1, 4):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda done=deaths: len(pauses(workers)) == done, 15, "the supervisor's word on it")  # type: ignore[misc]
            if deaths < 3:
                (pid,) = fleet.await_pollers(1)

        assert all(least <= pause <= 2 * least for pause, least in zip(pauses(workers), (0.25, 0.5, 1.0), strict=True))


@pytest.mark.soak
def test_pollers_that_are_killed_while_they_boot_are_no_reason_to_give_up() -> None:
    """Somebody else's kill -9 says nothing of whether a poller can boot: the supervisor stays, and replaces them."""
    with rig(quick(workers=1), limited(20)) as fleet, fleet.workers() as workers:
        for deaths in range(1, 4):
            wait_until(lambda: pollers(workers.process.pid) != [], 15, "a poller that boots")
            os.kill(pollers(workers.process.pid)[0], signal.SIGKILL)
            wait_until(lambda done=deaths: len(pauses(workers)) == done, 15, "the supervisor's word on it")  # type: ignore[misc]

        fleet.await_pollers(1)


def pollers(supervisor: int) -> list[int]:
    """The pollers of a supervisor, from their first moment on."""
    return [pid for pid in children(supervisor) if alive(pid)]


def pauses(workers: Workers) -> list[float]:
    """The pauses before replacements, as the supervisor logs them."""
    lines = [json.loads(line) for line in workers.words().splitlines() if '"poller died' in line]
    return [line["pause_s"] for line in lines]


@pytest.mark.soak
@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime (Debian, Ubuntu: apt-get install libfaketime)")
def test_clocks_that_lie_change_nothing(tmp_path: Path) -> None:
    """Workers whose wall clocks are hours off and jump keep the allowance, publish each end once, and at Redis' own time."""
    with rig(quick(rate=20, workers=1), limited(20, life_min_s=1.0, life_max_s=5.0)) as fleet:
        clocks = [tmp_path / f"clock-{n}" for n in range(3)]
        began_ms = fleet.rooms.roster.now_ms()
        with lying(fleet, clocks):
            fleet.await_pollers(3)
            fleet.submit(400)
            for n in range(6):
                shown = fleet.simulator.stats()["transitions_shown"]
                wait_until(lambda was=shown: fleet.simulator.stats()["transitions_shown"] > was + 50, 20, "work")  # type: ignore[misc]
                set_clock(clocks[n % 3], HOURS_OFF[n % 4])
            assert_all_ended_once(fleet, 30)

        ended_ms = fleet.rooms.roster.now_ms()
        assert all(began_ms <= event.detected_ms <= ended_ms for event in fleet.rooms.events.recent(1000))
        describe = fleet.simulator.stats()["operations"]["describe"]
        assert describe["throttled"] == 0
        assert describe["ids_overlapping"] == 0
        assert describe["calls"] <= fleet.rooms.buckets["DescribeJobs"].view().tokens_granted


@contextmanager
def lying(fleet: Rig, clocks: list[Path]) -> Iterator[None]:
    """A supervisor for each clock, which may be set while they run."""
    found = []
    for number, clock in enumerate(clocks):
        set_clock(clock, HOURS_OFF[number])
        lies = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock)}
        more = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        found.append(Workers(fleet.environment() | lies | more, fleet.directory / f"workers-{number}.log"))
    try:
        yield
    finally:
        assert [workers.stop() for workers in found] == [0] * len(found)


def set_clock(clock: Path, offset: str) -> None:
    """From now on the clock shows another time; at no moment there is half of it in the file."""
    new = clock.with_suffix(".new")
    new.write_text(f"{offset}\n", encoding="ascii")
    new.replace(clock)


@pytest.mark.soak
@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_full_disk_costs_no_promise(tmp_path: Path, fsync: str) -> None:
    """While Redis cannot write its AOF nothing is acknowledged and the fleet waits; with room again it goes on."""
    settings = quick(rate=20, workers=2)
    arguments = ("--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--auto-aof-rewrite-percentage", "0")
    with server(tmp_path / "redis", *arguments) as redis, Simulator(limited(20, life_min_s=2.0, life_max_s=4.0)) as aws:
        rooms = open_rooms(redis.url, settings)
        with Workers(environment(settings, redis.url, aws.url), tmp_path / "log") as workers:
            wait_until(lambda: len(rooms.roster.workers()) == 2, 20, "pollers")
            assert redis.process is not None
            resource.prlimit(redis.process.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
            acknowledged = list(tracked_until_it_is_full(rooms, aws))
            wait_until(lambda: "no calls until it is back" in workers.words(), 20, "the fleet waits")

            if fsync == "always":
                redis.restart()  # it ends rather than acknowledge what it cannot write
            else:
                resource.prlimit(redis.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            wait_until(lambda: writes(redis.url), 20, "Redis writes again")

            wait_until(lambda: len(rooms.ledger.get(acknowledged)) == len(acknowledged), 10, "all that was acknowledged")
            wait_until(lambda: rooms.ledger.sizes()[0] == 0, 60, "every job ended")
            assert workers.process.poll() is None
        rooms.close()


def tracked_until_it_is_full(rooms: Rooms, aws: Simulator) -> Iterator[str]:
    """The jobs whose tracking was acknowledged before the first that was not."""
    for _ in range(100):
        ids = aws.populate(200)
        try:
            rooms.schedule.track(ids)
        except RedisUnavailable:
            return
        yield from ids
    pytest.fail("the disk was never full")


def writes(url: str) -> bool:
    """Whether the server takes a write."""
    rooms = open_rooms(url, quick())
    try:
        return bool(rooms.client.set("probe", "1", ex=1))
    except RedisUnavailable:
        return False
    finally:
        rooms.close()

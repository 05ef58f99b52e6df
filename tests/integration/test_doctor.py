"""The doctor on real servers, each with something wrong."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpoll.client.checkup import workers as of_workers
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.letters import Letter, Letters
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from tests.ids import make_ids
from tests.integration.cli_helpers import move, wait_until
from tests.servers import DURABLE, Server, server

OK, WARN, FAIL = Grade
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def findings(settings: Settings) -> dict[str, Finding]:
    """What the doctor finds without asking AWS, by check."""
    return {finding.check: finding for finding in check_up(settings, aws=False)}


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose settings these tests spoil."""
    with server(tmp_path_factory.mktemp("shaky"), *DURABLE) as one:
        yield one


@pytest.mark.parametrize(
    ("spoilt", "check", "grade", "words"),
    [
        ({}, "durability", OK, "AOF is on"),
        ({"appendonly": "no"}, "durability", WARN, "AOF is off"),
        ({"maxmemory-policy": "allkeys-lru"}, "eviction", FAIL, "allkeys-lru"),
        ({"maxmemory-policy": "volatile-lru"}, "eviction", WARN, "volatile-lru"),
        ({"maxmemory": "2mb"}, "memory", WARN, "of 2.1 MB used"),
        ({"maxmemory": "1mb"}, "memory", FAIL, "of 1.0 MB used"),
    ],
)
def test_a_server_that_is_set_up_badly(
    shaky: Server, fleet_name: str, spoilt: dict[str, str], check: str, grade: Grade, words: str
) -> None:
    """Each fault is found, and only it is complained of."""
    normal = {"appendonly": "yes", "maxmemory-policy": "noeviction", "maxmemory": "0"}
    with shaky.client() as root:
        if "maxmemory" in spoilt:  # as full as the test wants it, whatever a release needs for itself
            share = 0.9 if grade is WARN else 1.1
            spoilt, words = {"maxmemory": str(int(root.info("memory")["used_memory"] / share))}, " used ("
        for name, value in (normal | spoilt).items():
            root.config_set(name, value)
        found = findings(Settings(redis_url=shaky.url, fleet=fleet_name))
        for name, value in normal.items():
            root.config_set(name, value)

    assert (found[check].grade, words in found[check].found) == (grade, True), found[check]
    worse = {name for name, finding in found.items() if finding.grade is not OK}
    assert worse - {"workers"} == ({check} if grade is not OK else set())


def test_a_disk_that_is_full(tmp_path: Path, fleet_name: str) -> None:
    """A server that cannot write its AOF fails, before anybody asks why the fleet stands still."""
    with server(tmp_path, *DURABLE) as one, one.client() as root:
        assert one.process is not None
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        root.config_set("appendfsync", "everysec")  # with `always` it would end
        wait_until(lambda: spoilt(root), "the AOF cannot be written")
        found = findings(Settings(redis_url=one.url, fleet=fleet_name))
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert (found["durability"].grade, found["durability"].found) == (FAIL, "its last write to the AOF failed")


def spoilt(root: Any) -> bool:
    """Write something, and see whether that could be kept."""
    try:
        root.set("filler", "x" * 200)
    except Exception:  # noqa: BLE001 - it refuses to write: that is what is waited for
        return True
    return bool(root.info("persistence")["aof_last_write_status"] != "ok")


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")
def test_a_clock_that_is_wrong(tmp_path: Path, fleet_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes ahead: AWS would refuse what such a host signs, and ages make no sense."""
    for name, value in (("LD_PRELOAD", str(FAKETIME)), ("FAKETIME", "+600s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")):
        monkeypatch.setenv(name, value)
    with server(tmp_path) as one:
        monkeypatch.delenv("LD_PRELOAD")
        found = findings(Settings(redis_url=one.url, fleet=fleet_name))["clock"]
    assert (found.grade, "ahead of this machine" in found.found) == (FAIL, True)


def test_workers_of_two_releases_of_which_one_died(given: Settings, rooms: Rooms) -> None:
    """Who fell silent is named, and so are the releases."""
    now_ms = rooms.roster.now_ms()
    for number, version in enumerate(("1.0", "1.0", "0.9")):
        rooms.roster.beat(f"w{number}", Facts("here", number, now_ms, 5.0, version=version))
    rooms.roster.beat("dead", Facts("there", 7, now_ms, 5.0), now_ms=now_ms - 60_000)

    found = findings(given)

    assert (found["workers"].grade, found["workers"].found) == (WARN, "3 alive on 1 host, 1 silent: there (pid 7)")
    assert found["releases"].found == "they are of several releases: 0.9 (1), 1.0 (2)"


def test_jobs_that_nobody_watches(given: Settings, rooms: Rooms) -> None:
    """A failure, unlike a fleet without jobs that has no workers."""
    assert findings(given)["workers"].grade is WARN
    rooms.schedule.track(make_ids(2))
    found = findings(given)["workers"]
    assert (found.grade, found.found) == (FAIL, "0 alive: nobody watches 2 live jobs")


def test_workers_that_beat_and_do_nothing(given: Settings, rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are due, tokens are there, nobody is in trouble, and no call is made: they are stuck."""
    monkeypatch.setattr(of_workers, "PROGRESS_S", (0.2, 0.5))
    rooms.schedule.track(make_ids(2))
    rooms.roster.beat("w", Facts("here", 1, rooms.roster.now_ms(), 5.0))
    found = findings(given)["progress"]
    assert (found.grade, found.found) == (WARN, "2 jobs due, and no call within 0 s")


def test_dead_letters_and_groups_that_nobody_reads(given: Settings, rooms: Rooms) -> None:
    """Both are somebody's transitions that did not arrive."""
    ids = make_ids(2)
    rooms.schedule.track(ids)
    rooms.client.xgroup_create(rooms.keys.events, "billing", "0-0", mkstream=True)
    move(rooms, dict.fromkeys(ids, JobStatus.SUCCEEDED))
    (moved, _) = rooms.events.recent(2)
    assert isinstance(moved, Transition)
    Letters(rooms.client, rooms.keys).bury("billing", [Letter(moved, "billing", "hook", 3, "refused")])

    found = findings(given)

    assert (found["letters"].grade, found["letters"].found) == (WARN, "1 transition could not be delivered")
    assert (found["groups"].grade, found["groups"].found) == (WARN, "nobody reads for billing; 2 transitions wait")
    assert "fleetpoll events drop billing" in found["groups"].advice


def test_the_embedded_server(tmp_path: Path, fleet_name: str) -> None:
    """Where it is, how much it holds, and how many others use it."""
    found = findings(Settings(fleet=fleet_name, state_home=str(tmp_path)))
    assert str(tmp_path) in found["embedded"].found
    assert (found["disk"].grade, found["durability"].grade) == (OK, OK)

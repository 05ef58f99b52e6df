"""What a script costs Redis is mostly how many commands it runs: they must not become more with the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.jobs import Array, JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look
from tests.ids import make_ids

NOW = 1_800_000_000_000
WHOLE = {"keys", "smembers", "hvals", "scan", "lrange", "sort", "dump", "memory|usage"}
"""Commands that walk everything there is, whose cost nobody bounds."""


@pytest.fixture
def commands(rooms: Rooms) -> Callable[[Callable[[], object]], dict[str, int]]:
    """How often each command ran, those inside of scripts included, while something was done."""

    def counted(act: Callable[[], object]) -> dict[str, int]:
        client: Any = rooms.client
        client.config_resetstat()
        act()
        stats = client.info("commandstats")
        return {name.removeprefix("cmdstat_"): facts["calls"] for name, facts in stats.items() if "config" not in name}

    return counted


def lease_of(rooms: Rooms, count: int) -> Lease:
    """So many jobs, tracked and lent."""
    rooms.schedule.track(make_ids(count), now_ms=NOW)
    lease = rooms.schedule.claim(60.0, margin_s=5.0, limit=count, now_ms=NOW)
    assert isinstance(lease, Lease)
    return lease


def looks(lease: Lease, status: JobStatus, delay_s: float | None) -> Iterator[Look]:
    """Each job is found in this status."""
    for job_id, known in lease.jobs.items():
        record = msgspec.structs.replace(known, status=status, changed_ms=NOW)
        moved = None if status is known.status else Transition.between(job_id, known, record)
        yield Look(job_id, delay_s, record, moved)


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize(("status", "delay_s"), [(JobStatus.UNSEEN, 5.0), (JobStatus.SUCCEEDED, None)])
def test_a_settlement_takes_as_many_commands_for_a_hundred_jobs_as_for_one(
    rooms: Rooms,
    commands: Callable[[Callable[[], object]], dict[str, int]],
    count: int,
    status: JobStatus,
    delay_s: float | None,
) -> None:
    """But for one entry of the stream for each transition."""
    lease = lease_of(rooms, count)
    found = list(looks(lease, status, delay_s))
    rooms.schedule.settle(lease, found[:0], events_kept=1000, asked=0, now_ms=NOW)  # the script is known now

    spent = commands(lambda: rooms.schedule.settle(lease, found, events_kept=1000, asked=count, now_ms=NOW))

    assert spent.pop("xadd", 0) == (0 if delay_s else count)
    assert sum(spent.values()) <= 14


@pytest.mark.parametrize("count", [1, 100])
def test_a_claim_and_a_release_take_as_many_commands_for_a_hundred_jobs_as_for_one(
    rooms: Rooms, commands: Callable[[Callable[[], object]], dict[str, int]], count: int
) -> None:
    """No job costs a command of its own."""
    held = lease_of(rooms, count)

    released = commands(lambda: rooms.schedule.release(held, list(held.jobs), now_ms=NOW))
    claimed = commands(lambda: rooms.schedule.claim(60.0, margin_s=5.0, now_ms=NOW))

    assert sum(released.values()) <= 5
    assert sum(claimed.values()) <= 10


def test_tracking_and_forgetting_take_as_many_commands_for_two_hundred_jobs_as_for_one(
    rooms: Rooms, commands: Callable[[Callable[[], object]], dict[str, int]]
) -> None:
    """The more so as these come by the million."""
    tracked = commands(lambda: rooms.schedule.track(make_ids(200)))
    forgotten = commands(lambda: rooms.schedule.untrack(make_ids(200)))

    assert sum(tracked.values()) <= 8
    assert sum(forgotten.values()) <= 10


def test_children_are_woken_by_few_commands(
    rooms: Rooms, commands: Callable[[Callable[[], object]], dict[str, int]]
) -> None:
    """However many there are."""
    (array,) = make_ids(1)
    rooms.broods.adopt([array], now_ms=NOW)
    rooms.broods.follow(array, Array(400), now_ms=NOW)

    spent = commands(lambda: rooms.broods.follow(array, Array(400, ended=350), now_ms=NOW))

    assert len(set(rooms.client.zrange(rooms.keys.schedule, 0, -1))) == 401
    assert sum(spent.values()) <= 15


def test_no_reader_walks_all_there_is(
    rooms: Rooms, settings: Settings, commands: Callable[[Callable[[], object]], dict[str, int]]
) -> None:
    """Status, lists with a limit, a job and the events are answered by counters, cursors and keys."""
    ids = make_ids(2_000)
    rooms.schedule.track(ids, now_ms=NOW)
    fleet = Fleet(rooms, settings)

    def read() -> None:
        fleet.status()
        assert len(list(fleet.jobs(limit=10))) == 10
        assert fleet.get(ids[:1]) == {ids[0]: Snapshot(tracked_ms=NOW)}
        list(fleet.past_events("0-0", limit=10))

    spent = commands(read)

    assert not WHOLE & set(spent)
    assert spent["hscan"] == 1

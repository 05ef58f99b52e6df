"""The fleet for asyncio, on a real server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetpoll import aio
from fleetpoll.client.hub import Hub
from fleetpoll.client.waiting import Arrival, Goal, Waited
from fleetpoll.errors import EventsTrimmed, FleetClosed, RedisDenied, RedisUnavailable, SettingsError
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from tests.ids import make_ids
from tests.integration.cli_helpers import move

ONE, TWO, THREE = make_ids(3)
LONG_S = 20.0


@pytest.fixture
def given(redis_url: str, settings: Settings, rooms: Rooms) -> Settings:
    """The test's own fleet on the session's server, which other clients leave clean."""
    return msgspec.structs.replace(settings, redis_url=redis_url)


def run(test: Callable[[aio.Fleet], Awaitable[None]], settings: Settings) -> None:
    """A test in a fleet and an event loop of its own."""

    async def main() -> None:
        async with asyncio.timeout(LONG_S), aio.open_fleet(settings) as fleet:
            await test(fleet)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    turn = asyncio.Event()
    while not condition():
        asyncio.get_running_loop().call_later(0.01, turn.set)
        await turn.wait()
        turn.clear()


def hub_of(fleet: aio.Fleet) -> Hub:
    """The hub, to look at what it remembers."""
    return fleet._hub


def listening(fleet: aio.Fleet, waits: int) -> Callable[[], bool]:
    """Whether so many waits are there, tracked and looked up."""
    return lambda: [wait.looked for wait in hub_of(fleet)._everybody()] == [True] * waits


def idle(hub: Hub) -> bool:
    """Whether nothing of any wait is left, and nothing runs."""
    return (hub._waits, hub._new, hub._admitting, hub._reading) == ({}, {}, None, None)


def test_what_is_known_can_be_read_and_changed(given: Settings, rooms: Rooms) -> None:
    """Track, get, untrack, and who is alive."""
    rooms.roster.beat("w", Facts("h", 1, 0, 5.0))

    async def test(fleet: aio.Fleet) -> None:
        assert await fleet.track(make_ids(2_345)) == 2_345
        assert await fleet.track([ONE.upper()]) == 0
        assert {s.status for s in (await fleet.get([*make_ids(1_500), make_ids(1, 9_999)[0]])).values()} == {"UNSEEN"}
        assert await fleet.untrack([ONE, TWO]) == 2
        assert await fleet.get([ONE]) == {}
        assert [beat.worker_id for beat in await fleet.alive()] == ["w"]
        with pytest.raises(SettingsError, match="is no job id"):
            await fleet.wait([ONE, "nonsense"])
        with pytest.raises(SettingsError):
            fleet.as_completed(["nonsense"])

    run(test, given)


def test_waits_wake_with_their_jobs(given: Settings, rooms: Rooms) -> None:
    """Of one job or many, for running or for the end, each for itself; those that are there already wait for nothing."""

    async def test(fleet: aio.Fleet) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(fleet.wait([ONE, TWO], Goal.RUNNING))
            starting = tasks.create_task(fleet.wait([ONE], frozenset({JobStatus.STARTING})))
            both = tasks.create_task(fleet.wait([ONE, TWO]))
            await until(listening(fleet, 3))
            for status in (JobStatus.STARTING, JobStatus.RUNNING, JobStatus.FAILED):
                move(rooms, {ONE: status, TWO: status})
        assert running.result() == Waited(dict.fromkeys([ONE, TWO], JobStatus.RUNNING), [], [])
        assert starting.result() == Waited({ONE: JobStatus.STARTING}, [], [])
        assert both.result() == Waited(dict.fromkeys([ONE, TWO], JobStatus.FAILED), [], [])
        assert await fleet.wait([ONE], timeout_s=0) == Waited({ONE: JobStatus.FAILED}, [], [])
        await until(lambda: idle(hub_of(fleet)))

    run(test, given)


def test_a_time_out_and_a_cancellation_leave_nothing_behind(given: Settings, rooms: Rooms) -> None:
    """Be it that the jobs are not tracked yet, or that others wait for the same one."""

    async def test(fleet: aio.Fleet) -> None:
        assert (await fleet.wait([ONE, TWO], timeout_s=0.05)).pending == [ONE, TWO]
        early = asyncio.create_task(fleet.wait([THREE]))
        await until(lambda: THREE in hub_of(fleet)._waits)
        early.cancel()
        waits = [asyncio.create_task(fleet.wait([ONE, TWO])) for _ in range(3)]
        await until(listening(fleet, 3))
        waits.pop().cancel()
        move(rooms, {ONE: JobStatus.SUCCEEDED, TWO: JobStatus.SUCCEEDED})

        assert [(await wait).timed_out for wait in waits] == [False, False]
        await until(lambda: idle(hub_of(fleet)))

    run(test, given)


def test_arrivals_come_one_by_one(given: Settings, rooms: Rooms) -> None:
    """In the order in which they get there; leaving the loop ends the wait, and so does the time."""

    async def test(fleet: aio.Fleet) -> None:
        await fleet.track([ONE, TWO])
        move(rooms, {TWO: JobStatus.SUCCEEDED})
        arrivals = fleet.as_completed([ONE, TWO, THREE], timeout_s=0.5)
        assert (await anext(arrivals)).job_id == TWO
        move(rooms, {ONE: JobStatus.FAILED})
        assert (await anext(arrivals)).job_id == ONE
        with pytest.raises(TimeoutError, match="1 of 3 jobs"):
            await anext(arrivals)
        async for arrival in fleet.as_completed([THREE, TWO]):
            assert arrival.job_id == TWO
            break
        told = list[Arrival]()
        await fleet.wait_all([ONE, TWO], on_each=told.append)
        assert [arrival.job_id for arrival in told] == [ONE, TWO]
        await until(lambda: idle(hub_of(fleet)))

    run(test, given)


def test_a_wait_goes_by_nothing_from_before_it_began(given: Settings, rooms: Rooms) -> None:
    """A job that failed, was forgotten and is watched anew has not failed again, however late the reader comes by."""

    async def test(fleet: aio.Fleet) -> None:
        first = asyncio.create_task(fleet.wait([TWO]))
        await until(listening(fleet, 1))
        rooms.schedule.track([ONE])
        move(rooms, {ONE: JobStatus.FAILED})
        rooms.schedule.untrack([ONE])
        second = asyncio.create_task(fleet.wait([ONE]))  # it stands in the hub before the reader has read on
        await until(listening(fleet, 2))
        move(rooms, {ONE: JobStatus.SUCCEEDED, TWO: JobStatus.SUCCEEDED})
        assert [(await second).reached, (await first).reached] == [{ONE: "SUCCEEDED"}, {TWO: "SUCCEEDED"}]

    run(test, given)


def test_a_job_that_is_untracked_meanwhile_is_gone(given: Settings, rooms: Rooms) -> None:
    """At the next look at the ledger, which an outage brings forward."""

    async def test(fleet: aio.Fleet) -> None:
        wait = asyncio.create_task(fleet.wait([ONE]))
        await until(listening(fleet, 1))
        await fleet.untrack([ONE])
        rooms.client.client_kill_filter(_type="normal", skipme=True)
        assert (await wait) == Waited({}, [], [ONE])

    run(test, given)


def test_closing_ends_what_still_goes_on(given: Settings) -> None:
    """Waits and followers are told, and so is who comes later."""

    async def main() -> None:
        async with asyncio.timeout(LONG_S):
            async with aio.open_fleet(given) as fleet:
                wait, follower = asyncio.create_task(fleet.wait([ONE])), fleet.events()
                assert await anext(follower) is None
                await until(listening(fleet, 1))
            with pytest.raises(FleetClosed, match="closed during this wait"):
                await wait
            for late in (fleet.wait([ONE]), fleet.get([ONE]), anext(follower)):
                with pytest.raises(FleetClosed, match="within its `async with`"):
                    await late

    asyncio.run(main())


def test_errors_that_do_not_pass_reach_the_waits(tmp_path: Path, settings: Settings) -> None:
    """A Redis that wants a password from now on is no outage; one that is not there when a wait begins is one."""

    async def test(fleet: aio.Fleet) -> None:
        waits = [asyncio.create_task(fleet.wait([job_id])) for job_id in (ONE, TWO)]
        await until(listening(fleet, 2))
        client: Any = fleet._live._client
        await client.config_set("requirepass", "secret")
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        for wait in waits:
            with pytest.raises(RedisDenied, match="right user and password"):
                await wait
        await client.execute_command("AUTH", "secret")

    own = msgspec.structs.replace(
        settings, state_home=str(tmp_path), redis_server=os.environ.get("TEST_REDIS_SERVER"), redis_url=None
    )
    run(test, own)  # on the embedded server, which goes with its last user

    async def late() -> None:
        async with aio.open_fleet(msgspec.structs.replace(settings, redis_url=f"unix://{tmp_path}/nothing")) as fleet:
            with pytest.raises(RedisUnavailable):
                await fleet.wait([ONE])
            assert idle(hub_of(fleet))

    asyncio.run(late())


async def heard(transitions: AsyncIterator[Transition | None], count: int) -> list[str]:
    """The jobs of the next transitions."""
    found = list[str]()
    while len(found) < count:
        transition = await anext(transitions)
        found += [transition.job_id] if transition else []
    return found


def test_the_stream_can_be_followed(given: Settings, rooms: Rooms) -> None:
    """From a cursor on, over an outage, and not over a gap."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.RUNNING, TWO: JobStatus.RUNNING})
    first = rooms.events.read(BEGINNING)[0].cursor

    async def test(fleet: aio.Fleet) -> None:
        async with aclosing(fleet.events(first)) as follower:
            assert await heard(follower, 1) == [TWO]
            rooms.client.client_kill_filter(_type="normal", skipme=True)
            move(rooms, {ONE: JobStatus.FAILED})
            assert await heard(follower, 1) == [ONE]
        rooms.client.xtrim(rooms.keys.events, maxlen=1, approximate=False)
        with pytest.raises(EventsTrimmed):
            await anext(fleet.events(first))

    run(test, given)


def test_a_group_is_shared_with_tasks(given: Settings, rooms: Rooms) -> None:
    """What one consumer has not acknowledged is another's after a while; a cancelled step loses nothing."""
    rooms.schedule.track([ONE, TWO, THREE])
    for job_id in (ONE, TWO, THREE):
        move(rooms, {job_id: JobStatus.RUNNING})

    async def test(fleet: aio.Fleet) -> None:
        assert await heard(fleet.consume("a", after=BEGINNING), 1) == [ONE]
        async with fleet.consume("a", retry_after_s=0.2) as consumer:
            assert await heard(consumer, 3) == [ONE, TWO, THREE]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(consumer)
            move(rooms, {ONE: JobStatus.FAILED})
            assert await heard(consumer, 1) == [ONE]
            await consumer.acknowledge()
        assert [(group.name, group.pending) for group in await fleet.groups()] == [("a", 0)]
        assert await fleet.drop_group("a")

    run(test, given)


def test_as_many_commands_as_there_may_be_share_two_connections(given: Settings, rooms: Rooms) -> None:
    """A thousand tasks that read at once do not open a thousand connections."""

    async def test(fleet: aio.Fleet) -> None:
        before = len(clients(rooms))
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for job_id in make_ids(1_000):
                tasks.create_task(fleet.get([job_id]))
        assert (len(clients(rooms)) - before, time.monotonic() - started < LONG_S / 2) == (2, True)

    run(test, given)


def clients(rooms: Rooms) -> list[dict[str, str]]:
    """Who is connected."""
    found: Any = rooms.client.client_list()
    return list(found)

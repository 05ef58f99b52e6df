"""The fleet for asyncio, on a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetpoll import aio
from fleetpoll.client.hub import Hub, running
from fleetpoll.client.waiting import Arrival, Goal, Waited
from fleetpoll.errors import FleetClosed, FleetpollError, RedisDenied, RedisUnavailable, SettingsError
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from tests.ids import make_ids
from tests.integration.aio_helpers import LONG_S, cut_readers, readers, run, until
from tests.integration.cli_helpers import move

ONE, TWO, THREE = make_ids(3)
FAR = "9999999999999-0"
"""The cursor of a transition that comes after all others."""


def hub_of(fleet: aio.Fleet) -> Hub:
    """The hub, to look at what it remembers."""
    return fleet._hub


def listening(fleet: aio.Fleet, waits: int) -> Callable[[], bool]:
    """Whether so many waits are there, tracked and looked up."""
    return lambda: [wait.looked for wait in hub_of(fleet)._everybody()] == [True] * waits


def idle(hub: Hub) -> bool:
    """Whether nothing of any wait is left, and nothing runs."""
    return not (hub._waits or hub._new or running(hub._admitting) or running(hub._reading))


def test_what_is_known_can_be_read_and_changed(given: Settings, rooms: Rooms) -> None:
    """Track, get, untrack, and who is alive."""
    rooms.roster.beat("w", Facts("h", 1, 0, 5.0))

    async def test(fleet: aio.Fleet) -> None:
        assert await fleet.track(make_ids(2_345)) == 2_345
        assert await fleet.track([ONE.upper()]) == 0
        assert {s.status for s in (await fleet.get([*make_ids(1_500), make_ids(1, 9_999)[0]])).values()} == {"UNSEEN"}
        assert await fleet.untrack([ONE, TWO]) == 2
        assert await fleet.get([ONE]) == {}
        (letters,) = make_ids(1, 0x1AB)
        assert list(await fleet.get([letters.upper()])) == [letters]
        assert await fleet.untrack([letters.upper()]) == 1
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


def test_who_gets_there_in_the_moment_of_the_time_out_is_given(given: Settings) -> None:
    """A busy loop comes to the time-out and to the news in one turn: the job is there, so it is given, and all is well."""

    async def test(fleet: aio.Fleet) -> None:
        clock, arrivals = asyncio.get_running_loop().time, fleet.as_completed([ONE], timeout_s=0.2)
        step = asyncio.create_task(anext(arrivals))
        await until(listening(fleet, 1))
        after = clock() + 0.2
        event = msgspec.structs.replace(Transition.between(ONE, Snapshot(), Snapshot(JobStatus.FAILED)), cursor=FAR)
        asyncio.get_running_loop().call_at(after, hub_of(fleet)._hear, event)
        while clock() <= after:
            pass
        assert (await step).job_id == ONE
        assert [arrival async for arrival in arrivals] == []

    run(test, given)


def test_a_wait_goes_by_nothing_from_before_it_began(given: Settings, rooms: Rooms) -> None:
    """A job that failed, was forgotten and is watched anew has not failed again, however late the reader comes by."""

    async def test(fleet: aio.Fleet) -> None:
        first = asyncio.create_task(fleet.wait([TWO]))
        await until(listening(fleet, 1))
        rooms.schedule.track([ONE])
        move(rooms, {ONE: JobStatus.FAILED})
        rooms.schedule.untrack([ONE])
        (old,) = rooms.events.read(BEGINNING)
        second = asyncio.create_task(fleet.wait([ONE]))  # it stands in the hub before the reader has read on
        await until(listening(fleet, 2))
        hub_of(fleet)._hear(old)  # as a reader does that has fallen behind
        move(rooms, {ONE: JobStatus.SUCCEEDED, TWO: JobStatus.SUCCEEDED})
        assert [(await second).reached, (await first).reached] == [{ONE: "SUCCEEDED"}, {TWO: "SUCCEEDED"}]

    run(test, given)


def test_a_job_that_is_untracked_meanwhile_is_gone(given: Settings, rooms: Rooms) -> None:
    """At the next look at the ledger, which an outage brings forward."""

    async def test(fleet: aio.Fleet) -> None:
        wait = asyncio.create_task(fleet.wait([ONE]))
        await until(listening(fleet, 1))
        await fleet.untrack([ONE])
        await until(lambda: bool(readers(rooms)))
        cut_readers(rooms)
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


def test_no_wait_goes_on_in_silence_when_the_reader_has_failed(given: Settings, rooms: Rooms) -> None:
    """An entry that nobody can read is passed over; a mistake of ours ends the waits, the next begins anew."""

    async def test(fleet: aio.Fleet) -> None:
        wait = asyncio.create_task(fleet.wait([ONE]))
        await until(listening(fleet, 1))
        hub = hub_of(fleet)
        reader, hub._reader = hub._reader, None  # type: ignore[assignment] # the mistake
        rooms.client.xadd(rooms.keys.events, {"job_id": ONE})
        with pytest.raises(FleetpollError, match="given up because of an error in fleetpoll"):
            await wait
        hub._reader = reader
        move(rooms, {ONE: JobStatus.FAILED})
        assert (await fleet.wait([ONE])).reached == {ONE: JobStatus.FAILED}
        assert await fleet.wait([]) == Waited({}, [], [])

    run(test, given)

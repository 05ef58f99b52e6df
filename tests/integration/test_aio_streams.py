"""The fleet for asyncio: the stream, its consumer groups, and its connections."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from fleetpoll import aio
from fleetpoll.errors import EventsTrimmed
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.aio_helpers import LONG_S, clients, cut_readers, heard, run
from tests.integration.cli_helpers import move

ONE, TWO, THREE = make_ids(3)


def test_the_stream_can_be_followed(given: Settings, rooms: Rooms) -> None:
    """From a cursor on, over an outage, and not over a gap."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.RUNNING, TWO: JobStatus.RUNNING})
    first = rooms.events.read(BEGINNING)[0].cursor

    async def test(fleet: aio.Fleet) -> None:
        async with aclosing(fleet.events(first)) as follower:
            assert await heard(follower, 1) == [TWO]
            cut_readers(rooms)
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

"""The fleet for asyncio: one reader connection wakes ten thousand waits of one process, and no thread stands still.

async with aio.open_fleet(Settings(redis_url="redis://localhost")) as fleet:
    waited = await fleet.wait(job_ids, timeout_s=3600)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from typing import Self

from fleetpoll.client.consuming import RETRY_AFTER_S, some_name
from fleetpoll.client.fleet import redis_url
from fleetpoll.client.following import pause_s
from fleetpoll.client.given import checked, parents
from fleetpoll.client.hub import Hub
from fleetpoll.client.status import alive
from fleetpoll.client.waiting import Arrival, Goal, Roll, Waited
from fleetpoll.clock import system_mono
from fleetpoll.errors import FleetClosed, RedisUnavailable, StateError
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BLOCK_S, RECENT
from fleetpoll.state.groups import GroupFacts, Member, drop_group, groups
from fleetpoll.state.live import Live, Reader
from fleetpoll.state.roster import Beat


class Fleet:
    """Track jobs, read what is known, wait and follow, in one event loop. Made by `open_fleet`.

    Every method may raise RedisUnavailable or StateError; a wait or a follower that has begun survives a restart of Redis.
    """

    def __init__(self, live: Live, settings: Settings) -> None:
        self._live, self._settings, self._hub = live, settings, Hub(live)

    @property
    def settings(self) -> Settings:
        """What the fleet was opened with."""
        return self._settings

    async def track(self, ids: Iterable[str], *, again: bool = False, children: bool = False) -> int:
        """Start to watch jobs, as `fleetpoll.Fleet.track` does. Returns how many were new.

        Raises SettingsError, and tracks none, if one is no job id.
        """
        given = list(checked(ids))
        arrays = parents(given) if children else []
        opened = await self._live.reopen(given, self._settings.events_kept) if again else 0
        if children:
            return max(opened, await self._live.adopt(arrays))
        return opened + await self._live.track(given)

    async def untrack(self, ids: Iterable[str]) -> int:
        """Forget jobs, and the children of an array that is followed. Returns how many were known, without the children.

        Raises SettingsError, and forgets none, if one is no job id.
        """
        return await self._live.untrack(list(checked(ids)))

    async def get(self, ids: Iterable[str]) -> dict[str, Snapshot]:
        """What is known of those `ids` that are tracked, by AWS's spelling. Raises SettingsError if one is no job id."""
        return await self._live.get(list(checked(ids)))

    async def alive(self) -> list[Beat]:
        """The workers that beat lately."""
        return alive(*await self._live.beats())

    async def wait(
        self,
        ids: Iterable[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
    ) -> Waited:
        """Track the jobs if need be and wait until each has reached the goal, or is over: then it never will."""
        return await self.wait_all(ids, goal, timeout_s)

    async def wait_all(
        self,
        ids: Iterable[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
        on_each: Callable[[Arrival], None] = lambda _arrival: None,
    ) -> Waited:
        """Wait as `wait` does; `on_each` is given each job as it gets there, or is untracked meanwhile."""
        roll = Roll(checked(ids), goal)
        async with aclosing(self._hub.pages(roll, timeout_s)) as pages:
            async for page in pages:
                for arrival in page:
                    on_each(arrival)
        return roll.waited()

    def as_completed(
        self,
        ids: Iterable[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Arrival, None]:
        """Each job as it gets there, in that order; those first that are there already. Tracks the jobs if need be.

        Raises the builtin TimeoutError when the time is up before all were given, as asyncio.as_completed does.
        """
        return self._each(Roll(checked(ids), goal), timeout_s)

    async def _each(self, roll: Roll, timeout_s: float | None) -> AsyncGenerator[Arrival, None]:
        async with aclosing(self._hub.pages(roll, timeout_s)) as pages:
            async for page in pages:
                for arrival in page:
                    yield arrival
        roll.close()

    async def events(self, after: str | None = None) -> AsyncGenerator[Transition | None, None]:
        """Transitions after a cursor (None: from the first step on), for ever; None whenever a moment passed without one.

        Goes on by itself when Redis was away: the cursor holds our place. Raises EventsTrimmed when transitions after it are
        not kept any more, be it that we were overtaken. It has a connection of its own, open until it is closed.
        """
        async with aclosing(self._live.reader()) as reader:
            cursor = await self._live.end() if after is None else after
            recent = deque[str](maxlen=RECENT)
            began = False
            while True:
                try:
                    if not began:
                        recent.extend(await reader.before(cursor))
                        began = True
                    cursor, page = await reader.read_on(cursor, BLOCK_S, recent)
                except RedisUnavailable:
                    await asyncio.sleep(pause_s())
                    page = []
                recent.extend(transition.cursor for transition in page)
                for transition in page:
                    yield transition
                if not page:
                    yield None

    def consume(
        self, group: str, consumer: str = "", *, after: str | None = None, retry_after_s: float = RETRY_AFTER_S
    ) -> Consumer:
        """Share transitions with the other consumers of a group, as `fleetpoll.Fleet.consume` does; on its own connection.

        The group is made with the first step, if it is not there.
        """
        member = Member(self._live.keys, group, consumer or some_name(), after, retry_after_s, system_mono)
        return Consumer(self._live.reader(), member)

    async def groups(self) -> list[GroupFacts]:
        """The consumer groups that there are."""
        return await self._live.perform(groups(self._live.keys))

    async def drop_group(self, name: str) -> bool:
        """Forget a consumer group and what it has read. Returns whether there was one."""
        return await self._live.perform(drop_group(self._live.keys, name))

    async def _close(self) -> None:
        await self._hub.close()
        await self._live.aclose()


class Consumer:
    """The transitions of one consumer, as those of `fleetpoll.client.consuming.Consumer`, for `async for`."""

    def __init__(self, reader: Reader, member: Member) -> None:
        self._reader, self._member = reader, member

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> Transition | None:
        """The next one; None if a moment passed without one. Goes on by itself when Redis was away."""
        try:
            return await self._reader.perform(self._member.advance())
        except RedisUnavailable:
            await asyncio.sleep(pause_s())
            return None

    async def acknowledge(self) -> None:
        """Do not give the last one again. Needed only before the loop is left: it goes without saying otherwise."""
        await self._reader.perform(self._member.acknowledge())

    async def aclose(self) -> None:
        """Leave the group and close the connection. What was not acknowledged stays to be given again."""
        try:
            with suppress(StateError, FleetClosed):
                await self._reader.perform(self._member.leave())
        finally:
            await self._reader.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the group."""
        await self.aclose()


@asynccontextmanager
async def open_fleet(settings: Settings) -> AsyncIterator[Fleet]:
    """A fleet by its settings, on the embedded server when no redis_url is set.

    Closed at the end of the block; waits that are still going on then end with FleetClosed.
    """
    loop, door = asyncio.get_running_loop(), ExitStack()
    thread = ThreadPoolExecutor(1)  # one: the door is closed after it was opened, even if we are cancelled meanwhile
    try:
        url = await loop.run_in_executor(thread, door.enter_context, redis_url(settings))
        fleet = Fleet(Live(url, settings.fleet, settings.replicas_acked), settings)
        try:
            yield fleet
        finally:
            await fleet._close()  # noqa: SLF001 - nobody else is to close it
    finally:
        await loop.run_in_executor(thread, door.close)
        thread.shutdown(wait=False)

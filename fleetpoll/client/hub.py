"""Wakes all the waits of one process: one reader of the stream on one connection, however many wait.

Waits that begin together are tracked and looked up together. The cursor is taken before the look at the ledger, so that
nothing falls in between, and a wait goes by no transition from before its own cursor, however far behind the reader is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

from fleetpoll.client.waiting import RECHECK_S, Arrival, Roll
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import FleetClosed, FleetpollError, RedisUnavailable
from fleetpoll.jobs import Transition
from fleetpoll.state.events import BLOCK_S, heard, place
from fleetpoll.state.live import Live

PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 2.0
"""Between two tries to reach a Redis that is away; doubled each time and jittered, for hubs are in many processes."""

Place = tuple[int, int]


class Wait:
    """One task's wait, as the hub knows it."""

    __slots__ = ("_bell", "_error", "_news", "looked", "roll", "since")

    def __init__(self, roll: Roll) -> None:
        self.roll = roll
        self.since: Place | None = None  # the hub's reader was or will be there before the look at the ledger
        self.looked = False  # its jobs are tracked: who is not in the ledger now is gone
        self._news: list[Arrival] | None = None
        self._bell: asyncio.Future[None] | None = None
        self._error: FleetpollError | None = None

    @property
    def over(self) -> bool:
        """Whether everybody is there, and has been told of."""
        return not self.roll.pending and self._news is None

    async def news(self) -> list[Arrival]:
        """Who got there since this was asked last; the first answer is who was there already, be it nobody.

        Raises what ended the wait.
        """
        while self._news is None:
            if self._error is not None:
                raise type(self._error)(str(self._error)) from self._error  # one of its own: thousands may get it
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell
        return self.last_news()

    def last_news(self) -> list[Arrival]:
        """Who got there since this was asked last, as far as it is known by now."""
        news, self._news = self._news or [], None
        return news

    def tell(self, arrivals: Sequence[Arrival]) -> None:
        """Somebody got there."""
        if self._news is None:
            self._news = []
        self._news += arrivals
        self._ring()

    def end(self, error: FleetpollError) -> None:
        """It cannot go on."""
        self._error = error
        self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)


class Hub:
    """The waits of one process for the jobs of one fleet."""

    def __init__(self, live: Live, mono: Mono = system_mono) -> None:
        self._live, self._mono, self._rng = live, mono, Random()
        self._reader = live.reader()
        self._waits: dict[str, set[Wait]] = {}  # by job id; each pending job of each wait
        self._new: dict[Wait, None] = {}  # those of them that are to be tracked and looked up
        self._admitting: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def pages(self, roll: Roll, timeout_s: float | None) -> AsyncGenerator[list[Arrival], None]:
        """Who is there, page by page: first who was there already, if anybody, then those who get there.

        Tracks the jobs that are not tracked yet. Ends with the last of them, or when the time is up.
        """
        if not roll.pending:
            return
        until = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        with self.joined(roll) as wait:
            yield await wait.news()
            while not wait.over:
                try:
                    async with asyncio.timeout_at(until):
                        page = await wait.news()
                except TimeoutError:
                    if page := wait.last_news():  # told after the time-out, and before we came to run
                        yield page
                    return
                yield page

    @contextmanager
    def joined(self, roll: Roll) -> Iterator[Wait]:
        """A wait for as long as the block lasts. However it ends, nothing of it stays."""
        wait = Wait(roll)
        for job_id in roll.pending:
            self._waits.setdefault(job_id, set()).add(wait)
        self._new[wait] = None
        if not running(self._admitting):
            self._admitting = self._start(self._admit())
        try:
            yield wait
        finally:
            self._new.pop(wait, None)
            self._forget(wait, list(roll.pending))

    async def close(self) -> None:
        """End all waits, with FleetClosed."""
        self._fail(FleetClosed("The fleet was closed during this wait."), self._everybody())
        tasks = [task for task in (self._admitting, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reader.aclose()

    async def _admit(self) -> None:
        """Track the jobs of the new waits and look them up, until there are no new waits."""
        while self._new:
            waits = list(self._new)
            self._new.clear()
            try:
                cursor = await self._live.end()
                for wait in waits:
                    wait.since = place(cursor)
                if not running(self._reading):
                    self._reading = self._start(self._read(cursor))
                await self._live.track(pending_of(waits))
                await self._look(waits)
            except FleetpollError as error:
                self._fail(error, waits)

    async def _read(self, cursor: str) -> None:
        """Read the stream from the cursor on for as long as somebody waits, over restarts of Redis."""
        pause_s, recheck = PAUSE_MIN_S, self._mono() + RECHECK_S
        while self._waits:
            try:
                if self._mono() >= recheck:
                    await self._look([wait for wait in self._everybody() if wait.looked])
                    recheck = self._mono() + RECHECK_S
                entries = await self._reader.read(cursor, block_s=BLOCK_S)
                for event in heard(entries, self._waits):
                    self._hear(event)
                cursor = entries[-1][0] if entries else cursor
                pause_s = PAUSE_MIN_S
            except RedisUnavailable:
                recheck = self._mono()  # what Redis had not written to its disk may be told only by the ledger
                await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            except FleetpollError as error:
                self._fail(error, self._everybody())
                return

    def _hear(self, event: Transition) -> None:
        at = place(event.cursor)
        for wait in list(self._waits.get(event.job_id, ())):  # its waits may have ended by an earlier one of this page
            if wait.since is not None and wait.since < at and (arrival := wait.roll.hear(event)):
                self._forget(wait, [event.job_id])
                wait.tell([arrival])

    async def _look(self, waits: Sequence[Wait]) -> None:
        """Go by the ledger for everybody who is pending in these waits, all of which are tracked."""
        known = await self._live.get(pending_of(waits))
        for wait in waits:
            arrivals = wait.roll.look(known)
            if arrivals or not wait.looked:
                wait.looked = True
                self._forget(wait, [arrival.job_id for arrival in arrivals])
                wait.tell(arrivals)

    def _forget(self, wait: Wait, ids: Iterable[str]) -> None:
        for job_id in ids:
            waits = self._waits.get(job_id, set())
            waits.discard(wait)
            if not waits:
                self._waits.pop(job_id, None)

    def _everybody(self) -> list[Wait]:
        return list({wait: None for waits in self._waits.values() for wait in waits})

    def _fail(self, error: FleetpollError, waits: Iterable[Wait]) -> None:
        for wait in waits:
            wait.end(error)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An end by an exception that nobody foresaw is told to all who would wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = FleetpollError(f"The wait was given up because of an error in fleetpoll: {error!r}.")
            failure.__cause__ = error
            self._fail(failure, self._everybody())


def running(task: asyncio.Task[None] | None) -> bool:
    """Whether a task is at work."""
    return task is not None and not task.done()


def pending_of(waits: Iterable[Wait]) -> list[str]:
    """The ids that are pending in some of the waits, each once."""
    return list(dict.fromkeys(job_id for wait in waits for job_id in wait.roll.pending))

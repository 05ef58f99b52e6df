"""A thread that waits for jobs by following the stream. It makes no DescribeJobs, and no restart of Redis costs it news."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fleetpoll.client.following import pause_s
from fleetpoll.client.waiting import RECHECK_S, Arrival, Roll
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable
from fleetpoll.state.events import BLOCK_S
from fleetpoll.state.rooms import Rooms


class Waiter:
    """One wait, for the jobs of one roll."""

    def __init__(self, rooms: Rooms, roll: Roll, mono: Mono = system_mono) -> None:
        self._rooms, self._roll, self._mono = rooms, roll, mono
        self._cursor, self._recheck = "", 0.0

    def pages(self, timeout_s: float | None = None) -> Iterator[list[Arrival]]:
        """Who is there, page by page: first who was there already, if anybody, then those who get there.

        Tracks the jobs that are not tracked yet. Ends with the last of them, or when the time is up.
        """
        until = None if timeout_s is None else self._mono() + timeout_s
        self._cursor = self._rooms.events.end()  # before the look at the ledger, so that nothing falls between the two
        self._rooms.schedule.track(list(self._roll.pending))
        yield self._look()
        while self._roll.pending and (until is None or self._mono() < until):
            block_s = BLOCK_S if until is None else max(0.001, min(BLOCK_S, until - self._mono()))
            try:
                page = self._look() if self._mono() >= self._recheck else self._read(block_s)
            except RedisUnavailable:
                self._recheck = self._mono()  # what Redis had not written to its disk may be told only by the ledger
                time.sleep(min(pause_s(), block_s))
                continue
            if page:
                yield page

    def each(self, timeout_s: float | None = None) -> Iterator[Arrival]:
        """Who is there, one by one. Raises TimeoutError if the time is up before all are."""
        for page in self.pages(timeout_s):
            yield from page
        self._roll.close()

    def _read(self, block_s: float) -> list[Arrival]:
        self._cursor, events = self._rooms.events.read_for(self._roll.pending, self._cursor, block_s=block_s)
        return [arrival for event in events if (arrival := self._roll.hear(event))]

    def _look(self) -> list[Arrival]:
        page = self._roll.look(self._rooms.ledger.get(list(self._roll.pending)))
        self._recheck = self._mono() + RECHECK_S
        return page

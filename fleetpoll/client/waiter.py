"""A thread that waits for jobs by following the stream. It makes no DescribeJobs, and no restart of Redis costs it news."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from fleetpoll.client.ear import Ear, Listener
from fleetpoll.client.following import pause_s
from fleetpoll.client.waiting import RECHECK_S, Arrival, Roll
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable
from fleetpoll.state.rooms import Rooms


class Waiter:
    """One wait, for the jobs of one roll. Those of a fleet in one process share an ear."""

    def __init__(self, rooms: Rooms, roll: Roll, ear: Ear | None = None, mono: Mono = system_mono) -> None:
        self._rooms, self._roll, self._mono = rooms, roll, mono
        self._ear = ear or Ear(rooms.events)
        self._listener, self._recheck = Listener(roll), 0.0

    def pages(self, timeout_s: float | None = None) -> Iterator[list[Arrival]]:
        """Who is there, page by page: first who was there already, if anybody, then those who get there.

        Tracks the jobs that are not tracked yet. Ends with the last of them, or when the time is up.
        """
        until = math.inf if timeout_s is None else self._mono() + timeout_s
        try:
            self._ear.join(self._listener)
            self._rooms.schedule.track(list(self._roll.pending))
            yield self._look()
            while (self._roll.pending or self._listener.news) and self._mono() < until:
                wait_s = max(0.001, min(self._recheck, until) - self._mono())
                try:
                    page = self._look() if self._mono() >= self._recheck else self._ear.listen(self._listener, wait_s)
                except RedisUnavailable:
                    self._recheck = self._mono()  # what Redis had not written to its disk may be told only by the ledger
                    time.sleep(max(0.0, min(pause_s(), until - self._mono())))
                    continue
                if page:
                    yield page
            if self._listener.news:  # told after the time was up
                yield self._listener.news
        finally:
            self._ear.leave(self._listener)

    def each(self, timeout_s: float | None = None) -> Iterator[Arrival]:
        """Who is there, one by one. Raises TimeoutError if the time is up before all are."""
        for page in self.pages(timeout_s):
            yield from page
        self._roll.close()

    def _look(self) -> list[Arrival]:
        page = self._ear.look(self._listener, self._rooms.ledger.get(list(self._roll.pending)))
        self._recheck = self._mono() + RECHECK_S
        return page

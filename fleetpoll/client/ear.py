"""One reader of the stream for all threads of a process that wait on one fleet: whoever waits reads for everybody.

There is no thread of its own. One of those that stand in line reads a page, rings those it concerns, and leaves the next
page to another: nobody who is busy with what he was told holds the others up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence

from fleetpoll.client.waiting import Arrival, Roll
from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import Snapshot, Transition
from fleetpoll.state.events import Events, place

Place = tuple[int, int]


class Listener:
    """One wait, as the ear knows it."""

    __slots__ = ("bell", "missed", "news", "reads", "roll", "since")

    def __init__(self, roll: Roll) -> None:
        self.roll = roll
        self.since: Place | None = None  # it goes by nothing from before
        self.news: list[Arrival] = []
        self.missed = False  # Redis was away meanwhile: the ledger is to be asked
        self.reads = False  # it is its turn to read
        self.bell = threading.Event()


class Ear:
    """Those of one process who wait for jobs of one fleet."""

    def __init__(self, events: Events) -> None:
        self._events, self._pid = events, os.getpid()
        self._lock = threading.RLock()  # a wait that is thrown away may leave in the middle of anything
        self._by_job: dict[str, set[Listener]] = {}
        self._line: dict[Listener, None] = {}  # who stands still until he is rung
        self._cursor = ""
        self._read = False  # somebody reads

    def join(self, listener: Listener) -> None:
        """Listen for the jobs of its roll from now on; to be called before the ledger is looked at."""
        self._survive_fork()
        with self._lock:
            if not self._by_job:
                self._cursor = ""  # where the last one left off may be long ago
            for job_id in listener.roll.pending:
                self._by_job.setdefault(job_id, set()).add(listener)
        end = self._events.end()
        with self._lock:
            listener.since = place(end)
            self._cursor = self._cursor or end  # what others have read meanwhile, the ledger knows by now

    def leave(self, listener: Listener) -> None:
        """Listen no more."""
        with self._lock:
            self._forget(listener, list(listener.roll.pending))

    def look(self, listener: Listener, known: Mapping[str, Snapshot]) -> list[Arrival]:
        """Go by what the ledger knows of all that are pending, unless the stream has told of them meanwhile."""
        with self._lock:
            arrivals = listener.roll.look(known)
            self._forget(listener, [arrival.job_id for arrival in arrivals])
        return arrivals

    def listen(self, listener: Listener, wait_s: float) -> list[Arrival]:
        """Who got there, waiting about so long for the first. Raises RedisUnavailable, to all who wait, if it was away."""
        self._survive_fork()
        with self._lock:
            if not listener.news and not listener.missed:
                listener.bell.clear()
                if self._read:
                    self._line[listener] = None
                else:
                    self._read = listener.reads = True
        try:
            if not listener.reads:
                listener.bell.wait(wait_s)  # it is rung already for whoever has news
            if listener.reads:
                self._hear(*self._events.read_for(self._by_job, self._cursor, block_s=wait_s))
        except RedisUnavailable:
            self._miss()
        finally:
            self._step_aside(listener)
        return self._told(listener)

    def _survive_fork(self) -> None:
        """In a process that was forked there is no thread that would read, or give the lock back."""
        if self._pid != os.getpid():
            self._lock, self._line, self._read = threading.RLock(), {}, False
            self._pid = os.getpid()

    def _hear(self, cursor: str, events: Sequence[Transition]) -> None:
        """Tell everybody what concerns them."""
        with self._lock:
            self._cursor = cursor
            for event in events:
                at = place(event.cursor)
                for listener in list(self._by_job.get(event.job_id, ())):
                    if listener.since is not None and listener.since < at and (arrival := listener.roll.hear(event)):
                        self._forget(listener, [event.job_id])
                        listener.news.append(arrival)
                        listener.bell.set()

    def _miss(self) -> None:
        """Redis is away: nobody is to rely on the stream alone."""
        with self._lock:
            for listener in {one for listeners in self._by_job.values() for one in listeners}:
                listener.missed = True
                listener.bell.set()

    def _step_aside(self, listener: Listener) -> None:
        """Out of the line; if it was its turn to read, it is the next one's."""
        with self._lock:
            self._line.pop(listener, None)
            if listener.reads:
                listener.reads = False
                following = next(iter(self._line), None)
                self._read = following is not None
                if following is not None:
                    del self._line[following]
                    following.reads = True
                    following.bell.set()

    def _told(self, listener: Listener) -> list[Arrival]:
        with self._lock:
            news, listener.news = listener.news, []
            missed, listener.missed = listener.missed and not news, listener.missed and bool(news)
        if missed:
            raise RedisUnavailable("Redis was away for a moment.")
        return news

    def _forget(self, listener: Listener, ids: Iterable[str]) -> None:
        for job_id in ids:
            listeners = self._by_job.get(job_id, set())
            listeners.discard(listener)
            if not listeners:
                self._by_job.pop(job_id, None)

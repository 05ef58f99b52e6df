"""The one reader of a fleet: keeps its index fresh, and tells browsers what happens.

In turns, in a thread of its own: what the stream has, then a step of the chore that is under way. The first round through
the ledger fills the index; later ones find what the stream does not tell, jobs that were tracked or untracked. They begin
when the ledger has another size than the index, or after a while. Chores rest as long as they work.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import structlog

from fleetpoll.client.following import pause_s
from fleetpoll.dashboard.catalogue import STEPS_MAX, Catalogue
from fleetpoll.dashboard.streams import Streams, encode
from fleetpoll.errors import EventsTrimmed, RedisUnavailable, StateError
from fleetpoll.state.census import Census
from fleetpoll.state.events import RECENT
from fleetpoll.state.rooms import Rooms

BLOCK_S = 1.0
GATHER_S = 0.2
"""How long news are let gather: a page for many costs little more than a page for one."""
SIZE_EVERY_S = 5.0
ROUND_EVERY_S = 600.0
REST = 1.0
"""How long a chore rests after each step, as a multiple of what the step took."""
SHARE, SHARE_BUSY = 0.003, 0.03
"""Rounds that only make sure take no more of a core than this, and those because the ledger has another size."""
STEP_IDS = 500
BACK = 1_000
DENIED_S = 5.0

log = structlog.get_logger("dashboard")


class Follower:
    """Follows one fleet until it is told to stop."""

    def __init__(self, rooms: Rooms, streams: Streams) -> None:
        self.catalogue, self.indexed, self.complete = Catalogue(), 0.0, False
        self.ready, self.done = threading.Event(), threading.Event()  # the first round is done, and all that is done once
        self._reading = threading.Lock()  # from a record's reading to its place in the index: no older one comes later
        self._census, self._events, self._streams = Census(rooms.client, rooms.keys), rooms.events, streams
        self._stop = threading.Event()
        self._turn = 0
        self.cursor, self._back_from, self._recent = "", "", deque[str](maxlen=RECENT)
        self._chore: Iterator[None] | None = None
        self._next_size, self._next_round = 0.0, 0.0
        self._thread = threading.Thread(target=self._run, name=f"follower {rooms.keys.fleet}", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float = 0.0) -> None:
        """End with the step that is under way; wait so long for that."""
        self._stop.set()
        self._thread.join(wait_s)

    def renew(self, ids: list[str]) -> None:
        """Read jobs anew. From any thread; raises StateError."""
        with self._reading:
            records = self._census.get(ids)
            self.catalogue.put(records, self._turn)
            self.catalogue.forget(job_id for job_id in ids if job_id not in records)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._go_on()
        finally:
            self.catalogue.close()

    def _go_on(self) -> None:
        """A turn, and what is to be done when it fails."""
        try:
            if not self.cursor:
                self._begin()
            self._take_turn()
        except EventsTrimmed as error:  # the ledger knows how things stand
            log.warning("The dashboard was overtaken by the stream, and reads the ledger anew.", error=str(error))
            self._streams.tell("trouble", encode({"error": str(error)}))
            self.cursor, self.complete = "", False
        except RedisUnavailable:
            self._chore = self._chores()  # what it had not written to its disk is lost
            self._stop.wait(pause_s())
        except StateError as error:
            log.warning("The dashboard cannot read the fleet.", error=str(error))
            self._chore = self._chores()
            self._stop.wait(DENIED_S)
        except Exception:  # a full disk, or a bug, which must not stop the news
            log.exception("The dashboard's index failed, and is made anew.")
            failed, self.catalogue = self.catalogue, Catalogue()
            failed.close()
            self.indexed, self.cursor = 0.0, ""
            self._stop.wait(DENIED_S)

    def _begin(self) -> None:
        """Follow from now on, and go through the ledger."""
        cursor = self._events.end()
        self._recent.clear()
        self._recent.extend(self._events.before(cursor))
        self.cursor = cursor
        self._chore, self._back_from = self._chores(), cursor

    def _chores(self) -> Iterator[None]:
        """All that is to be done once: the index, then the timelines."""
        yield from self._round()
        if not self.complete:
            yield from self._look_back(self._back_from)
        self.done.set()

    def _take_turn(self) -> None:
        self.cursor, page = self._events.read_on(self.cursor, 0.0 if self._chore else BLOCK_S, self._recent)
        if page:
            self._recent.extend(step.cursor for step in page)
            ids = list({step.job_id for step in page})
            self.renew(ids)
            self.catalogue.note(page)
            self._streams.tell_steps(page)
            if len(page) < BACK and not self._chore:
                self._stop.wait(GATHER_S)
        now = time.monotonic()
        if self._chore is None and self._round_is_due(now):
            self._chore = self._round()
        if self._chore is not None:
            self._step(self._chore, now)

    def _step(self, chore: Iterator[None], began: float) -> None:
        if next(chore, self) is self:
            self._chore = None
        self._stop.wait((time.monotonic() - began) * REST)

    def _round_is_due(self, now: float) -> bool:
        if now < self._next_size:
            return False
        self._next_size = now + SIZE_EVERY_S
        return now >= self._next_round or self._census.size() != len(self.catalogue)

    def _round(self) -> Iterator[None]:
        """Go once through the ledger, and then look after those jobs that were not seen there."""
        self._turn += 1
        size, seen, worked_s, cursor = self._census.size(), 0, 0.0, -1
        while cursor != 0:
            began = time.thread_time()
            with self._reading:
                cursor, records = self._census.page(max(cursor, 0))
                self.catalogue.put(records, self._turn)
            seen += len(records)
            self.indexed = max(self.indexed, min(0.999, seen / max(1, size)))
            worked_s += time.thread_time() - began
            yield
        row = 0
        while missed := self.catalogue.missed(self._turn, row, STEP_IDS):
            row = missed[-1][0]
            self.renew([job_id for _, job_id in missed])
            yield
        self.indexed = 1.0
        self.ready.set()
        now = time.monotonic()
        self._next_size = now + max(SIZE_EVERY_S, worked_s / SHARE_BUSY)  # where jobs come and go it always differs
        self._next_round = now + max(ROUND_EVERY_S, worked_s / SHARE)

    def _look_back(self, cursor: str) -> Iterator[None]:
        """Read what had happened before, newest first, as far as timelines go back."""
        had, page = 0, self._census.steps_until(cursor, BACK)
        while page and had < STEPS_MAX:
            self.catalogue.note(page)
            had += len(page)
            yield
            page = self._census.steps_until(f"({page[-1].cursor}", BACK)
        self.complete = not page

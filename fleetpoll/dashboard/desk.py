"""Everything that is shown of one fleet. The index is there while somebody looks at jobs, and some minutes longer."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import alive, public_beat
from fleetpoll.dashboard.asked import Query
from fleetpoll.dashboard.columns import columns
from fleetpoll.dashboard.follower import Follower
from fleetpoll.dashboard.links import console_url, log_url, region_of
from fleetpoll.dashboard.pulse import Pulse
from fleetpoll.dashboard.streams import Step, Streams, step_of
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import Snapshot, as_job_id, seconds
from fleetpoll.settings import Settings
from fleetpoll.state.census import Census
from fleetpoll.state.events import place
from fleetpoll.state.records import record
from fleetpoll.state.rooms import open_rooms
from fleetpoll.state.roster import OrderKind

IDLE_S = 600.0
READY_S = 0.4
"""How long a page waits for an index that was begun only now: that of a small fleet is there by then."""
TRIES = 3
TIMELINE_MAX = 1_000
LOOK_BACK = 1_000
"""So many transitions are looked through for those that a browser has missed."""
STOP_S = 0.3


class Desk:
    """One fleet. Its methods may wait for Redis, and raise StateError."""

    def __init__(self, settings: Settings, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.settings, self.streams = settings, Streams(loop)
        self._rooms = open_rooms(url, settings)
        self._fleet, self._census = Fleet(self._rooms, settings), Census(self._rooms.client, self._rooms.keys)
        self._follower: Follower | None = None
        self._lock, self._looked_at = threading.Lock(), time.monotonic()
        self.pulse = Pulse(self._fleet, self.streams, self._newest)

    def history(self, minutes: int) -> dict[str, Any]:
        """The last minutes as columns."""
        since_ms = self._rooms.roster.now_ms() - minutes * 60_000
        return columns(self._fleet.history(since_ms=since_ms))

    def workers(self) -> list[dict[str, Any]]:
        """Those on the roster."""
        beats = self._fleet.workers()
        living = {beat.worker_id for beat in alive(beats, self._rooms.roster.now_ms())}
        return [public_beat(beat) | {"silent": beat.worker_id not in living} for beat in beats]

    def events(self, count: int) -> list[dict[str, Any]]:
        """The latest transitions, newest first."""
        return [step.public() for step in self._rooms.events.recent(count)]

    def jobs(self, query: Query) -> dict[str, Any]:
        """A page of the table. What is shown is what the ledger says now, and fits what was asked for."""
        follower, shown = self.follower(), dict[str, Snapshot]()
        follower.ready.wait(READY_S)
        self._census.size()  # a page without jobs never means that Redis is away
        for _ in range(TRIES):
            found = follower.catalogue.page(query)
            records = self._census.get(found.ids)
            shown = {job_id: record(records[job_id]) for job_id in found.ids if job_id in records}
            if len(shown) == len(found.ids) and all(fits(query, job) for job in shown.values()):
                break
            follower.renew(found.ids)
        return {
            "indexed": follower.indexed,
            "total": found.total,
            "capped": found.capped,
            "page": query.page,
            "size": query.size,
            "jobs": [job.public(job_id) for job_id, job in shown.items() if fits(query, job)],
        }

    def job(self, given: str) -> dict[str, Any] | None:
        """All that is known of one job; None if it is not tracked. Raises SettingsError for what is no id."""
        job_id = as_job_id(given)
        if job_id is None:
            raise SettingsError("That is no job id: give a UUID, UUID:index or UUID#node.")
        follower, known = self.follower(), self._fleet.get([job_id]).get(job_id)
        if known is None:
            return None
        follower.done.wait(READY_S)
        foretold = None if known.status.terminal else self._fleet.expected_end(known)
        region = region_of(self.settings, os.environ)
        return known.public(job_id) | {
            "timeline": [step.public() for step in follower.catalogue.timeline(job_id, TIMELINE_MAX)],
            "timeline_complete": follower.complete,
            "expected_end": None if foretold is None else seconds(foretold.p50_ms or 0),
            "log_url": log_url(known, region),
            "console_url": console_url(job_id, region),
        }

    def missed(self, cursor: str) -> list[Step]:
        """What a browser has missed that knows all up to a cursor, oldest first, as far as it is not too much."""
        since = place(cursor)
        return [step_of(step) for step in reversed(self._rooms.events.recent(LOOK_BACK)) if place(step.cursor) > since]

    def control(self, action: str, value: float | None) -> None:
        """Do as the operator says. Raises SettingsError."""
        bucket, fleet = self._fleet.bucket(), self._fleet
        if action == "pin":
            if value is None:
                raise SettingsError('Give the rate to pin as "value", in calls a second.')
            bucket.pin(value)
        else:
            orders: dict[str, Callable[[], None]] = {
                "pause": lambda: bucket.pause(True),
                "resume": lambda: bucket.pause(False),
                "unpin": lambda: bucket.pin(None),
                "drain": lambda: fleet.order(OrderKind.DRAIN),
                "undrain": lambda: fleet.order(None),
            }
            if action not in orders:
                raise SettingsError(f"No action is called that: there are pin, {', '.join(orders)}.")
            orders[action]()
        self.pulse.forget()

    def follower(self) -> Follower:
        """The reader of the fleet, started if need be: somebody looks."""
        with self._lock:
            self._looked_at = time.monotonic()
            if self._follower is None:
                self._follower = Follower(self._rooms, self.streams)
            return self._follower

    def rest(self) -> None:
        """Let the reader go, if nobody has looked for long."""
        with self._lock:
            if self._follower and not self.streams and time.monotonic() - self._looked_at > IDLE_S:
                self._follower.stop()
                self._follower = None

    def close(self) -> None:
        """End everything."""
        self.pulse.stop()
        with self._lock:
            if self._follower:
                self._follower.stop(STOP_S)
                self._follower = None
        self._rooms.close()

    def _newest(self) -> str:
        """The cursor of the newest transition that the reader has seen; '' if there is no reader."""
        return self._follower.cursor if self._follower else ""


def fits(query: Query, job: Snapshot) -> bool:
    """Whether a job belongs into a table of these statuses."""
    return not query.statuses or job.status in query.statuses

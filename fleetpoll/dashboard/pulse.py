"""How a fleet stands, read at most so often however many ask; and once a second for browsers that follow it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import FleetStatus, Lag, public_beat
from fleetpoll.dashboard.columns import row
from fleetpoll.dashboard.streams import Streams, encode
from fleetpoll.errors import RedisDenied, StateError
from fleetpoll.figures import points
from fleetpoll.text import masked

log = structlog.get_logger("dashboard")

BEAT_S = 1.0
FRESH_S = 0.5
RECENT = 500
"""How many of the last transitions the lag is taken from."""
POINT_EVERY_S = 2.0


class Pulse:
    """The status of one fleet."""

    def __init__(self, fleet: Fleet, streams: Streams, newest: Callable[[], str]) -> None:
        self._fleet, self._streams, self._newest = fleet, streams, newest
        self._lock, self._read_at = threading.Lock(), -FRESH_S
        self._status: dict[str, Any] = {}
        self._failure: StateError | None = None
        self._lag: tuple[str, Lag] | None = None
        self._stop = threading.Event()
        self._told_ms, self._next_point = 0, 0.0
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """As `/api/status` gives it; not older than half a second. Raises StateError.

        A failure is told to all who have waited for it: one that takes as long as a reply is waited for, once for each of
        them in turn, would hold up everybody for minutes.
        """
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                try:
                    self._status, self._failure = self._read(), None
                except StateError as error:
                    self._failure = error
                self._read_at = time.monotonic()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._status

    def forget(self) -> None:
        """Something was changed: the next who asks is to see it."""
        with self._lock:
            self._read_at = -FRESH_S

    def stop(self) -> None:
        """Tell nobody any more."""
        self._stop.set()

    def _read(self) -> dict[str, Any]:
        seen = self._seen()
        living = {beat.worker_id for beat in seen.alive}
        try:
            due: int | None = self._fleet.due()
        except RedisDenied:  # a user that an older release has made: all else is its right
            due = None
        silent = [public_beat(beat) for beat in seen.workers if beat.worker_id not in living]
        return seen.public() | {"now": seen.now_ms / 1000, "silent": silent, "due": due, "redis": {"answers": True}}

    def _seen(self) -> FleetStatus:
        """The status; the lag is read again only if there is a transition that it does not know."""
        newest = self._newest()
        if newest and self._lag is not None and self._lag[0] == newest:
            return dataclasses.replace(self._fleet.status(1), lag=self._lag[1])
        seen = self._fleet.status(RECENT)
        self._lag = (newest, seen.lag)
        return seen

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            if len(self._streams):
                try:
                    self._tell()
                except Exception:  # a bug, which must not leave the pages with what they have been told before
                    log.exception("The dashboard could not tell how the fleet stands.")

    def message(self) -> tuple[str, bytes]:
        """How things stand, as browsers that follow are told it: the status, or the trouble with Redis."""
        try:
            return "status", encode(self.status())
        except StateError as error:
            return trouble(error)

    def _tell(self) -> None:
        self._streams.tell(*self.message())
        if time.monotonic() >= self._next_point:
            self._next_point = time.monotonic() + POINT_EVERY_S
            try:
                self._tell_point()
            except StateError as error:
                self.forget()
                self._streams.tell(*trouble(error))

    def _tell_point(self) -> None:
        """The last row of history, if it was not told yet."""
        since_ms = round(float(self.status()["now"]) * 1000) - 60_000
        last = list(points(self._fleet.history(since_ms)))[-1:]
        if last and last[0].at_ms > self._told_ms:
            self._told_ms = last[0].at_ms
            self._streams.tell("point", encode(row(last[0])))


def trouble(error: StateError) -> tuple[str, bytes]:
    """That Redis does not answer, or refuses, as a message."""
    return "trouble", encode({"error": masked(str(error))})

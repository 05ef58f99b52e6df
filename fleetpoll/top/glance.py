"""What is shown of a fleet at one moment, and who reads it: a dozen commands a look, none of which grows with the jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import FleetStatus, moment_of
from fleetpoll.errors import RedisDenied
from fleetpoll.figures import Point, Sample, point
from fleetpoll.jobs import Snapshot, Transition

WINDOW_MS = 300_000
"""How far back the sparklines go."""
NOW_MS = 10_000
"""What figures of now are taken from."""
PAGE = 50
"""Transitions that are read with each look: more at once nobody can read either."""
FEED_KEPT = 500
JOBS = 300
"""Jobs that are listed: whichever the ledger gives first."""


@dataclass(frozen=True, slots=True)
class View:
    """A fleet at one moment, what led to it, and its transitions, newest first."""

    status: FleetStatus
    points: tuple[Point, ...]
    now: Point | None  # the last ten seconds; None with the first look of a fleet that has no history
    due: int | None  # None: this user may not ask
    feed: tuple[Transition, ...]


class Watcher:
    """Looks at a fleet again and again, and remembers some minutes of it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._samples, self._points = deque[Sample](), deque[Point]()  # a point for each sample but the first
        self._feed = deque[Transition](maxlen=FEED_KEPT)
        self._begun = False

    def look(self) -> View:
        """The fleet as it is now. Raises StateError."""
        status = self._fleet.status(1)
        if not self._begun:
            for sample in self._fleet.history(status.now_ms - WINDOW_MS):
                self._remember(sample)
            self._heard(self._fleet.rooms.events.recent(FEED_KEPT))
            self._begun = True
        self._remember(moment_of(status, self._fleet.figures()))
        self._heard(self._fleet.rooms.events.recent(PAGE))
        return View(
            status=status,
            points=tuple(self._points),
            now=self._since(NOW_MS),
            due=self._due(),
            feed=tuple(self._feed),
        )

    def jobs(self) -> list[tuple[str, Snapshot]]:
        """Some jobs. Raises StateError."""
        return list(self._fleet.jobs(limit=JOBS))

    def _due(self) -> int | None:
        try:
            return self._fleet.due()
        except RedisDenied:  # a user that an older release has made: all else is its right
            return None

    def _remember(self, sample: Sample) -> None:
        """The newest sample; a clock that was set back begins a new memory."""
        if self._samples and sample.at_ms <= self._samples[-1].at_ms:
            self._samples.clear()
            self._points.clear()
        if self._samples:
            self._points.append(point(self._samples[-1], sample))
        self._samples.append(sample)
        while self._samples[0].at_ms < sample.at_ms - WINDOW_MS:
            self._samples.popleft()
            self._points.popleft()

    def _since(self, span_ms: int) -> Point | None:
        """What happened in the last `span_ms`, or in as much of it as is known."""
        newest = self._samples[-1]
        first = next(sample for sample in self._samples if sample.at_ms >= newest.at_ms - span_ms)
        return point(first, newest) if first.at_ms < newest.at_ms else None

    def _heard(self, newest: Iterable[Transition]) -> None:
        """Take in what is not known yet."""
        known = {moved.cursor for moved in self._feed}
        self._feed.extendleft([moved for moved in newest if moved.cursor not in known][::-1])

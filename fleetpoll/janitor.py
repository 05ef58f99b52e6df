"""Housekeeping: forget jobs that finished long ago and workers that fell silent, heal arrays, in small steps."""

from __future__ import annotations

from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms

STEP = 250
FORGOTTEN_BEATS = 12
"""A worker that missed this many of its own beats is forgotten; long before, it counts as silent."""


class Janitor:
    """Every worker has one: a sweep is idempotent and short, so nobody needs to be elected for it."""

    def __init__(self, rooms: Rooms, settings: Settings) -> None:
        self._rooms, self._settings = rooms, settings

    def sweep(self) -> tuple[int, int]:
        """One bounded step. Returns how many jobs and how many workers were forgotten."""
        self._rooms.schedule.untrack(self._rooms.broods.heal())
        keys = self._rooms.keys
        kept_ms = round(self._settings.finished_kept * 1000)
        jobs, workers = self._rooms.scripts.run(
            "sweep",
            (keys.ledger, keys.finished, keys.counts, keys.roster, keys.leases, keys.troubles),
            ("", kept_ms, STEP, FORGOTTEN_BEATS),
        )
        return int(jobs), int(workers)

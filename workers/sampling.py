"""The fleet's history: every worker offers a sample now and then, and one of them keeps it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from fleetpoll.client.sampling import sample_of
from fleetpoll.state.history import EVERY_MS

if TYPE_CHECKING:
    from fleetpoll.clock import Mono
    from fleetpoll.state.rooms import Rooms

SPREAD_S = 1.0
"""Workers ask up to so long after a sample is due, so that the first of them has kept it when the others ask."""


class Sampler:
    """One worker's part in it. `at` is when `sample` is worth calling next (monotonic)."""

    def __init__(self, rooms: Rooms, mono: Mono, rng: Random, in_s: float = 0.0) -> None:
        self._rooms, self._mono, self._rng = rooms, mono, rng
        self.at = mono() + in_s

    def sample(self) -> None:
        """Keep a sample, if it is time for one and nobody else has."""
        self.at = self._mono() + EVERY_MS / 1000  # first: a sample that fails must not end work
        history = self._rooms.history
        left_s = history.due_in_s()
        if left_s <= 0:
            history.add(sample_of(self._rooms))
            left_s = EVERY_MS / 1000
        self.at = self._mono() + left_s + self._rng.uniform(0.0, SPREAD_S)

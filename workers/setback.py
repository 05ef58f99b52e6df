"""Failures in a row, and how long to stay away because of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fleetpoll.backoff import doubling_delay

TIMES_LONGER = 3.0
"""Where others wait to be served, who has failed stays away for so many times as long as failing took: then it takes a
quarter of the time of a process at most."""


@dataclass(slots=True)
class Setback:
    """Failures in a row, and how long to stay away because of them."""

    first_s: float
    longest_s: float
    failures: int = 0

    def pause_s(self, rng: Random) -> float:
        """The next pause: doubling, and never the same for two pollers."""
        self.failures += 1
        return doubling_delay(self.first_s, self.longest_s, self.failures) * rng.uniform(0.5, 1.0)


def pause_for_others_s(took_s: float, longest_s: float) -> float:
    """How long who has failed, which took `took_s`, leaves the process to others."""
    return min(longest_s, TIMES_LONGER * took_s)

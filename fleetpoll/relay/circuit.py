"""Tells a sink that fails from a transition that fails: then nothing is given up, one delivery at a time is tried. Pure."""

from __future__ import annotations

from random import Random

from fleetpoll.backoff import doubling_delay

OPENS_AFTER = 5
"""Failures in a row, of whatever transitions, that are taken for the sink's own."""
REFUSALS_MAX = 10
"""Refusals without a delivery between them; from then on they are taken for failures of the sink."""
PROBE_S = (1.0, 60.0)
"""The first and the longest pause between two tries while the sink fails."""


class Circuit:
    """Open while the sink as a whole fails."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._failures, self._refusals, self._probes = 0, 0, 0
        self.open, self.probe_at = False, 0.0

    def delivered(self) -> bool:
        """The sink works. Returns whether it was thought to fail."""
        was_open, self.open = self.open, False
        self._failures, self._refusals, self._probes = 0, 0, 0
        return was_open

    def failed(self, now: float, *, probe: bool) -> bool:
        """A delivery failed; `probe`: the one that was tried while the circuit is open. Returns whether it opens now."""
        self._failures += 1
        if self.open and not probe:  # it was under way when the circuit opened
            return False
        opens = not self.open and self._failures >= OPENS_AFTER
        if opens or self.open:
            self.open = True
            self._probes += 1
            self.probe_at = now + doubling_delay(*PROBE_S, self._probes) * self._rng.uniform(0.5, 1.0)
        return opens

    def refused(self) -> bool:
        """A transition was refused. Returns whether that is to be believed: a sink that refuses everything is not well."""
        self._refusals += 1
        return self._refusals <= REFUSALS_MAX

"""The calls of one operation in one measuring window: what became of them, and when they came."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetpoll.simulator.config import Fault

TIMELINE_S = 4 * 3600


class Timeline:
    """Calls by the second of the window in which they came; after four hours they are in the totals only."""

    def __init__(self, since_ms: int) -> None:
        self._since_ms = since_ms
        self._calls = array("I")  # up to the last second that had one: most operations of most accounts rest

    def note(self, arrived_ms: int) -> None:
        """One more call; a clock that was set back has it in the first second."""
        second = max(0, arrived_ms - self._since_ms) // 1000
        if second < TIMELINE_S:
            self._lengthen(second + 1)
            self._calls[second] += 1

    def report(self, window_ms: int) -> list[int]:
        """One number for each second that has begun, the one under way included."""
        seconds = min(max(0, window_ms) // 1000 + 1, TIMELINE_S)
        self._lengthen(seconds)
        return self._calls[:seconds].tolist()

    def _lengthen(self, seconds: int) -> None:
        if (missing := seconds - len(self._calls)) > 0:
            self._calls.extend(array("I", [0]) * missing)


class Calls:
    """What the client's calls met. Those of other tenants are counted apart, and nowhere else."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        self.accepted = self.throttled = self.errors = 0
        self.strays = 0
        self.faults: Counter[Fault] = Counter()
        self.tenant_accepted = self.tenant_throttled = 0
        self.first_ms = self.last_ms = 0
        self.worst_second = 0
        self._second: deque[int] = deque()  # the calls of the last 1,000 ms
        self._accepted_at, self._throttled_at = Timeline(since_ms), Timeline(since_ms)

    def arrive(self, now_ms: int) -> None:
        """A call came in, whatever becomes of it."""
        if not self._second and not self.worst_second:
            self.first_ms = now_ms
        self.last_ms = now_ms
        second = self._second
        second.append(now_ms)
        while second[0] <= now_ms - 1000:
            second.popleft()
        self.worst_second = max(self.worst_second, len(second))

    def accept(self, arrived_ms: int) -> None:
        """The call that came at that moment is answered."""
        self.accepted += 1
        self._accepted_at.note(arrived_ms)

    def throttle(self, arrived_ms: int) -> None:
        """The call that came at that moment is turned away."""
        self.throttled += 1
        self._throttled_at.note(arrived_ms)

    def report(self, window_ms: int) -> dict[str, Any]:
        """The figures as JSON.

        `worst_second_calls` is the most calls of any sliding second, refused ones included. `strays` are those of the
        throttled that were turned away at random. Calls that met a fault are neither accepted nor throttled.
        """
        return {
            "calls": self.accepted + self.throttled + self.errors + self.faults.total(),
            "accepted": self.accepted,
            "throttled": self.throttled,
            "strays": self.strays,
            "errors": self.errors,
            "faults": dict(self.faults),
            "tenant_accepted": self.tenant_accepted,
            "tenant_throttled": self.tenant_throttled,
            "accepted_per_s": self.accepted * 1000 / window_ms if window_ms else 0.0,
            "worst_second_calls": self.worst_second,
            "first_call_ms": self.first_ms,
            "last_call_ms": self.last_ms,
            "timeline": self._timeline(window_ms),
        }

    def _timeline(self, window_ms: int) -> dict[str, Any]:
        """The calls of each second since the window began; empty while there was none, for most operations rest."""
        seconds = {"accepted": self._accepted_at, "throttled": self._throttled_at}
        came = self.worst_second > 0
        return {"since_ms": self.since_ms} | {
            name: timeline.report(window_ms) if came else [] for name, timeline in seconds.items()
        }

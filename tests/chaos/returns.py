"""How soon the fleet calls again when Redis is back, and how much of that was the fleet's own doing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from fleetpoll.errors import StateError
from tests.chaos.history import Return
from tests.chaos.stage import Stage

BOOT_S = 3.0
"""What a poller that is new, or was thawed, is given before it counts as one that could call."""
COMPANY_S = 1.0
"""Jobs that are due may wait so long for company."""
GAP_S = 1.0
"""Who has not looked for longer knows nothing of what could be done meanwhile."""
AWS_S = 10.0
"""After AWS was at fault for all the fleet needs so long to come back."""


class Returns:
    """Watches each return of Redis until a call comes. To be looked at many times a second.

    A moment in which nobody could have called (no poller that runs, no job that is due, AWS at fault) is held against no
    one: silence is counted from the last such moment on.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.seen: list[Return] = []
        self._runs_since: dict[int, float] = {}  # poller → first seen running
        self._aws_fails = False
        self._aws_well_at = 0.0
        self._open: tuple[float, int] | None = None  # since when Redis is back, and the calls that had come by then
        self._able_since: float | None = None
        self._looked_at = 0.0

    def back(self, calls: int) -> None:
        """Redis answers again; so many calls had come before."""
        self._open, self._able_since = (time.monotonic(), calls), None

    def give_up(self) -> None:
        """No call is to be expected any more: Redis is away again, or the budget is paused."""
        if self._open is not None:
            self._close(called=False)

    def aws(self, *, fails: bool) -> None:
        """AWS fails everybody from now on, or does so no more."""
        self._aws_fails, self._aws_well_at = fails, time.monotonic() + AWS_S

    def look(self, pollers: Iterable[int]) -> str:
        """See what has changed; these pollers run. Returns a line for the reader when a call has come."""
        now = time.monotonic()
        self._runs_since = {pid: self._runs_since.get(pid, now) for pid in pollers}
        if self._open is None:
            return ""
        if self._stage.calls() > self._open[1]:
            return self._close(called=True)
        gap, self._looked_at = now - self._looked_at > GAP_S, now
        if gap or not self._able(now):
            self._able_since = None
        elif self._able_since is None:
            self._able_since = now
        return ""

    def _able(self, now: float) -> bool:
        """Whether the fleet could call."""
        runs = any(now - since >= BOOT_S for since in self._runs_since.values())
        return runs and not self._aws_fails and now >= self._aws_well_at and self._is_due()

    def _is_due(self) -> bool:
        client, keys = self._stage.rooms.client, self._stage.rooms.keys
        try:
            seconds: Any = client.time()
            return bool(client.zcount(keys.schedule, "-inf", (seconds[0] - COMPANY_S) * 1000))
        except StateError:  # an act has cut the connection: that says nothing of the jobs
            return self._able_since is not None

    def _close(self, *, called: bool) -> str:
        assert self._open is not None
        now, (back_at, _) = time.monotonic(), self._open
        silent_s = 0.0 if self._able_since is None else self._looked_at - self._able_since
        self._open, took_s = None, now - back_at
        self.seen.append(Return(took_s, silent_s, called=called))
        return f"a call {took_s:.1f} s after Redis was back, {silent_s:.1f} s of that in silence"

"""Wait for jobs by following the stream: no DescribeJobs is made, and nothing is missed over a restart of Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleetpoll.client.following import read_on
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import STARTED, TERMINAL, JobStatus
from fleetpoll.state.events import BLOCK_S
from fleetpoll.state.rooms import Rooms

RECHECK_S = 30.0
"""How often the ledger is asked again: for a job that was untracked, or a stream that was trimmed."""


class Goal(StrEnum):
    """What to wait for."""

    RUNNING = "running"  # it has started, or it is over
    COMPLETE = "complete"

    @property
    def statuses(self) -> frozenset[JobStatus]:
        """The statuses in which the wait for a job is over."""
        return STARTED if self is Goal.RUNNING else TERMINAL


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended: the status of each job that got there, and the jobs that did not."""

    reached: dict[str, JobStatus]
    pending: list[str]
    gone: list[str]  # untracked meanwhile

    @property
    def timed_out(self) -> bool:
        """Whether the time was up before every job got there."""
        return bool(self.pending)


class Waiter:
    """One wait for some jobs."""

    def __init__(
        self, rooms: Rooms, ids: Sequence[str], goal: Goal | frozenset[JobStatus], mono: Mono = system_mono
    ) -> None:
        self._rooms, self._mono = rooms, mono
        self._goal = goal.statuses if isinstance(goal, Goal) else goal | TERMINAL  # what is over gets nowhere any more
        self._pending = dict.fromkeys(ids)
        self._reached: dict[str, JobStatus] = {}
        self._gone: list[str] = []

    def wait(self, timeout_s: float | None, on_change: Callable[[int, int], None]) -> Waited:
        """Track the jobs that are not tracked yet, and wait for all of them or until the time is up.

        `on_change(reached, all)` is called at the start and whenever more jobs got there.
        """
        until = None if timeout_s is None else self._mono() + timeout_s
        total = len(self._pending)
        cursor = self._rooms.events.end()  # before the look at the ledger, so that nothing falls between the two
        self._rooms.schedule.track(list(self._pending))
        self._look()
        recheck = self._mono() + RECHECK_S
        on_change(total - len(self._pending), total)
        while self._pending and (until is None or self._mono() < until):
            before = len(self._pending)
            block_s = BLOCK_S if until is None else max(0.001, min(BLOCK_S, until - self._mono()))
            cursor = self._read(cursor, block_s)
            if self._mono() >= recheck:
                self._look_if_possible()
                recheck = self._mono() + RECHECK_S
            if len(self._pending) != before:
                on_change(total - len(self._pending), total)
        return Waited(self._reached, list(self._pending), self._gone)

    def _read(self, cursor: str, block_s: float) -> str:
        for transition in read_on(self._rooms.events, cursor, block_s):
            if transition.job_id in self._pending and transition.after in self._goal:
                self._reach(transition.job_id, transition.after)
            cursor = transition.cursor
        return cursor

    def _look_if_possible(self) -> None:
        try:
            self._look()
        except RedisUnavailable:
            return

    def _look(self) -> None:
        """Go by the ledger."""
        known = self._rooms.ledger.get(list(self._pending))
        for job_id in list(self._pending):
            if job_id not in known:
                del self._pending[job_id]
                self._gone.append(job_id)
            elif known[job_id].status in self._goal:
                self._reach(job_id, known[job_id].status)

    def _reach(self, job_id: str, status: JobStatus) -> None:
        del self._pending[job_id]
        self._reached[job_id] = status

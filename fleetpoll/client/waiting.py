"""What a wait is, without how it waits: its goal, who is pending, who got there. Pure; threads and asyncio share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from fleetpoll.jobs import STARTED, TERMINAL, JobStatus, Snapshot, Transition

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


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A job that got where it was waited for, or that nobody watches any more. Times are epoch ms, 0 where not known."""

    job_id: str
    status: JobStatus | None  # None: untracked meanwhile, or Redis lost its data
    job_name: str = ""
    attempt: int = 0
    exit_code: int | None = None
    reason: str = ""
    log_stream: str = ""
    created_ms: int = 0
    started_ms: int = 0
    stopped_ms: int = 0
    seen_ms: int = 0  # when a worker saw it there

    @classmethod
    def by_ledger(cls, job_id: str, known: Snapshot) -> Arrival:
        """As the ledger tells it: as a transition into what it knows would have."""
        return cls.by_event(Transition.between(job_id, known, known))

    @classmethod
    def by_event(cls, event: Transition) -> Arrival:
        """As the stream tells it."""
        return cls(
            job_id=event.job_id,
            status=event.after,
            job_name=event.job_name,
            attempt=event.attempt,
            exit_code=event.exit_code,
            reason=event.reason,
            log_stream=event.log_stream,
            created_ms=event.created_ms,
            started_ms=event.started_ms,
            stopped_ms=event.stopped_ms,
            seen_ms=event.detected_ms,
        )


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


class Roll:
    """The roll of one wait: each job is called until it is there or gone, and answers once."""

    __slots__ = ("_goal", "_gone", "_reached", "pending", "total")

    def __init__(self, ids: Iterable[str], goal: Goal | frozenset[JobStatus]) -> None:
        self._goal = goal.statuses if isinstance(goal, Goal) else goal | TERMINAL  # what is over gets nowhere any more
        self.pending = dict.fromkeys(ids)
        self.total = len(self.pending)
        self._reached: dict[str, JobStatus] = {}
        self._gone: list[str] = []

    def look(self, known: Mapping[str, Snapshot]) -> list[Arrival]:
        """Go by what the ledger knows of all that are pending; who is not in it is gone. Returns who is pending no more."""
        return [arrival for job_id in list(self.pending) if (arrival := self._called(job_id, known.get(job_id)))]

    def hear(self, event: Transition) -> Arrival | None:
        """Go by a transition."""
        if event.job_id not in self.pending or event.after not in self._goal:
            return None
        return self._strike(Arrival.by_event(event))

    def waited(self) -> Waited:
        """How the wait stands, or ended."""
        return Waited(self._reached, list(self.pending), self._gone)

    def close(self) -> None:
        """Raise TimeoutError if somebody is pending still."""
        if self.pending:
            raise TimeoutError(f"The time is up, and {len(self.pending):,} of {self.total:,} jobs are not there yet.")

    def _called(self, job_id: str, snapshot: Snapshot | None) -> Arrival | None:
        if snapshot is None:
            return self._strike(Arrival(job_id=job_id, status=None))
        return self._strike(Arrival.by_ledger(job_id, snapshot)) if snapshot.status in self._goal else None

    def _strike(self, arrival: Arrival) -> Arrival:
        del self.pending[arrival.job_id]
        if arrival.status is None:
            self._gone.append(arrival.job_id)
        else:
            self._reached[arrival.job_id] = arrival.status
        return arrival

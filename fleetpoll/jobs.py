"""The vocabulary of jobs: statuses, ids, what is known of a job, and the differences that were seen.

Times are milliseconds since the epoch (AWS's own unit); names end in `_ms`. 0 means "not known".
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

JOB_ID = re.compile(r"(?P<uuid>[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})((?P<mark>[:#])(?P<part>[0-9]{1,5}))?")

NO_JOB = "00000000-0000-0000-0000-000000000000"
"""An id that no job has: AWS answers who asks for it, with nothing."""


class JobStatus(StrEnum):
    """AWS's seven statuses in the order of a job's life, then those of our own."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNSEEN = "UNSEEN"  # tracked, not yet described by AWS
    LOST = "LOST"  # AWS does not know it, and never showed it; given up
    EXPIRED = "EXPIRED"  # AWS showed it, and does so no more; given up
    REJECTED = "REJECTED"  # AWS refuses the very question
    UNKNOWN = "UNKNOWN"  # a word of another release of ours

    @classmethod
    def _missing_(cls, value: object) -> JobStatus:
        """Two releases read each other's records: a word that this one does not know must not stop it."""
        del value
        return cls.UNKNOWN

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen, so that the job leaves the schedule."""
        return self in TERMINAL


GIVEN_UP = frozenset({JobStatus.LOST, JobStatus.EXPIRED, JobStatus.REJECTED})
"""What we call the end of a job of which AWS tells nothing more."""
TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, *GIVEN_UP})
STARTED = frozenset({JobStatus.RUNNING, *TERMINAL})
AWS_STATUSES = tuple(JobStatus)[:7]


class Array(msgspec.Struct, frozen=True):
    """How the children of an array job are, by its statusSummary."""

    size: int
    ended: int = 0
    running: int = 0  # STARTING or RUNNING


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What one DescribeJobs answer says of one job, reduced to what we keep."""

    job_id: str
    status: JobStatus | None  # None: a status that this release does not know
    job_name: str = ""
    job_queue: str = ""
    job_definition: str = ""
    status_reason: str = ""
    attempt: int = 0
    exit_code: int | None = None
    reason: str = ""
    log_stream: str = ""
    created_ms: int = 0
    started_ms: int = 0
    stopped_ms: int = 0
    array: Array | None = None  # of an array's parent


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one job: the last description, and what we noted ourselves. Stored as a JSON array.

    New fields go to the end and have defaults, so that two releases can read each other's records.
    """

    status: JobStatus = JobStatus.UNSEEN
    tracked_ms: int = 0  # when tracking began
    changed_ms: int = 0  # when we saw the last transition
    job_name: str = ""
    job_queue: str = ""
    job_definition: str = ""
    status_reason: str = ""
    attempt: int = 0
    exit_code: int | None = None
    reason: str = ""
    log_stream: str = ""
    created_ms: int = 0
    started_ms: int = 0
    stopped_ms: int = 0
    absences: int = 0  # answers in a row that left the job out, counted after the grace

    def public(self, job_id: str) -> dict[str, Any]:
        """The form that users read: times in epoch seconds with milliseconds, null where nothing is known."""
        return {
            "job_id": job_id,
            "job_name": self.job_name,
            "status": self.status.value,
            "job_queue": self.job_queue,
            "job_definition": self.job_definition,
            "attempt": self.attempt,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "status_reason": self.status_reason,
            "log_stream": self.log_stream,
            "created_at": seconds(self.created_ms),
            "started_at": seconds(self.started_ms),
            "stopped_at": seconds(self.stopped_ms),
            "tracked_at": seconds(self.tracked_ms),
            "changed_at": seconds(self.changed_ms),
        }


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that was seen, as the stream carries it; the reason is AWS's word on it, or ours."""

    job_id: str
    job_name: str
    before: JobStatus
    after: JobStatus
    attempt: int
    exit_code: int | None
    reason: str
    log_stream: str
    created_ms: int
    started_ms: int
    stopped_ms: int
    detected_ms: int
    cursor: str = ""  # its place in the stream, given by Redis

    @classmethod
    def between(cls, job_id: str, known: Snapshot, record: Snapshot) -> Transition:
        """The transition that led from `known` to `record`, detected when `record` was made."""
        return cls(
            job_id=job_id,
            job_name=record.job_name,
            before=known.status,
            after=record.status,
            attempt=record.attempt,
            exit_code=record.exit_code,
            reason=record.reason or record.status_reason,
            log_stream=record.log_stream,
            created_ms=record.created_ms,
            started_ms=record.started_ms,
            stopped_ms=record.stopped_ms,
            detected_ms=record.changed_ms,
        )

    @property
    def lag_ms(self) -> int | None:
        """From the moment AWS stopped the job to its detection; None unless both are known."""
        return max(0, self.detected_ms - self.stopped_ms) if self.after.terminal and self.stopped_ms else None

    def public(self) -> dict[str, Any]:
        """The form that users read: times in epoch seconds with milliseconds, null where nothing is known."""
        return {
            "id": self.cursor,
            "job_id": self.job_id,
            "job_name": self.job_name,
            "from": self.before.value,
            "to": self.after.value,
            "attempt": self.attempt,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "log_stream": self.log_stream,
            "created_at": seconds(self.created_ms),
            "started_at": seconds(self.started_ms),
            "stopped_at": seconds(self.stopped_ms),
            "detected_at": seconds(self.detected_ms),
        }


def seconds(epoch_ms: int) -> float | None:
    """Epoch milliseconds as epoch seconds; None for 0, which means that the time is not known."""
    return epoch_ms / 1000 if epoch_ms else None


def as_job_id(text: str) -> str | None:
    """A job id in AWS's own spelling: a UUID, `UUID:index` (array child) or `UUID#node` (multi-node); None if it is none."""
    found = JOB_ID.fullmatch(text)
    if found is None:
        return None
    uuid, mark, part = found["uuid"].lower(), found["mark"], found["part"]
    return f"{uuid}{mark}{int(part)}" if mark else uuid

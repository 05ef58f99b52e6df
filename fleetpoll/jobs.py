"""The vocabulary of jobs: statuses, ids, what is known of a job, and the differences that were seen.

Times are milliseconds since the epoch (AWS's own unit); names end in `_ms`. 0 means "not known".
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

JOB_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(:\d{1,5}|#\d{1,4})?")


class JobStatus(StrEnum):
    """AWS's seven statuses in the order of a job's life, then three of our own."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNSEEN = "UNSEEN"  # tracked, not yet described by AWS
    LOST = "LOST"  # AWS does not know it; given up
    REJECTED = "REJECTED"  # AWS refuses the very question

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen, so that the job leaves the schedule."""
        return self in TERMINAL


TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.LOST, JobStatus.REJECTED})
STARTED = frozenset({JobStatus.RUNNING, *TERMINAL})
AWS_STATUSES = tuple(JobStatus)[:7]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What one DescribeJobs answer says of one job, reduced to what we keep."""

    job_id: str
    status: JobStatus
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


def is_job_id(text: str) -> bool:
    """Whether `text` has the form of a job id: a UUID, `UUID:index` (array child) or `UUID#node` (multi-node)."""
    return JOB_ID.fullmatch(text) is not None

"""DescribeJobs answers, straight from the body into typed structs.

botocore walks its model over every member of every job, 30 ms of CPU for 100 jobs of which we keep a dozen fields; msgspec
decodes those in half a millisecond. Only `jobId` and `status` are certain, everything else may be absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from fleetpoll.errors import Unreachable
from fleetpoll.jobs import AWS_STATUSES, STARTED, Array, Description, JobStatus
from fleetpoll.text import bounded

WORDS_MAX = 1_000
"""Characters of a reason that are kept: AWS's own are shorter, and one job's must not fill the ledger or the stream."""
NAME_MAX = 512
"""Of names: twice what AWS allows and more."""

ARRAY_MAX = 100_000  # children that our ids can number; AWS allows 10,000
ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
UNDER_WAY = frozenset({JobStatus.STARTING, JobStatus.RUNNING})
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]  # what Redis and every reader can take


class _Container(msgspec.Struct):
    exit_code: _Number | None = msgspec.field(default=None, name="exitCode")
    reason: str | None = None
    log_stream: str | None = msgspec.field(default=None, name="logStreamName")


class _Task(msgspec.Struct):
    containers: list[_Container] | None = None


class _Attempt(msgspec.Struct):
    container: _Container | None = None
    containers: list[_Container] | None = None  # EKS
    tasks: list[_Task] | None = msgspec.field(default=None, name="taskProperties")  # ECS with several containers
    stopped_at: _Number | None = msgspec.field(default=None, name="stoppedAt")
    status_reason: str | None = msgspec.field(default=None, name="statusReason")

    def main(self) -> _Container | None:
        """The container that speaks for the attempt: of several, the first that failed."""
        several = [*(self.containers or ()), *(c for task in self.tasks or () for c in task.containers or ())]
        failed = (c for c in several if c.exit_code)
        return self.container or next(failed, several[0] if several else None)


class _Array(msgspec.Struct):
    size: _Number | None = None
    summary: dict[str, _Number] | None = msgspec.field(default=None, name="statusSummary")


class _Job(msgspec.Struct):
    job_id: str = msgspec.field(name="jobId")
    status: str
    job_name: str | None = msgspec.field(default=None, name="jobName")
    job_queue: str | None = msgspec.field(default=None, name="jobQueue")
    job_definition: str | None = msgspec.field(default=None, name="jobDefinition")
    status_reason: str | None = msgspec.field(default=None, name="statusReason")
    container: _Container | None = None
    attempts: list[_Attempt] | None = None
    eks_attempts: list[_Attempt] | None = msgspec.field(default=None, name="eksAttempts")
    array: _Array | None = msgspec.field(default=None, name="arrayProperties")
    created_at: _Number | None = msgspec.field(default=None, name="createdAt")
    started_at: _Number | None = msgspec.field(default=None, name="startedAt")
    stopped_at: _Number | None = msgspec.field(default=None, name="stoppedAt")


class _Bare(msgspec.Struct):
    """The certain part of a job: what is left to go by when another part has a form that nobody knows."""

    job_id: str = msgspec.field(name="jobId")
    status: Any = None


class _Answer(msgspec.Struct):
    jobs: list[_Job]


class _RawAnswer(msgspec.Struct):
    jobs: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer).decode
_raw_answer = msgspec.json.Decoder(_RawAnswer).decode
_job = msgspec.json.Decoder(_Job).decode
_bare = msgspec.json.Decoder(_Bare).decode
_status_of = {status.value: status for status in AWS_STATUSES}.get
_NOTHING = _Container()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def descriptions(body: bytes) -> dict[str, Description]:
    """The jobs of a DescribeJobs body, by id. One that has a form we do not know costs its own details, not its neighbours'.

    Raises Unreachable for a body that is cut off, foreign, or without a list of jobs: that never means "no such jobs".
    """
    try:
        jobs = _answer(body).jobs
    except _UNREADABLE:
        jobs = list(_one_by_one(body))
    return {job.job_id: _description(job) for job in jobs}


def _one_by_one(body: bytes) -> Iterator[_Job]:
    try:
        raw_jobs = _raw_answer(_mended(body)).jobs
    except _UNREADABLE as error:
        raise Unreachable(f"AWS Batch answered with a body that is no list of jobs: {error}", "BadBody", "body") from None
    for raw in raw_jobs:
        job = _as_far_as_known(raw)
        if job is not None:
            yield job


def _mended(body: bytes) -> bytes:
    """The body without half surrogates, which JSON can write and no text can hold; unchanged if it is not even JSON."""
    if b"\\ud" not in body.lower():
        return body
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return body


def _as_far_as_known(raw: msgspec.Raw) -> _Job | None:
    """All of a job, else what is left of its certain part; None when it has not even an id."""
    try:
        return _job(raw)
    except _UNREADABLE:
        pass
    try:
        bare = _bare(raw)
    except _UNREADABLE:
        return None
    return _Job(job_id=bare.job_id, status=bare.status if isinstance(bare.status, str) else "")


def _description(job: _Job) -> Description:
    """What is kept of a job. Made a hundred times for each call: what most jobs do not have costs nothing."""
    status, status_reason = _status_of(job.status), job.status_reason
    attempts = job.attempts or job.eks_attempts
    now, then, over = job.container or _NOTHING, _NOTHING, 0
    if attempts:
        last = attempts[-1]
        then, status_reason = last.main() or _NOTHING, status_reason or last.status_reason
        over = sum([1 for attempt in attempts if attempt.stopped_at])
    under_way = status in UNDER_WAY
    return Description(
        job_id=job.job_id,
        status=status,
        job_name=_kept(job.job_name, NAME_MAX),
        job_queue=_tail(job.job_queue),
        job_definition=_tail(job.job_definition),
        status_reason=_kept(status_reason, WORDS_MAX),
        attempt=max(over + under_way, 1 if status in STARTED and job.started_at else 0),
        exit_code=then.exit_code if now.exit_code is None else now.exit_code,
        reason=_kept(now.reason or then.reason, WORDS_MAX),
        log_stream=_kept(now.log_stream or then.log_stream, NAME_MAX),
        created_ms=job.created_at or 0,
        started_ms=job.started_at or 0,
        stopped_ms=job.stopped_at or 0,
        array=None if job.array is None else _children(job.array),
    )


def _children(array: _Array) -> Array | None:
    """How an array's children are; None of a child."""
    if not array.size or array.size < 0:
        return None
    ended, running = (
        sum(max(0, count) for status, count in (array.summary or {}).items() if status in group)
        for group in (ENDED, UNDER_WAY)
    )
    return Array(min(array.size, ARRAY_MAX), ended, running)


def _tail(arn: str | None) -> str:
    """The name in an ARN of a queue or a definition: the account and Region are the fleet's anyway."""
    return _kept(arn[arn.rfind("/") + 1 :], NAME_MAX) if arn else ""


def _kept(text: str | None, most: int) -> str:
    """As much of a text as is kept."""
    return bounded(text, most) if text else ""

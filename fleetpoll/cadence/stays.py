"""What one look says of how long a job stayed in its status: the stays that it adds to the counts.

AWS tells when a job was created, started and stopped; what lies between (RUNNABLE, STARTING) we know only from looking. So
the time before the start is counted from createdAt, an exit towards RUNNING is dated to startedAt, and a run from startedAt
to stoppedAt, whether or not anybody saw it running. Who was SUBMITTED or PENDING and has started has been RUNNABLE, seen or
not, and left it at startedAt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fleetpoll.cadence.policy import Standing
from fleetpoll.jobs import GIVEN_UP, JobStatus, Snapshot

SINCE_CREATED = frozenset({JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})
BEFORE_RUNNABLE = frozenset({JobStatus.SUBMITTED, JobStatus.PENDING})
COUNTED = frozenset({*SINCE_CREATED, JobStatus.STARTING, JobStatus.RUNNING})


class Stay(NamedTuple):
    """A job was in `status` from one age to another, in seconds, and left it then, or did not."""

    status: JobStatus
    from_s: float
    to_s: float
    left: bool


def since_ms(job: Snapshot) -> int:
    """Since when the job has been in its status, as far as is known; 0 if it is not."""
    if job.status is JobStatus.RUNNING:
        return job.started_ms or job.changed_ms
    if job.status in SINCE_CREATED and not job.attempt:
        return job.created_ms or job.changed_ms
    return job.changed_ms or job.tracked_ms


def standing(job: Snapshot, now_ms: int) -> Standing:
    """Where a job stands now."""
    seen_s = max(0, now_ms - (job.changed_ms or job.tracked_ms)) / 1000
    age_s = max(0, now_ms - since_ms(job)) / 1000
    return Standing(job.status, seen_s, age_s, job.job_queue, job.job_definition)


def stays(known: Snapshot, record: Snapshot, looked_ms: int, now_ms: int) -> Iterable[Stay]:
    """The stays that were observed between the last look (0: not known when) and this one, which found `record`."""
    # Where a lease was lost, nothing is known of the time at risk, and an exit without it would say too much.
    counts = looked_ms and known.status in COUNTED and record.status not in GIVEN_UP
    if record.status is not known.status or record.attempt != known.attempt:
        return _moved(known, record, looked_ms if counts else 0, now_ms)
    return (_stay(known.status, since_ms(known), looked_ms, now_ms, left=False),) if counts else ()


def _moved(known: Snapshot, record: Snapshot, looked_ms: int, now_ms: int) -> Iterator[Stay]:
    """The stays of a job that is not where it was; without `looked_ms` the status that it left tells nothing."""
    if looked_ms:
        yield from _left(known, record, looked_ms, now_ms)
    if record.started_ms and (known.status is not JobStatus.RUNNING or known.started_ms != record.started_ms):
        yield from _run(record, now_ms)


def _left(known: Snapshot, record: Snapshot, looked_ms: int, now_ms: int) -> Iterator[Stay]:
    """A status that was left; and if that was one before RUNNABLE and the job has started since, RUNNABLE as well."""
    since, from_ms, to_ms = since_ms(known), looked_ms, left_ms(known, record, now_ms)
    if known.status in BEFORE_RUNNABLE and to_ms == record.started_ms:
        yield _stay(known.status, since, from_ms, (from_ms + to_ms) // 2, left=True)  # somewhere in between
        yield _stay(JobStatus.RUNNABLE, since, from_ms, to_ms, left=True)
    else:
        yield _stay(known.status, since, from_ms, to_ms, left=True)


def left_ms(known: Snapshot, record: Snapshot, now_ms: int) -> int:
    """When a job left the status that it was known in: as AWS dates it, else when we saw it."""
    if known.status is JobStatus.RUNNING:
        if record.started_ms not in {0, known.started_ms}:  # it was over before the next one began
            return max(known.started_ms, min(now_ms, record.started_ms))
        return record.stopped_ms if record.status.terminal and record.stopped_ms else now_ms
    before_run = record.started_ms > since_ms(known) and record.started_ms <= now_ms
    return record.started_ms if before_run else now_ms


def _run(record: Snapshot, now_ms: int) -> Iterator[Stay]:
    """A run that nobody had seen before, or not to its end; what was before the job was tracked tells nothing."""
    start_ms = record.started_ms
    if record.status is JobStatus.RUNNING:
        yield _stay(JobStatus.RUNNING, start_ms, record.tracked_ms, now_ms, left=False)
    elif record.status.terminal and record.stopped_ms >= max(start_ms, record.tracked_ms):
        yield _stay(JobStatus.RUNNING, start_ms, record.tracked_ms, record.stopped_ms, left=True)


def _stay(status: JobStatus, since: int, from_ms: int, to_ms: int, *, left: bool) -> Stay:
    to_s = max(0, to_ms - since) / 1000
    return Stay(status, min(to_s, max(0, from_ms - since) / 1000), to_s, left)

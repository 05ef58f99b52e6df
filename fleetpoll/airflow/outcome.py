"""How a job ended, in the form of a trigger's event: what Airflow's own operator and sensor read, and the job beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetpoll.awsbatch.parse import descriptions
from fleetpoll.diff import Patience, compare
from fleetpoll.jobs import JobStatus, Snapshot

KILLED = "Task killed by the user"
"""The reason that a job is terminated with, as Airflow's own operator gives it."""

Event = dict[str, Any]

ENDS = {
    JobStatus.FAILED: "failed",
    JobStatus.LOST: "is not known to AWS Batch: the id is wrong, of another account or Region, or long forgotten",
    JobStatus.EXPIRED: "is not shown by AWS Batch any more, which keeps finished jobs for about 7 days",
    JobStatus.REJECTED: "cannot be asked for: AWS Batch refuses the question",
}


def ended(job_id: str, job: Snapshot) -> Event:
    """The event of a job that is over: success or error, in words, with all that is known of it."""
    event: Event = {"status": "success", "job_id": job_id, "job": job.public(job_id)}
    if job.status is JobStatus.SUCCEEDED:
        return event
    return event | {"status": "error", "message": words_of(job_id, job)}


def described(description: Mapping[str, Any]) -> Snapshot:
    """What one DescribeJobs answer says of one job, as the fleet would note it."""
    found = descriptions(msgspec.json.encode({"jobs": [description]}))
    outcome = compare(Snapshot(), next(iter(found.values())), 0, Patience(0, 1))
    return outcome.record or outcome.known


def gave_up(job_id: str | None, message: str) -> Event:
    """The event of a wait that came to nothing."""
    return {"status": "error", "job_id": job_id, "message": message}


def words_of(job_id: str, job: Snapshot) -> str:
    """What happened to a job that did not succeed."""
    what = f"AWS Batch job {job_id} {ENDS.get(job.status, f'is {job.status}')}"
    exit_code = "" if job.exit_code is None else f"exit code {job.exit_code}"
    why = "; ".join(dict.fromkeys(part for part in (job.status_reason, job.reason, exit_code) if part))
    return f"{what}: {why}" if why else what


def was_killed(event: Event) -> bool:
    """Whether the job was terminated because a task was killed."""
    return bool(event["status"] != "success" and event.get("job", {}).get("status_reason") == KILLED)


def has_failed(job: Snapshot) -> bool:
    """Whether a job is over and did not succeed."""
    return job.status.terminal and job.status is not JobStatus.SUCCEEDED

"""Which job a task instance submitted before: one that is run again waits for it, and does not submit a second one.

The job's id is kept in Airflow's task state store (3.3 and newer), which a retry and a cleared task can read. Before
SubmitJob an intent is noted there. Who finds an intent without an id died in between: then AWS is asked which job carries
the task's tag. Without a store that is asked on every try but the first, and only a job that is not over is taken: nobody
noted whether its end was seen, and who clears a task that has succeeded wants another job.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.jobs import JobStatus, Snapshot

KEY = "fleetpoll_batch_job"
TAG = "fleetpoll:task"
SKEW_MS = 300_000
"""How far the clocks of a worker and AWS may be apart: signatures are refused beyond it."""
IDS_PER_CALL = 100
NAMESPACE = uuid.UUID("8a5c9a3e-52b5-4b0e-9c0f-8d0c5b8f3e57")


class Memory:
    """What earlier tries of a task instance have noted; read once. What is noted overwrites what was."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        ti, run = context["ti"], context.get("dag_run")
        self._store = context.get("task_state_store")
        self._first_try = ti.try_number <= 1
        began = getattr(run, "start_date", None)
        self._run_began_ms = round(began.timestamp() * 1000) if began else 0
        parts = (ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))
        self.tag = uuid.uuid5(NAMESPACE, "\0".join(parts)).hex

    @property
    def job_id(self) -> str | None:
        """The job that was submitted, and whose end no try has seen yet."""
        return self._noted.get("job_id")

    @property
    def job_arn(self) -> str:
        """Its ARN; '' if it is not known."""
        return str(self._noted.get("job_arn", ""))

    @property
    def unsure_since_ms(self) -> int | None:
        """Since when (epoch ms) there may be a job that nobody noted; None if there is none."""
        if self._store is None:
            return None if self._first_try else self._run_began_ms
        return self._noted.get("intended_ms")

    def is_unseen(self, job: Snapshot) -> bool:
        """Whether a job that carries our tag is one to wait for: it lives, or has succeeded and no try has seen it."""
        return not job.status.terminal or (self._store is not None and job.status is JobStatus.SUCCEEDED)

    def intend(self, now_ms: int) -> None:
        """A job is about to be submitted."""
        self._note({"intended_ms": now_ms})

    def submitted(self, job_id: str, job_arn: str) -> None:
        """It is."""
        self._note({"job_id": job_id, "job_arn": job_arn})

    def over(self) -> None:
        """Its end was seen: a task that is cleared now submits anew."""
        if self._store is not None:
            self._store.delete(KEY)

    @cached_property
    def _noted(self) -> dict[str, Any]:
        return (self._store.get(KEY) if self._store is not None else None) or {}

    def _note(self, note: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(KEY, note)


def find_tagged(client: BatchProtocol, queue: str, job_name: str, tag: str, since_ms: int) -> dict[str, Any] | None:
    """The description of the newest job that carries the tag and was made since then; None if there is none.

    One ListJobs for each 100 jobs of that name in the queue, newest first, and a DescribeJobs for those that are new enough.
    """
    for ids in young(client, queue, job_name, since_ms - SKEW_MS):
        jobs = client.describe_jobs(jobs=ids)["jobs"] if ids else []
        tagged = [job for job in jobs if (job.get("tags") or {}).get(TAG) == tag]
        if tagged:
            newest: dict[str, Any] = max(tagged, key=lambda job: int(job.get("createdAt", 0)))
            return newest
    return None


def young(client: Any, queue: str, job_name: str, since_ms: int) -> Iterator[list[str]]:
    """The ids of the jobs of a name that were made since then, page by page, up to the first page without any."""
    request = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [job_name]}], "maxResults": IDS_PER_CALL}
    while True:
        page = client.list_jobs(**request)
        ids = [job["jobId"] for job in page["jobSummaryList"] if job.get("createdAt", 0) >= since_ms]
        yield ids
        if not ids or not page.get("nextToken"):
            return
        request["nextToken"] = page["nextToken"]

"""What the fleet sees of a job, for a caller who would have to ask AWS otherwise."""

from __future__ import annotations

from collections.abc import Collection
from logging import Logger
from typing import Any

from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import AWS_STATUSES, JobStatus, Snapshot, as_job_id


class Subscription:
    """One caller's look at a fleet. It asks Redis only, and says in the log when the fleet stops or begins to be of use."""

    def __init__(self, fleet: Fleet, log: Logger, mono: Mono = system_mono) -> None:
        self._fleet, self._log, self._mono = fleet, log, mono
        self._alone = False
        self._slice_s = fleet.settings.beat  # how long a wait goes on before it looks again whether anybody is alive

    def works(self) -> bool:
        """Whether a worker of the fleet is alive. A change of that is logged, once."""
        try:
            trouble = "" if self._fleet.alive() else "no worker is alive, start some with `fleetpoll worker`"
        except RedisUnavailable as error:
            trouble = str(error).rstrip(".")
        if trouble and not self._alone:
            self._log.warning("Fleet %s: %s. Until then we poll ourselves", self._fleet.settings.fleet, trouble)
        elif self._alone and not trouble:
            self._log.info("Fleet %s: workers are alive again, the polling is theirs", self._fleet.settings.fleet)
        self._alone = bool(trouble)
        return not trouble

    def wait(self, job_id: str, statuses: Collection[str], until: float) -> JobStatus | None:
        """Track a job, and wait until it has one of `statuses` or is over, at most until the monotonic moment `until`.

        Returns its status then; None when the time is up, or if the fleet is of no use (for this id) or ceases to be.
        """
        watched = as_job_id(job_id)
        goal = frozenset(JobStatus(status) for status in statuses if status in AWS_STATUSES)
        while watched is not None and self._mono() < until and self.works():
            timeout_s = min(self._slice_s, max(0.0, until - self._mono()))
            try:
                reached = self._fleet.wait([watched], goal, timeout_s).reached
            except RedisUnavailable:
                continue  # and the next look says so
            if reached:
                return reached[watched]
        return None

    def end_of(self, job_id: str) -> Snapshot | None:
        """What the ledger knows of a job that is over; None of any other, and while Redis cannot be reached."""
        watched = as_job_id(job_id)
        if watched is None:
            return None
        try:
            known = self._fleet.get([watched]).get(watched)
        except RedisUnavailable:
            return None
        return known if known is not None and known.status.terminal else None


def as_description(job_id: str, job: Snapshot) -> dict[str, Any]:
    """What is known of a job as DescribeJobs would say it, with AWS's names and times; what is not known is left out."""
    container = {"exitCode": job.exit_code, "reason": job.reason, "logStreamName": job.log_stream}
    members = {
        "jobId": job_id,
        "jobName": job.job_name,
        "jobQueue": job.job_queue,
        "jobDefinition": job.job_definition,
        "status": job.status.value,
        "statusReason": job.status_reason,
        "createdAt": job.created_ms,
        "startedAt": job.started_ms,
        "stoppedAt": job.stopped_ms,
        "container": {name: value for name, value in container.items() if value not in (None, "")},
    }
    return {name: value for name, value in members.items() if value}

"""What the fleet sees of a job, for a caller who would have to ask AWS otherwise."""

from __future__ import annotations

from collections.abc import Collection
from logging import Logger
from typing import Any, Literal

from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import AWS_STATUSES, JobStatus, Snapshot, as_job_id
from fleetpoll.state.roster import OrderKind


class Subscription:
    """One caller's look at a fleet. It asks Redis only, and says in the log when the fleet stops or begins to be of use."""

    def __init__(self, fleet: Fleet, log: Logger, mono: Mono = system_mono) -> None:
        self._fleet, self._log, self._mono = fleet, log, mono
        self._alone = self._drained = False
        self._slice_s = fleet.settings.beat  # how long a wait goes on before it looks again whether anybody is alive

    def works(self) -> bool:
        """Whether a worker of the fleet is alive, as far as Redis tells."""
        try:
            if self._fleet.alive():
                self._tell_drain()
                return True
        except RedisUnavailable as error:
            return self._is_alone(str(error))
        return self._is_alone("No worker is alive, start some with `fleetpoll worker`.")

    def wait(self, job_id: str, statuses: Collection[str], until: float) -> JobStatus | None:
        """Track a job, and wait until it has one of `statuses` or is over, at most until the monotonic moment `until`.

        Returns its status then; None if the fleet is of no use (for this id) or ceases to be. Raises the builtin
        TimeoutError when the time is up, after one look at least.
        """
        watched = as_job_id(job_id)
        goal = frozenset(JobStatus(status) for status in statuses if status in AWS_STATUSES)
        while watched is not None and self.works():
            timeout_s = min(self._slice_s, max(0.0, until - self._mono()))
            try:
                reached = self._fleet.wait([watched], goal, timeout_s).reached
            except RedisUnavailable as error:
                self._is_alone(str(error))
                return None
            self._is_served()
            if reached:
                return reached[watched]
            if self._mono() >= until:
                raise TimeoutError
        return None

    def _tell_drain(self) -> None:
        """Say that an order keeps the workers from looking, the first time. Not ours to work around: a resume will come."""
        order = self._fleet.order_standing()
        drained = order is not None and order.kind is OrderKind.DRAIN
        if drained and not self._drained:
            advice = "its workers look at no job until `fleetpoll fleet resume`. Waiting on"
            self._log.warning("Fleet %s is told to drain: %s", self._fleet.settings.fleet, advice)
        self._drained = drained

    def _is_alone(self, trouble: str) -> Literal[False]:
        """Say why the fleet is of no use, the first time."""
        if not self._alone:
            name = self._fleet.settings.fleet
            self._log.warning("Fleet %s is of no use now, we poll AWS Batch ourselves: %s", name, trouble)
        self._alone = True
        return False

    def _is_served(self) -> None:
        """Say that the fleet has come back, if it was away."""
        if self._alone:
            self._log.info("Fleet %s polls for us again", self._fleet.settings.fleet)
        self._alone = False

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
    """What is known of a job as DescribeJobs would say it, with AWS's members and times; what is not known is left out.

    Queue and definition are names, not ARNs, and a status may be LOST, EXPIRED or REJECTED, which is ours.
    """
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

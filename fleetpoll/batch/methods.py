"""Everything that Airflow's AwsBatchClientHook can do with a job, over any client, with the polling left to the fleet.

Names, arguments, defaults, answers and messages are the hook's. While the fleet works, a poll is a subscription and makes no
DescribeJobs; else it is a poll, each call with a token. `delay` and `exponential_delay` are always called on `self`, so
that who replaces them replaces every sleep of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from logging import Logger
from random import SystemRandom
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fleetpoll.awsbatch.failures import passes, throttle_of
from fleetpoll.backoff import add_jitter, exponential_delay, total_delay
from fleetpoll.batch.awslogs import log_streams
from fleetpoll.batch.fetching import GetLogFetcher, with_logs
from fleetpoll.batch.link import FleetLink
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.batch.subscription import as_description
from fleetpoll.clock import system_mono
from fleetpoll.errors import (
    BatchError,
    ChecksExceeded,
    DescriptionFailed,
    JobFailed,
    JobLost,
    JobNotComplete,
    JobOver,
    JobStatusUnknown,
)
from fleetpoll.jobs import GIVEN_UP, TERMINAL, JobStatus

RNG = SystemRandom()
"""The operating system's randomness: processes that were forked after this was loaded must not sleep in step."""

Answer = TypeVar("Answer")


class BatchMethods:
    """The hook's methods. A subclass has a `client`, a `log`, and sets `_link`, `max_retries` and `status_retries`."""

    MAX_RETRIES: ClassVar[int] = 4200
    STATUS_RETRIES: ClassVar[int] = 10
    DEFAULT_DELAY_MIN: ClassVar[float] = 1  # seconds
    DEFAULT_DELAY_MAX: ClassVar[float] = 10
    FAILURE_STATE: ClassVar[str] = "FAILED"
    SUCCESS_STATE: ClassVar[str] = "SUCCEEDED"
    RUNNING_STATE: ClassVar[str] = "RUNNING"
    INTERMEDIATE_STATES: ClassVar[tuple[str, ...]] = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")

    max_retries: int
    status_retries: int
    _link: FleetLink

    if TYPE_CHECKING:  # at run time these are the subclass's, wherever it has them from

        @property
        def client(self) -> BatchProtocol:
            """The client, on the fleet's allowance: `self._link.metered(...)`."""

        @property
        def log(self) -> Logger:
            """Where to log."""

    @classmethod
    def _error(cls, kind: type[BatchError], message: str) -> Exception:
        """The error to raise; a subclass may make it one of its own family as well."""
        return kind(message)

    def terminate_job(self, job_id: str, reason: str) -> dict[str, Any]:
        """End a job in whatever status, as FAILED. Returns AWS's answer."""
        response = self.client.terminate_job(jobId=job_id, reason=reason)
        self.log.info(response)
        return response

    def check_job_success(self, job_id: str) -> bool:
        """True if the job has SUCCEEDED; raises JobFailed, JobNotComplete, JobLost or JobStatusUnknown otherwise.

        What the fleet knows of a job that is over is believed; else AWS is asked.
        """
        job = self._recorded(job_id) or self.get_job_description(job_id)
        status = job.get("status")
        if status == self.SUCCESS_STATE:
            self.log.info("AWS Batch job (%s) succeeded: %s", job_id, job)
            return True
        if status == self.FAILURE_STATE:
            raise self._error(JobFailed, f"AWS Batch job ({job_id}) failed: {job}")
        if status in self.INTERMEDIATE_STATES:
            raise self._error(JobNotComplete, f"AWS Batch job ({job_id}) is not complete: {job}")
        if status in GIVEN_UP:
            raise self._lost(job_id, job)
        raise self._error(JobStatusUnknown, f"AWS Batch job ({job_id}) has unknown status: {job}")

    def wait_for_job(
        self, job_id: str, delay: float | None = None, get_batch_log_fetcher: GetLogFetcher | None = None
    ) -> None:
        """Wait until a job runs, then until it is over, SUCCEEDED or FAILED; a log fetcher works in between.

        `delay` is how many seconds to sleep before each of the two, as far as we poll ourselves.
        """
        self._spare(delay)
        self.poll_for_job_running(job_id, delay)
        with_logs(job_id, get_batch_log_fetcher, lambda: self.poll_for_job_complete(job_id, delay))
        self.log.info("AWS Batch job (%s) has completed", job_id)

    def poll_for_job_running(self, job_id: str, delay: float | None = None) -> None:
        """Wait until a job runs, or is over already: it may have run too shortly to be seen."""
        self._spare(delay)
        self.poll_job_status(job_id, [self.RUNNING_STATE, self.SUCCESS_STATE, self.FAILURE_STATE])

    def poll_for_job_complete(self, job_id: str, delay: float | None = None) -> None:
        """Wait until a job is SUCCEEDED or FAILED."""
        self._spare(delay)
        self.poll_job_status(job_id, [self.SUCCESS_STATE, self.FAILURE_STATE])

    def poll_job_status(self, job_id: str, match_status: list[str]) -> bool:
        """True once the job has one of these statuses.

        Polls with exponential back-off, at most 1 + `max_retries` times; a subscription lasts as long as that could have
        taken. Raises ChecksExceeded after that, JobOver or JobLost when it can come to none of them any more.
        """
        until = system_mono() + total_delay(self.max_retries)
        for retries in range(1 + self.max_retries):
            if retries:
                pause = self.exponential_delay(retries)
                self.log.info(
                    "AWS Batch job (%s) status check (%d of %d) in the next %.2f seconds",
                    *(job_id, retries, self.max_retries, pause),
                )
                self._pause(pause)
            status = self._watched(job_id, match_status, until) or self.get_job_description(job_id).get("status")
            self.log.info("AWS Batch job (%s) check status (%s) in %s", job_id, status, match_status)
            if status in match_status:
                return True
            if status in TERMINAL:
                raise self._over(job_id, str(status), match_status)
        raise self._exceeded(job_id)

    def get_job_description(self, job_id: str) -> dict[str, Any]:
        """What AWS says of a job, asked up to `status_retries` times while it throttles, fails, or leaves the job out.

        Raises DescriptionFailed after that; AWS's other refusals as they are.
        """
        return self._persistently(
            job_id, lambda: self.parse_job_description(job_id, self.client.describe_jobs(jobs=[job_id]))
        )

    def _persistently(self, job_id: str, ask: Callable[[], Answer]) -> Answer:
        """The answer to a question about a job that may have to be asked again."""
        last: Exception | None = None
        for retries in range(self.status_retries):
            if retries:
                pause = self.exponential_delay(retries)
                self.log.info(
                    "AWS Batch job (%s) description retry (%d of %d) in the next %.2f seconds",
                    *(job_id, retries, self.status_retries, pause),
                )
                self.delay(pause)
            try:
                return ask()
            except DescriptionFailed as error:
                self.log.warning(error)
                last = error
            except Exception as error:
                if not passes(error):
                    raise
                self._ignored(error)
                last = error
        raise self._error(
            DescriptionFailed,
            f"AWS Batch job ({job_id}) description error: exceeded status_retries ({self.status_retries})",
        ) from last

    def _ignored(self, error: Exception) -> None:
        throttle = throttle_of(error)
        name = throttle.code or "throttling" if throttle else type(error).__name__
        self.log.warning("Ignored %s error, original message: %r. It is asked again after a pause.", name, str(error))

    @classmethod
    def parse_job_description(cls, job_id: str, response: dict[str, Any]) -> dict[str, Any]:
        """The one description of this job in DescribeJobs' answer. Raises DescriptionFailed if there is not just one."""
        matching = [job for job in response.get("jobs") or () if job.get("jobId") == job_id]
        if len(matching) != 1:
            raise cls._error(DescriptionFailed, f"AWS Batch job ({job_id}) description error: response: {response}")
        found: dict[str, Any] = matching[0]
        return found

    def get_job_awslogs_info(self, job_id: str) -> dict[str, str] | None:
        """Where the first of the job's log streams is: `awslogs_stream_name`, `awslogs_group`, `awslogs_region`; or None."""
        found = self.get_job_all_awslogs_info(job_id)
        if len(found) > 1:
            self.log.warning("AWS Batch job (%s) has more than one log stream, only returning the first one.", job_id)
        return found[0] if found else None

    def get_job_all_awslogs_info(self, job_id: str) -> list[dict[str, str]]:
        """Where all of the job's log streams are; none, and a line in the log, if CloudWatch has none of it (yet)."""
        streams = log_streams(self.get_job_description(job_id), self._region())
        if streams is None:
            sorts = "Supported job types: container, array, multinode."
            raise self._error(DescriptionFailed, f"AWS Batch job ({job_id}) is not a supported job type. {sorts}")
        if streams.remark:
            self.log.warning("AWS Batch job (%s) %s", job_id, streams.remark)
        return streams.found

    def _region(self) -> str:
        """The Region of the client; the settings' if it does not tell."""
        return getattr(getattr(self.client, "meta", None), "region_name", None) or self._link.settings.region or ""

    @staticmethod
    def add_jitter(delay: float, width: float = 1, minima: float = 0) -> float:
        """`delay` ± `width` seconds, uniform, never below `minima`; the sign of each is ignored."""
        return add_jitter(delay, RNG, width=width, minima=minima)

    @classmethod
    def delay(cls, delay: float | None = None) -> None:
        """Sleep for `delay` ± 1 seconds; without one, for DEFAULT_DELAY_MIN to DEFAULT_DELAY_MAX, uniform."""
        if delay is None:
            time.sleep(RNG.uniform(cls.DEFAULT_DELAY_MIN, cls.DEFAULT_DELAY_MAX))
        else:
            time.sleep(cls.add_jitter(delay))

    @staticmethod
    def exponential_delay(tries: int) -> float:
        """The pause in seconds after so many tries: uniform between a third and all of min(600, 1 + (0.6 · tries)²)."""
        return exponential_delay(tries, RNG)

    def _spare(self, delay: float | None) -> None:
        """Sleep before a poll, for AWS's sake; not when the poll is the fleet's."""
        if not self._link.polls_for_us():
            self.delay(delay)

    def _pause(self, pause: float) -> None:
        """Sleep between two checks of our own, though not into the time when a fleet that was away polls for us again."""
        if self._link.subscription is None:
            self.delay(pause)
            return
        while pause > 0:
            began, step = system_mono(), min(pause, self._link.settings.beat)
            self.delay(step)
            if self._link.polls_for_us():
                return
            pause -= max(step, system_mono() - began)

    def _watched(self, job_id: str, match_status: Collection[str], until: float) -> str | None:
        """The status that a subscription came to; None if there is none, or the fleet was lost."""
        if self._link.subscription is None:
            return None
        try:
            return self._link.subscription.wait(job_id, match_status, until)
        except TimeoutError:
            raise self._exceeded(job_id) from None

    def _recorded(self, job_id: str) -> dict[str, Any] | None:
        """What the fleet's ledger knows of a job that is over, in AWS's words."""
        found = self._link.subscription.end_of(job_id) if self._link.subscription else None
        return as_description(job_id, found) if found else None

    def _exceeded(self, job_id: str) -> Exception:
        return self._error(ChecksExceeded, f"AWS Batch job ({job_id}) status checks exceed max_retries")

    def _over(self, job_id: str, status: str, match_status: Collection[str]) -> Exception:
        if status in GIVEN_UP:
            return self._lost(job_id, self._recorded(job_id) or {"status": status})
        words = f"AWS Batch job ({job_id}) is {status} and will never be in {list(match_status)}"
        return self._error(JobOver, words)

    def _lost(self, job_id: str, job: dict[str, Any]) -> Exception:
        seen = job["status"] == JobStatus.EXPIRED
        check = "How it ended is not known" if seen else "Check the id, and that the fleet has the job's account and Region"
        advice = f"{check}; `fleetpoll untrack` forgets it."
        reason = job.get("statusReason", "")
        return self._error(JobLost, f"AWS Batch job ({job_id}) is {job['status']}: {reason}. {advice}")

"""The operator that submits a job of AWS Batch and leaves the polling to the fleet, deferred or not."""

from __future__ import annotations

import time
from typing import Any

from airflow.providers.amazon.aws.operators.batch import BatchOperator as AirflowBatchOperator
from airflow.providers.common.compat.sdk import AirflowException

from fleetpoll.airflow.errors import JobFailed
from fleetpoll.airflow.hooks import BatchClientHook
from fleetpoll.airflow.links import Links
from fleetpoll.airflow.outcome import KILLED, Event, described, ended, has_failed, was_killed
from fleetpoll.airflow.reattach import TAG, Memory, find_tagged
from fleetpoll.airflow.triggers import BatchJobTrigger
from fleetpoll.awsbatch.failures import denies
from fleetpoll.batch.awslogs import GROUP

LOG_LINES_MAX = 10_000
"""What CloudWatch gives at once."""


class BatchOperator(AirflowBatchOperator):
    """Airflow's BatchOperator, without a DescribeJobs call of a task's or the triggerer's own.

    Deferred, it subscribes to the fleet; else it waits on a subscription. A job that was submitted by an earlier try and
    whose end was not seen is waited for, and no second one is submitted; a retry after a failed job submits a new one.

    :param fleetpoll_conn_id: the Airflow connection of type `fleetpoll`; None: the FLEETPOLL_ variables
    :param fallback_after_s: (deferred) seconds without a live worker after which AWS is asked; None: never, wait on
    :param awslogs_group: the log group that the CloudWatch link leads to; with `awslogs_enabled` AWS is asked, once
    :param durable: whether earlier tries are remembered; a tag marks the job for it
    """

    aws_hook_class = BatchClientHook

    def __init__(
        self,
        *,
        fleetpoll_conn_id: str | None = None,
        fallback_after_s: float | None = None,
        awslogs_group: str = GROUP,
        durable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fleetpoll_conn_id = fleetpoll_conn_id
        self.fallback_after_s = fallback_after_s
        self.awslogs_group = awslogs_group
        self.durable = durable
        self._job_arn = ""
        self.tags: dict[str, str]

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {**super()._hook_parameters, "fleetpoll_conn_id": self.fleetpoll_conn_id}

    def execute(self, context: Any) -> str | None:
        """Submit the job, or find the one that was submitted before, and wait for it."""
        memory = Memory(context)
        self.job_id = self._earlier(memory) if self.durable else None
        if self.job_id is None:
            self.submit_job(context)
        else:
            self.log.info("AWS Batch job (%s) was submitted by an earlier try: waiting for it", self.job_id)
        return self._follow(context)

    def execute_complete(self, context: Any, event: Event | None = None, job_arn: str = "") -> str | None:
        """The deferred job is over: show its output, keep its links, and fail if it did not succeed."""
        if event is None:
            raise AirflowException("The trigger gave no event")
        self.job_id, job = event["job_id"], event.get("job") or {}
        if was_killed(event):
            return self._once_more(context)
        if job:
            self._over(context)
        if self.awslogs_enabled:
            self._show_logs()
        links = Links(self, context)
        links.definition(job_arn, job.get("job_definition", ""))
        links.log(self.awslogs_group, job.get("log_stream", ""))
        if event["status"] != "success":
            raise AirflowException(f"Error while running job: {event['message']}")
        self.log.info("AWS Batch job (%s) succeeded", self.job_id)
        return self.job_id

    def submit_job(self, context: Any) -> None:
        """Submit the job with a token of the fleet's, and note its id where later tries find it."""
        memory = Memory(context)
        self.hook.conn.meta.events.register("after-call.batch.SubmitJob", self._keep_arn, unique_id="fleetpoll")
        if not self.durable:
            super().submit_job(context)
            return
        memory.intend(round(time.time() * 1000))
        tags, self.tags = self.tags, {**(self.tags or {}), TAG: memory.tag}
        try:
            super().submit_job(context)
        except AirflowException as refusal:
            if "TagResource" not in str(refusal):
                raise
            self.log.warning("No tag on the job, because batch:TagResource is not allowed: %s", refusal)
            self.tags = tags
            super().submit_job(context)
        memory.submitted(str(self.job_id), self._job_arn)

    def on_kill(self) -> None:
        """Terminate the job, if there is one yet."""
        if self.job_id:
            self.hook.terminate_job(self.job_id, KILLED)

    def _earlier(self, memory: Memory) -> str | None:
        """The job of an earlier try that is to be waited for; None if there is none, or it has failed."""
        if memory.job_id is not None:
            self._job_arn = memory.job_arn
            known = self.hook.known(memory.job_id)
            if known is None:
                known = described(self.hook.get_job_description(memory.job_id))
            return None if has_failed(known) else memory.job_id
        since_ms = memory.unsure_since_ms
        if since_ms is None:
            return None
        found = self._tagged(memory.tag, since_ms)
        if found is None or not memory.is_unseen(described(found)):
            return None
        self._job_arn = found.get("jobArn", "")
        memory.submitted(found["jobId"], self._job_arn)
        return str(found["jobId"])

    def _tagged(self, tag: str, since_ms: int) -> dict[str, Any] | None:
        """The job that carries the task's tag. Without the right to look for one there is none, as for Airflow's own."""
        try:
            return find_tagged(self.hook.client, self.job_queue, self.job_name, tag, since_ms)
        except Exception as refusal:
            if not denies(refusal):
                raise
            self.log.warning("A job may be submitted twice, because batch:ListJobs is not allowed: %s", refusal)
            return None

    def _follow(self, context: Any) -> str | None:
        """Wait for the job, in the triggerer or here."""
        if not self.deferrable:
            if self.wait_for_completion:
                return self._wait_here(context)
            self._over(context)  # for this task it is: who clears it wants another job
            return self.job_id
        known = self.hook.known(self.job_id)  # tracked from here on, even while no triggerer runs
        self._persist_links(context)
        if known is not None and known.status.terminal:
            return self.execute_complete(context, ended(str(self.job_id), known), self._job_arn)
        trigger = BatchJobTrigger(
            job_id=self.job_id,
            waiter_max_attempts=self.max_retries,
            waiter_delay=self.poll_interval,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
            fleetpoll_conn_id=self.fleetpoll_conn_id,
            fallback_after_s=self.fallback_after_s,
            terminate_on_kill=True,
        )
        later = {"job_arn": self._job_arn}
        self.defer(timeout=self.execution_timeout, trigger=trigger, method_name="execute_complete", kwargs=later)
        raise AssertionError("unreachable")

    def _wait_here(self, context: Any) -> str | None:
        try:
            self.monitor_job(context)
        except JobFailed:
            known = self.hook.known(self.job_id)
            if known is not None and known.status_reason == KILLED:
                return self._once_more(context)
            self._over(context)
            raise
        self._over(context)
        return self.job_id

    def _once_more(self, context: Any) -> str | None:
        """A job that was terminated because somebody killed a try of this task is not the failure of a later try."""
        self.log.warning("AWS Batch job (%s) was terminated with an earlier try: submitting a new one", self.job_id)
        self.submit_job(context)
        return self._follow(context)

    def _over(self, context: Any) -> None:
        if self.durable:
            Memory(context).over()

    def _persist_links(self, context: Any, job_description: dict[str, Any] | None = None) -> dict[str, Any]:
        """Keep the links to the job, its definition and its queue. Airflow's own asks AWS for them."""
        links = Links(self, context)
        links.job(str(self.job_id))
        links.definition(self._job_arn, self.job_definition)
        links.queue(self._job_arn, self.job_queue)
        return job_description or {}

    def _persist_cloudwatch_link(self, context: Any) -> None:
        """Keep the link to the job's output, as far as the fleet knows it. Airflow's own asks AWS for it."""
        known = self.hook.known(self.job_id)
        Links(self, context).log(self.awslogs_group, known.log_stream if known else "")

    def _keep_arn(self, parsed: dict[str, Any], **_: Any) -> None:
        """Take the job's ARN from SubmitJob's answer, of which Airflow's own operator keeps the id only."""
        self._job_arn = parsed.get("jobArn", "")

    def _get_batch_log_fetcher(self, job_id: str) -> Any:
        """What reads the job's output. It has asked AWS where that is, so the link can lead there too."""
        fetcher = super()._get_batch_log_fetcher(job_id)
        if fetcher is not None:
            self.awslogs_group = fetcher.log_group
        return fetcher

    def _show_logs(self) -> None:
        """Put the job's output into the task's log, as far as it can be had."""
        try:
            fetcher = self._get_batch_log_fetcher(str(self.job_id))  # costs one DescribeJobs, with a token
            for message in fetcher.get_last_log_messages(LOG_LINES_MAX) if fetcher else ():
                self.log.info(message)
        except Exception:  # the job is over: its output is a courtesy
            self.log.warning("The output of AWS Batch job (%s) cannot be had", self.job_id, exc_info=True)

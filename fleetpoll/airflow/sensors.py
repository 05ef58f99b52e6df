"""The sensor that waits for a job of AWS Batch with the fleet's eyes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.sensors.batch import BatchSensor as AirflowBatchSensor
from airflow.providers.common.compat.sdk import AirflowException

from fleetpoll.airflow.hooks import BatchClientHook
from fleetpoll.airflow.outcome import Event, ended, has_failed, words_of
from fleetpoll.airflow.triggers import BatchJobTrigger
from fleetpoll.jobs import JobStatus

GRACE_S = 60
"""How much later than the trigger Airflow gives up, so that it is the trigger that says why."""


FIRST_LOOK_S = 5.0
"""How long to wait for the fleet's first look before deferring. A job that is over needs no trigger, and Airflow (3.3) may
fail a task whose trigger fires while the process that deferred it has not left yet."""


class BatchSensor(AirflowBatchSensor):
    """Airflow's BatchSensor, without a DescribeJobs call of a task's or the triggerer's own while there is a Redis.

    :param fleetpoll_conn_id: the Airflow connection of type `fleetpoll`; None: the FLEETPOLL_ variables
    :param fallback_after_s: (deferred) seconds without a live worker after which AWS is asked; None: never, wait on
    """

    aws_hook_class = BatchClientHook

    def __init__(
        self, *, fleetpoll_conn_id: str | None = None, fallback_after_s: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.fleetpoll_conn_id = fleetpoll_conn_id
        self.fallback_after_s = fallback_after_s

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {**super()._hook_parameters, "fleetpoll_conn_id": self.fleetpoll_conn_id}

    def poke(self, context: Any) -> bool:
        """Whether the job has succeeded. Raises AirflowException if it is over and has not."""
        known = self.hook.known(self.job_id)
        if known is None or not (known.status.terminal or self.hook.fleet_works()):
            return bool(super().poke(context))  # asks AWS, with a token if there is a Redis
        if has_failed(known):
            raise AirflowException(f"Batch sensor failed. {words_of(self.job_id, known)}")
        return known.status is JobStatus.SUCCEEDED

    def execute(self, context: Any) -> None:
        """Wait for the job, in the triggerer or here."""
        if not self.deferrable:
            super().execute(context)
            return
        known = self.hook.known(self.job_id, FIRST_LOOK_S)
        if known is not None and known.status.terminal:
            self.resume_execution("execute_complete", {"event": ended(self.job_id, known)}, context)  # soft_fail counts
            return
        timeout_s = self.max_retries * self.poke_interval + GRACE_S
        self.defer(
            timeout=timedelta(seconds=timeout_s) if self.max_retries else self.execution_timeout,
            trigger=BatchJobTrigger(
                job_id=self.job_id,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
                waiter_delay=self.poke_interval,
                waiter_max_attempts=self.max_retries,
                fleetpoll_conn_id=self.fleetpoll_conn_id,
                fallback_after_s=self.fallback_after_s,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Any, event: Event) -> None:
        """The deferred job is over; raises AirflowException if it did not succeed."""
        del context
        if event["status"] != "success":
            raise AirflowException(f"Error while running job: {event['message']}")
        self.log.info("Batch Job %s complete", event["job_id"])

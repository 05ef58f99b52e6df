"""botocore waiters for AWS Batch in the manner of Airflow's AwsBatchWaitersHook, without Airflow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from importlib import resources
from typing import Any

from fleetpoll.awsbatch.waiters import WAIT_ERRORS, make_waiter, waiter_model
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.fetching import GetLogFetcher, with_logs
from fleetpoll.batch.link import FleetChoice
from fleetpoll.batch.methods import BatchMethods
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.errors import JobLost, WaitFailed

JITTER_S = 2.0
DELAY_MIN_S = 1.0


class WaiterMethods(BatchMethods):
    """The waiters hook's methods. A subclass calls `_configure` when it is made."""

    _waiter_config: dict[str, Any]
    _waiter_model: Any

    def _configure(self, waiter_config: dict[str, Any] | None) -> None:
        """Take a configuration, the default without one; what its giver does to it later changes nothing here."""
        self._waiter_config = deepcopy(waiter_config) if waiter_config else self.default_config
        self._waiter_model = waiter_model(self.waiter_config)

    @property
    def default_config(self) -> dict[str, Any]:
        """The configuration of JobExists, JobRunning and JobComplete, as a copy to begin one's own with.

        A job that AWS Batch does not know ends each of them: the first after all its attempts, the others at once.
        """
        text = (resources.files("fleetpoll.batch") / "waiters.json").read_text(encoding="utf-8")
        config: dict[str, Any] = json.loads(text)
        return config

    @property
    def waiter_config(self) -> dict[str, Any]:
        """A copy of the configuration that the waiters are made by."""
        return deepcopy(self._waiter_config)

    @property
    def waiter_model(self) -> Any:
        """The `botocore.waiter.WaiterModel` of the configuration."""
        return self._waiter_model

    def get_waiter(
        self,
        waiter_name: str,
        parameters: dict[str, str] | None = None,
        config_overrides: dict[str, Any] | None = None,
        deferrable: bool = False,  # noqa: FBT001, FBT002 - the hook's signature
        client: Any = None,
    ) -> Any:
        """A new `botocore.waiter.Waiter` of this name; only the name counts, the rest is Airflow's.

        Its calls go through the property `client`, again while AWS throttles. Raises ValueError for an unknown name.
        """
        del parameters, config_overrides, deferrable, client
        return make_waiter(self.waiter_model, waiter_name, self._patient)

    def list_waiters(self) -> list[str]:
        """The names of the waiters that are configured."""
        return list(self.waiter_model.waiter_names)

    def wait_for_job(
        self, job_id: str, delay: float | None = None, get_batch_log_fetcher: GetLogFetcher | None = None
    ) -> None:
        """Wait until a job has SUCCEEDED: as a BatchClient if there is a fleet, else by JobExists, JobRunning, JobComplete.

        The waiters' delays are drawn ± 2 s, at least 1 s, and JobRunning and JobComplete wait as long as it takes: the
        caller knows how long that may be. Raises WaitFailed if the job has FAILED, AWS Batch does not know it, or AWS
        refuses to tell; DescriptionFailed when `status_retries` calls in a row came to nothing.
        """
        try:
            if self._link.subscription is None:
                self._wait_alone(job_id, delay, get_batch_log_fetcher)
            else:  # botocore's waiter could not leave the polling to a fleet that comes back
                super().wait_for_job(job_id, delay, get_batch_log_fetcher)
                self._no_failure(job_id)
        except (*WAIT_ERRORS, JobLost) as error:
            raise self._error(WaitFailed, f"AWS Batch job ({job_id}) wait failed: {error}") from error

    def _wait_alone(self, job_id: str, delay: float | None, get_batch_log_fetcher: GetLogFetcher | None) -> None:
        """Wait with the three waiters. Raises their errors, and the client's."""
        self.delay(delay)
        self._wait("JobExists", job_id)
        self._wait("JobRunning", job_id, sys.maxsize)
        with_logs(job_id, get_batch_log_fetcher, lambda: self._wait("JobComplete", job_id, sys.maxsize))

    def _wait(self, waiter_name: str, job_id: str, max_attempts: int | None = None) -> None:
        waiter = self.get_waiter(waiter_name)
        waiter.config.delay = self.add_jitter(waiter.config.delay, width=JITTER_S, minima=DELAY_MIN_S)
        if max_attempts is not None:
            waiter.config.max_attempts = max_attempts
        waiter.wait(jobs=[job_id])

    def _no_failure(self, job_id: str) -> None:
        """Raise for a job that is over and has FAILED, as the waiter does."""
        job = self._recorded(job_id) or self.get_job_description(job_id)
        if job.get("status") != self.SUCCESS_STATE:
            raise self._error(WaitFailed, f"AWS Batch job ({job_id}) wait failed: it is {job.get('status')}: {job}")

    def _patient(self, method: str) -> Callable[..., Any]:
        """A call of the client's that is made again as a description is."""

        def ask(**request: Any) -> Any:
            words = ", ".join(request.get("jobs", ()))
            return self._persistently(words, lambda: getattr(self.client, method)(**request))

        return ask


class BatchWaiters(WaiterMethods, BatchClient):
    """A BatchClient that waits with botocore's waiters, by a configuration of one's own if `waiter_config` is given."""

    def __init__(
        self,
        waiter_config: dict[str, Any] | None = None,
        *,
        client: BatchProtocol | None = None,
        fleet: FleetChoice = None,
        region_name: str | None = None,
        max_retries: int | None = None,
        status_retries: int | None = None,
    ) -> None:
        super().__init__(
            client, fleet=fleet, region_name=region_name, max_retries=max_retries, status_retries=status_retries
        )
        self._configure(waiter_config)

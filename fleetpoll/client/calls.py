"""Submit, terminate and cancel: AWS's own calls, each through the fleet's bucket for its operation.

The one module of the client that loads boto3, which takes longer than all the rest: readers do without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.backoff import exponential_delay
from fleetpoll.client.fleet import Fleet
from fleetpoll.errors import Throttled, TokenRefused
from fleetpoll.jobs import Description
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.limiter import FleetLimiter, passed_stamp_us
from fleetpoll.state.rooms import CANCEL, DESCRIBE, LIST, OPERATIONS, SUBMIT, TERMINATE

TRIES = 5
"""How often a call is made that AWS throttles, each time with a new token, after a pause that grows as the hook's does."""
TOKEN_WAIT_S = 60.0

Answer = TypeVar("Answer")


def open_calls(fleet: Fleet, tries: int = TRIES, token_wait_s: float = TOKEN_WAIT_S) -> Calls:
    """The calls of a fleet, by its settings. Raises SettingsError when there is no Region or no such profile."""
    buckets = {operation: fleet.bucket(operation) for operation in OPERATIONS}
    return Calls(BatchApi(fleet.settings), buckets, tries=tries, token_wait_s=token_wait_s)


class Calls:
    """AWS's own calls, for one account and Region."""

    def __init__(
        self,
        api: BatchApi,
        buckets: dict[str, FleetBucket],
        sleep: Callable[[float], None] = time.sleep,
        tries: int = TRIES,
        token_wait_s: float = TOKEN_WAIT_S,
    ) -> None:
        self._api, self._buckets, self._sleep, self._rng = api, buckets, sleep, Random()
        self._tries, self._token_wait_s = tries, token_wait_s
        self.took_s = 0.0  # the last call, without the wait for its token
        self._limiters = {operation: FleetLimiter(bucket) for operation, bucket in buckets.items()}

    def submit(self, **request: Any) -> str:
        """SubmitJob with AWS's own arguments. Returns the job id."""
        answer = self._through(SUBMIT, lambda: self._api.submit_job(**request))
        return str(answer["jobId"])

    def terminate(self, job_id: str, reason: str) -> None:
        """TerminateJob: ends a job in whatever status, as FAILED."""
        self._through(TERMINATE, lambda: self._api.terminate_job(job_id, reason))

    def cancel(self, job_id: str, reason: str) -> None:
        """CancelJob: ends a job that has not started; AWS ignores it for one that has."""
        self._through(CANCEL, lambda: self._api.cancel_job(job_id, reason))

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        """One page of ListJobs with AWS's own arguments and answer."""
        return self._through(LIST, lambda: self._api.list_jobs(**request))

    def describe(self, ids: Sequence[str]) -> dict[str, Description]:
        """One DescribeJobs call for up to 100 ids; ids that AWS does not know are absent."""
        return self._through(DESCRIBE, lambda: self._api.describe(ids))

    def _through(self, operation: str, call: Callable[[], Answer]) -> Answer:
        """Make a call with a token of its operation; a throttle is told to the bucket, and the call is tried again.

        Raises TokenRefused when no token comes in time, and AWS's failures.
        """
        bucket, limiter = self._buckets[operation], self._limiters[operation]
        for tried in range(1, self._tries + 1):
            if not limiter.try_acquire(operation, timeout=self._token_wait_s):
                raise TokenRefused(
                    f"No {operation} token within {self._token_wait_s:.0f} s: the fleet's bucket is spent or paused."
                )
            asked_at = time.monotonic()
            try:
                return call()
            except Throttled as throttle:
                bucket.penalize(passed_stamp_us(), throttle.retry_after_s)
                if tried == self._tries:
                    raise
                self._sleep(exponential_delay(tried, self._rng))
            finally:
                self.took_s = time.monotonic() - asked_at
        raise AssertionError("unreachable")

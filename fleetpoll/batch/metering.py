"""AWS calls of an application's own, each with a token of the fleet's bucket for its operation.

The client stays what it was: the same arguments, the same answers, the same errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from logging import Logger
from random import SystemRandom
from typing import Any, TypeVar

from fleetpoll.awsbatch.failures import throttle_of
from fleetpoll.backoff import exponential_delay
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.following import pause_s
from fleetpoll.clock import system_mono
from fleetpoll.errors import RedisUnavailable, StateError, Throttled
from fleetpoll.state.limiter import FleetLimiter, passed_stamp_us
from fleetpoll.state.rooms import CANCEL, DESCRIBE, LIST, SUBMIT, TERMINATE

TRIES = 5
"""How often a call that AWS throttles is made, each time with a new token; a DescribeJobs, once: who polls comes again."""
TOKEN_WAIT_S = 60.0
"""How often a caller that waits for a token hears that it does."""
OPERATIONS = {
    "describe_jobs": DESCRIBE,
    "submit_job": SUBMIT,
    "terminate_job": TERMINATE,
    "cancel_job": CANCEL,
    "list_jobs": LIST,
}

Answer = TypeVar("Answer")


class Meter:
    """Makes calls with the tokens of a fleet; without one, they are just made."""

    def __init__(self, fleet: Fleet | None, log: Logger, sleep: Callable[[float], None] = time.sleep) -> None:
        self._fleet, self._log, self._sleep = fleet, log, sleep
        self._limiters: dict[str, FleetLimiter] = {}
        self._rng = SystemRandom()  # a worker process that was forked draws numbers of its own

    def call(self, operation: str, call: Callable[..., Answer], **request: Any) -> Answer:
        """Wait for a token, as long as it takes, and make the call; a throttle is told to the bucket.

        Raises the call's own errors.
        """
        for tried in range(1, TRIES + 1):
            self._take(operation)
            try:
                return call(**request)
            except Exception as error:
                throttle = throttle_of(error)
                if throttle is None:
                    raise
                if getattr(error, "operation_name", operation) == operation:  # else it is STS, asked on our behalf
                    self._tell(operation, throttle)
                if operation == DESCRIBE or tried == TRIES:
                    raise
            self._sleep(exponential_delay(tried, self._rng))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Be done with the limiters."""
        while self._limiters:
            self._limiters.popitem()[1].close()

    def _take(self, operation: str) -> None:
        if self._fleet is None:
            return
        limiter = self._limiters.get(operation)
        if limiter is None:  # of two threads that make one, both go on with the first
            limiter = self._limiters.setdefault(operation, self._fleet.limiter(operation))
        while not self._token(limiter, operation):
            self._log.warning(
                "No %s token within %.0f s: the bucket of fleet %s is spent or paused. Waiting on",
                operation,
                TOKEN_WAIT_S,
                self._fleet.settings.fleet,
            )

    def _token(self, limiter: FleetLimiter, operation: str) -> bool:
        """Take a token, if one comes within TOKEN_WAIT_S."""
        until = system_mono() + TOKEN_WAIT_S
        while (left_s := until - system_mono()) > 0:
            try:
                return bool(limiter.try_acquire(operation, timeout=left_s))
            except RedisUnavailable:  # an operator had paused the bucket, and nobody can tell whether that is over
                self._sleep(pause_s())
        return False

    def _tell(self, operation: str, throttle: Throttled) -> None:
        if self._fleet is not None:
            with suppress(StateError):  # Redis is away: then the bucket hears it from others
                self._fleet.bucket(operation).penalize(passed_stamp_us(), throttle.retry_after_s)


class MeteredClient:
    """A client for AWS Batch whose calls go through a meter; everything else of it is as it was."""

    def __init__(self, client: BatchProtocol, meter: Meter) -> None:
        self._client, self._meter = client, meter

    def describe_jobs(self, **request: Any) -> dict[str, Any]:
        """DescribeJobs with AWS's own arguments and answer."""
        return self._meter.call(DESCRIBE, self._client.describe_jobs, **request)

    def submit_job(self, **request: Any) -> dict[str, Any]:
        """SubmitJob with AWS's own arguments and answer."""
        return self._meter.call(SUBMIT, self._client.submit_job, **request)

    def terminate_job(self, **request: Any) -> dict[str, Any]:
        """TerminateJob with AWS's own arguments and answer."""
        return self._meter.call(TERMINATE, self._client.terminate_job, **request)

    def get_waiter(self, *name: str, **named: Any) -> Any:
        """A waiter of the client's own; its calls are not metered."""
        return self._client.get_waiter(*name, **named)

    def __getattr__(self, name: str) -> Any:
        """What else the client has; calls that a bucket is for are metered."""
        if name == "_client":
            raise AttributeError(name)  # a copy that is in the making has none yet, and would ask itself for ever
        found = getattr(self._client, name)
        return partial(self._meter.call, OPERATIONS[name], found) if name in OPERATIONS else found

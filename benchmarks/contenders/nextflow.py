"""A re-creation of how one Nextflow run polls, after its source; it is not Nextflow.

Each poll of 10 s describes the run's jobs in windows of 100. All calls pass a limiter of the process: 50/s at first, halved
by a throttle at most once a second, a fifth more after each 100 successes, with no upper end. A throttled call is made
again after 1 s times the number of its attempts, ten times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.contenders.feed import ENDS, serve

WINDOW = 100
POLL_S = 10.0
ATTEMPTS = 10
RATE_FIRST, RATE_MIN = 50.0, 1.0


class Throttling:
    """The limiter of one process; `pace` sleeps before a call, `accepted` and `throttled` adapt the rate."""

    def __init__(self) -> None:
        self.rate = RATE_FIRST
        self._next_at = self._cut_at = 0.0
        self._successes = 0

    def pace(self) -> None:
        """Wait for this call's turn."""
        now = time.monotonic()
        self._next_at = max(now, self._next_at) + 1 / self.rate
        time.sleep(max(0.0, self._next_at - 1 / self.rate - now))

    def accepted(self) -> None:
        """A call was answered."""
        self._successes += 1
        if self._successes >= WINDOW:
            self.rate, self._successes = self.rate * 1.2, 0

    def throttled(self) -> None:
        """A call was refused."""
        self._successes = 0
        if time.monotonic() - self._cut_at >= 1.0:
            self.rate, self._cut_at = max(RATE_MIN, self.rate / 2), time.monotonic()


class Head:
    """The head process of one run."""

    def __init__(self, client: Any) -> None:
        self.given_up = 0
        self._client, self._limiter, self._lock = client, Throttling(), threading.Lock()
        self._ids: dict[str, None] = {}

    def prepare(self, count: int) -> None:
        """There is nothing to prepare."""

    def watch(self, ids: Sequence[str]) -> None:
        """These jobs belong to the run."""
        with self._lock:
            self._ids.update(dict.fromkeys(ids))

    def go(self) -> None:
        """Poll in a thread until the process ends."""
        threading.Thread(target=self._poll_forever, daemon=True).start()

    def _poll_forever(self) -> None:
        while True:
            began = time.monotonic()
            with self._lock:
                ids = list(self._ids)
            for start in range(0, len(ids), WINDOW):
                self._describe(ids[start : start + WINDOW])
            time.sleep(max(0.0, began + POLL_S - time.monotonic()))

    def _describe(self, ids: list[str]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            self._limiter.pace()
            try:
                jobs = self._client.describe_jobs(jobs=ids)["jobs"]
            except ClientError:
                self._limiter.throttled()
                time.sleep(1.0 * attempt)
                continue
            self._limiter.accepted()
            self._forget({job["jobId"] for job in jobs if job["status"] in ENDS})
            return
        self.given_up += 1

    def _forget(self, ended: set[str]) -> None:
        with self._lock:
            for job_id in ended:
                self._ids.pop(job_id, None)


if __name__ == "__main__":
    serve(Head(boto3.client("batch", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))))

"""A botocore waiter for each job: the acceptors of Airflow's JobComplete, and the delay of its deferrable operator.

The delay of 300 s that Airflow's waiter file names is longer than a run here, so these take the 30 s that its operator
hands to the trigger. Like the trigger they go on after an error that may pass, one delay later.
"""

from __future__ import annotations

import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError
from botocore.waiter import WaiterModel, create_waiter_with_client

from benchmarks.contenders.feed import ENDS, serve
from benchmarks.contenders.threads import OnePerJob, Wait

DELAY_S = 30
PASSING = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
JOB_COMPLETE = {
    "operation": "DescribeJobs",
    "delay": DELAY_S,
    "maxAttempts": 10_000,
    "acceptors": [
        {"argument": "jobs[].status", "expected": end, "matcher": "pathAll", "state": "success"} for end in sorted(ENDS)
    ],
}
MODEL = WaiterModel({"version": 2, "waiters": {"JobComplete": JOB_COMPLETE}})


class Waiters:
    """Makes waiters whose clients share one session."""

    def __init__(self) -> None:
        self._session = boto3.Session()

    def wait(self) -> Wait:
        """The wait for one job."""
        client = self._session.client("batch", config=Config(retries={"mode": "standard"}))
        waiter = create_waiter_with_client("JobComplete", MODEL, client)

        def until_complete(job_id: str) -> None:
            while not completed(waiter, job_id):
                time.sleep(DELAY_S)

        return until_complete


def completed(waiter: Any, job_id: str) -> bool:
    """Wait for the job; False after an error that may pass. Raises WaiterError for any other."""
    try:
        waiter.wait(jobs=[job_id])
    except WaiterError as error:
        if error.last_response.get("Error", {}).get("Code") not in PASSING:
            raise
        return False
    return True


if __name__ == "__main__":
    serve(OnePerJob(Waiters().wait))

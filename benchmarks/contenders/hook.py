"""Airflow's own BatchClientHook: `poll_for_job_complete` for each job, as its workers call it.

In Airflow each task is a process; here each is a thread of a few processes, or a thousand of them would not fit. Each has
a hook and an SDK client of its own, with the configuration that the hook itself makes. Only the data files of the SDK are
loaded once for all.
"""

from __future__ import annotations

import boto3
from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook

from benchmarks.contenders.feed import serve
from benchmarks.contenders.threads import OnePerJob, Wait


class Hooks:
    """Makes hooks whose clients share one session."""

    def __init__(self) -> None:
        self._session = boto3.Session()
        sample = BatchClientHook(aws_conn_id=None, region_name=self._session.region_name)
        self._config = sample.conn.meta.config

    def wait(self) -> Wait:
        """The poll of one task."""
        hook = BatchClientHook(aws_conn_id=None, region_name=self._session.region_name)
        hook.conn = self._session.client("batch", config=self._config)
        wait: Wait = hook.poll_for_job_complete
        return wait


if __name__ == "__main__":
    serve(OnePerJob(Hooks().wait))

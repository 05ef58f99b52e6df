"""The DAGs of the stack's tests: jobs are submitted and deferred, submitted and waited for, or only watched."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from fleetpoll.airflow.operators import BatchOperator
from fleetpoll.airflow.sensors import BatchSensor

COUNT = int(os.environ.get("TEST_JOBS", "1"))
WATCHED = Path(os.environ.get("TEST_WATCHED", "/nowhere"))
CONNECTION = os.environ.get("TEST_CONNECTION") or None

with DAG("submit", schedule=None):
    BatchOperator.partial(
        task_id="run",
        job_name="deferred",
        job_definition="step:1",
        job_queue="fleet",
        deferrable=True,
        fleetpoll_conn_id=CONNECTION,
    ).expand(parameters=[{"number": str(number)} for number in range(COUNT)])

for name, deferrable in (("wait-here", False), ("defer", True)):
    with DAG(name, schedule=None):
        BatchOperator(
            task_id="run",
            job_name=name,
            job_definition="step:1",
            job_queue="fleet",
            deferrable=deferrable,
            fleetpoll_conn_id=CONNECTION,
            retries=1,
            retry_delay=timedelta(seconds=1),
        )

with DAG("watch", schedule=None):
    BatchSensor.partial(task_id="see", deferrable=True, fleetpoll_conn_id=CONNECTION).expand(
        job_id=json.loads(WATCHED.read_text()) if WATCHED.is_file() else ["none"]
    )

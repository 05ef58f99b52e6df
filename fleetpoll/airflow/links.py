"""The links of a task to AWS's console, from what is known without asking AWS: the submission's ARN and the ledger."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.links.batch import BatchJobDefinitionLink, BatchJobDetailsLink, BatchJobQueueLink
from airflow.providers.amazon.aws.links.logs import CloudWatchEventsLink

from fleetpoll.airflow.tries import TRY


class Links:
    """Keeps the links of one task instance, where Airflow's own operator keeps them."""

    def __init__(self, operator: Any, context: Any) -> None:
        meta = operator.hook.conn_client_meta
        self._region = meta.region_name
        self._where = {
            "context": context,
            "operator": operator,
            "region_name": meta.region_name,
            "aws_partition": meta.partition,
        }

    def job(self, job_id: str) -> None:
        """The job, and which try waits for it: its trigger may ask."""
        BatchJobDetailsLink.persist(**self._where, job_id=job_id, **{TRY: self._where["context"]["ti"].try_number})

    def definition(self, job_arn: str, name: str) -> None:
        """Its definition, by name or ARN; by name it takes a job's ARN to know the account."""
        if arn := sibling(job_arn, "job-definition", name):
            BatchJobDefinitionLink.persist(**self._where, job_definition_arn=arn)

    def queue(self, job_arn: str, name: str) -> None:
        """Its queue, by name or ARN."""
        if arn := sibling(job_arn, "job-queue", name):
            BatchJobQueueLink.persist(**self._where, job_queue_arn=arn)

    def log(self, group: str, stream: str) -> None:
        """Its output, if it has a stream."""
        if stream:
            log = {"awslogs_region": self._region, "awslogs_group": group, "awslogs_stream_name": stream}
            CloudWatchEventsLink.persist(**self._where, **log)


def sibling(job_arn: str, kind: str, name: str) -> str:
    """The ARN of another thing of a job's account and Region; '' if neither ARN is known."""
    if name.startswith("arn:"):
        return name
    account = job_arn.rpartition(":job/")[0]
    return f"{account}:{kind}/{name}" if account else ""

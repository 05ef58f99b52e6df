"""What we ask of a client for AWS Batch: boto3's has it, and so may anything else."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class BatchProtocol(Protocol):
    """The part of `boto3.client("batch")` that is used here, with AWS's own names of arguments."""

    def describe_jobs(self, *, jobs: list[str]) -> dict[str, Any]:
        """DescribeJobs, for up to 100 ids."""
        ...

    def get_waiter(self, waiterName: str, /) -> Any:  # noqa: N803 - AWS's name
        """A waiter of the client's own; AWS Batch has none, see `BatchWaiters`."""
        ...

    def submit_job(self, *, jobName: str, jobQueue: str, jobDefinition: str, **more: Any) -> dict[str, Any]:  # noqa: N803 - AWS's names
        """SubmitJob; `more` are AWS's further arguments, `arrayProperties`, `containerOverrides`, `tags` and so on."""
        ...

    def terminate_job(self, *, jobId: str, reason: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        """TerminateJob."""
        ...

"""Where a job's output is, for what the hook does not know: several containers in a task, EKS, and answers with holes."""

from __future__ import annotations

from typing import Any

import pytest

from fleetpoll.batch.awslogs import GROUP, LogStreams, log_streams

REGION = "eu-west-3"


def container(name: str, stream: str | None, group: str | None = None, driver: str | None = "awslogs") -> dict[str, Any]:
    """One of several containers, as DescribeJobs has it."""
    config = {"logDriver": driver, "options": {"awslogs-group": group} if group else None}
    return {"name": name, "logStreamName": stream, "logConfiguration": config}


def told(stream: str, group: str = GROUP) -> dict[str, str]:
    """A stream in the hook's form."""
    return {"awslogs_stream_name": stream, "awslogs_group": group, "awslogs_region": REGION}


def test_each_container_of_a_task_has_its_own_stream_and_group() -> None:
    """Nothing is crossed: the description says which belongs to which."""
    containers = [container("app", "s/app", "/app"), container("proxy", "s/proxy"), container("init", None)]
    job = {"ecsProperties": {"taskProperties": [{"containers": containers}]}}

    assert log_streams(job, REGION) == LogStreams([told("s/app", "/app"), told("s/proxy")])


def test_a_container_of_a_task_may_log_elsewhere() -> None:
    """It is left out; when all do, the remark is the hook's."""
    mixed = [container("app", "s/app"), container("audit", "s/audit", driver="splunk")]
    ours = log_streams({"ecsProperties": {"taskProperties": [{"containers": mixed}]}}, REGION)
    none = log_streams({"ecsProperties": {"taskProperties": [{"containers": mixed[1:]}]}}, REGION)

    assert ours == LogStreams([told("s/app")])
    assert none == LogStreams(remark="uses non-aws log drivers. AWS CloudWatch logging disabled.")


def test_nodes_with_several_containers_are_tied_by_name() -> None:
    """The streams of a multi-node job's attempts go with the configurations of containers of the same name."""
    node = {
        "ecsProperties": {"taskProperties": [{"containers": [container("app", None, "/app"), container("db", None, "/db")]}]}
    }
    attempt = {
        "taskProperties": [{"containers": [{"name": "db", "logStreamName": "s/db"}, {"name": "app", "logStreamName": "s"}]}]
    }
    job = {"nodeProperties": {"nodeRangeProperties": [node]}, "attempts": [attempt]}

    assert log_streams(job, REGION) == LogStreams([told("s/db", "/db"), told("s", "/app")])


def test_eks_has_no_streams() -> None:
    """It is said, and no error: a job on EKS is a job."""
    found = log_streams({"container": None, "eksProperties": {"podProperties": {}}, "eksAttempts": []}, REGION)

    assert found is not None
    assert found.found == []
    assert "EKS" in found.remark


@pytest.mark.parametrize(
    "job",
    [
        {"container": {"logStreamName": "s", "logConfiguration": None}},
        {"container": {"logStreamName": "s", "logConfiguration": {"logDriver": None, "options": None}}},
        {"container": {"logStreamName": "s"}, "nodeProperties": None, "ecsProperties": None, "attempts": None},
        {"nodeProperties": {"nodeRangeProperties": None}, "attempts": [{"container": {"logStreamName": "s"}}]},
        {
            "nodeProperties": {"nodeRangeProperties": [{"container": None}]},
            "attempts": [{"container": {"logStreamName": "s"}}],
        },
        {
            "nodeProperties": {"nodeRangeProperties": [None, {}]},
            "attempts": [
                None,
                {"container": None, "taskProperties": None},
                {"container": None, "taskProperties": [{"containers": None}, {"containers": [{"logStreamName": "s"}]}]},
            ],
        },
        {"ecsProperties": {"taskProperties": [None, {"containers": [None, container("app", "s")]}]}},
    ],
)
def test_what_is_null_is_as_good_as_absent(job: dict[str, Any]) -> None:
    """AWS writes null where it has nothing to say; the stream is found all the same."""
    assert log_streams(job, REGION) == LogStreams([told("s")])


@pytest.mark.parametrize("job", [{}, {"container": None}, {"ecsProperties": {"taskProperties": None}}, {"jobId": "x"}])
def test_a_job_of_no_known_sort_has_no_answer(job: dict[str, Any]) -> None:
    """It is for the caller to say so."""
    assert log_streams(job, REGION) is None

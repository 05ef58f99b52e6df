"""Where the hook finds a job's output. Each case is for any contender."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.contender import JOB, REGION, Contender, described, scene

NO_STREAM = f"WARNING AWS Batch job ({JOB}) doesn't have any AWS CloudWatch Stream."
ELSEWHERE = f"WARNING AWS Batch job ({JOB}) uses non-aws log drivers. AWS CloudWatch logging disabled."


def group(name: str, region: str | None = None) -> dict[str, Any]:
    """A container whose output goes to a group."""
    options = {"awslogs-group": name} | ({"awslogs-region": region} if region else {})
    return {"container": {"logConfiguration": {"logDriver": "awslogs", "options": options}}}


def told(stream: str, of_group: str = "/aws/batch/job", region: str = REGION) -> dict[str, str]:
    """A stream, as the hook tells it."""
    return {"awslogs_stream_name": stream, "awslogs_group": of_group, "awslogs_region": region}


def attempt(stream: str) -> dict[str, Any]:
    """An attempt of one container."""
    return {"container": {"exitCode": 0, "logStreamName": stream}}


def tasks(*streams: str) -> dict[str, Any]:
    """An attempt of one task with several containers."""
    return {"taskProperties": [{"containers": [{"exitCode": 0, "logStreamName": stream} for stream in streams]}]}


SPLUNK = {"logConfiguration": {"logDriver": "splunk", "options": {"splunk-url": "x"}}}
TWO_NODES = {"nodeRangeProperties": [{"targetNodes": "0:", **group("/a", "r1")}, {"targetNodes": "1:", **group("/b")}]}

# What AWS says of a job, what the hook makes of it, and what it says in its log.
TABLE: dict[str, tuple[dict[str, Any], list[dict[str, str]], list[str]]] = {
    "as configured": ({"container": group("/g", "r")["container"] | {"logStreamName": "s"}}, [told("s", "/g", "r")], []),
    "by default": ({"container": {"logStreamName": "s", "logConfiguration": {}}}, [told("s")], []),
    "no configuration": ({"container": {"logStreamName": "s"}}, [told("s")], []),
    "driver by default": (
        {"container": {"logStreamName": "s", "logConfiguration": {"options": {"awslogs-group": "/g"}}}},
        [told("s", "/g")],
        [],
    ),
    "not started": ({"container": {"logConfiguration": {"logDriver": "awslogs"}}}, [], [NO_STREAM]),
    "array parent": ({"arrayProperties": {"size": 5}, "container": {"image": "i"}}, [], [NO_STREAM]),
    "array child": ({"arrayProperties": {"index": 3}, "container": {"logStreamName": "s/3"}}, [told("s/3")], []),
    "several attempts": ({"attempts": [attempt("0"), attempt("1")], "container": {"logStreamName": "1"}}, [told("1")], []),
    "another driver": ({"container": {"logStreamName": "s", **SPLUNK}}, [], [ELSEWHERE]),
    "another driver on one node": (
        {"attempts": [attempt("s")], "nodeProperties": {"nodeRangeProperties": [group("/a"), {"container": SPLUNK}]}},
        [],
        [ELSEWHERE],
    ),
    "nodes without attempts": ({"nodeProperties": TWO_NODES}, [], [NO_STREAM]),
    "each attempt with each range of nodes": (
        {"attempts": [attempt("s/0"), attempt("s/1")], "nodeProperties": TWO_NODES},
        [told("s/0", "/a", "r1"), told("s/0", "/b"), told("s/1", "/a", "r1"), told("s/1", "/b")],
        [],
    ),
    "attempts of several containers": (
        {"attempts": [tasks("t/0", "t/1"), {}, attempt("s")], "nodeProperties": {"nodeRangeProperties": [group("/a")]}},
        [told("t/0", "/a"), told("t/1", "/a"), told("s", "/a")],
        [],
    ),
}


def all_streams_are_told(contender: Contender) -> None:
    """Name, group and Region of each, the latter two with AWS's defaults; what there is not is said in the log."""
    for name, (job, expected, words) in TABLE.items():
        it = scene(contender, described("RUNNING", **job))
        assert it.hook.get_job_all_awslogs_info(JOB) == expected, name
        assert it.logged == words, name
        assert it.aws.asked == [[JOB]], name


def the_first_stream_is_told(contender: Contender) -> None:
    """None without any; a warning when there are more."""
    for name, (job, expected, words) in TABLE.items():
        it = scene(contender, described("RUNNING", **job))
        assert it.hook.get_job_awslogs_info(JOB) == (expected[0] if expected else None), name
        more = f"WARNING AWS Batch job ({JOB}) has more than one log stream, only returning the first one."
        assert it.logged == [*words, *([more] if len(expected) > 1 else [])], name


def a_job_of_no_known_sort_raises(contender: Contender) -> None:
    """Its message says which sorts are known."""
    jobs: list[dict[str, Any]] = [{}, {"container": {}}, {"nodeProperties": {}}]
    for job in jobs:
        with pytest.raises(contender.error) as raised:
            scene(contender, described("RUNNING", **job)).hook.get_job_awslogs_info(JOB)
        sorts = "Supported job types: container, array, multinode."
        assert str(raised.value) == f"AWS Batch job ({JOB}) is not a supported job type. {sorts}"


CASES = (all_streams_are_told, the_first_stream_is_told, a_job_of_no_known_sort_raises)

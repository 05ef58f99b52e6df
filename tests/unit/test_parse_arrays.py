"""What a description says of an array's children."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetpoll.awsbatch.parse import descriptions
from fleetpoll.jobs import AWS_STATUSES, Array

SUMMARY = {status: 10**place for place, status in enumerate(AWS_STATUSES)}


def array_of(**members: Any) -> Array | None:
    """What becomes of a job with these members."""
    body = json.dumps({"jobs": [{"jobId": "a", "jobName": "n", "status": "PENDING", **members}]})
    return descriptions(body.encode())["a"].array


@pytest.mark.parametrize(
    ("properties", "array"),
    [
        ({"size": 5, "statusSummary": SUMMARY}, Array(5, ended=1_100_000, running=11_000)),
        ({"size": 5, "statusSummary": {"HIBERNATING": 3, "FAILED": 2, "RUNNING": -1}}, Array(5, ended=2, running=0)),
        ({"size": 5}, Array(5)),
        ({"size": 5, "statusSummary": None}, Array(5)),
        ({"size": 10**15}, Array(100_000)),
        ({"index": 5}, None),
        ({"size": 0}, None),
        ({"size": -5}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_array_is_a_size_and_how_many_ended_and_run(properties: Any, array: Array | None) -> None:
    """The rest of the summary is of no use; a child is no array, nor is what has no children."""
    assert array_of(arrayProperties=properties) == array


def test_a_job_is_no_array() -> None:
    """Most are not."""
    assert array_of() is None


def test_an_array_in_a_form_that_nobody_knows_costs_its_details_only() -> None:
    """Its name is not known then either, so that nobody takes it for a job that is no array."""
    body = b'{"jobs": [{"jobId": "a", "jobName": "n", "status": "PENDING", "arrayProperties": {"size": "many"}}]}'
    found = descriptions(body)["a"]
    assert (found.status, found.job_name, found.array) == ("PENDING", "", None)

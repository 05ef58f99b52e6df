"""The policies for AWS, beside the calls that the code can make: nothing is missing, and nothing is too much."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from fleetpoll.awsbatch.roles import session_name
from fleetpoll.batch.awslogs import GROUP
from fleetpoll.state.rooms import DESCRIBE, OPERATIONS

ROOT = Path(__file__).parents[2]
POLICIES: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "workers" / "deploy" / "iam").glob("*.json"))
}
TRUST = POLICIES.pop("trust")
"""Not what somebody may do, but who may become the poller of another account."""
PLACES = re.compile(r":REGION:ACCOUNT:|:iam::ACCOUNT:role/ROLE$")
NO_RESOURCES = {"batch:DescribeJobs", "batch:ListJobs"}
"""Actions for which AWS knows no permissions of a resource."""
WITH_TAGS = {"batch:TagResource"}
"""What AWS wants beside SubmitJob from who submits with tags; no call of its own."""
SESSION = botocore.session.get_session()
NAMES = {xform_name(name): name for name in SESSION.get_service_model("batch").operation_names}


def as_list(value: Any) -> list[Any]:
    """IAM's one or several."""
    return value if isinstance(value, list) else [value]


def actions(policy: str) -> set[str]:
    """All that a policy allows."""
    return {action for statement in POLICIES[policy]["Statement"] for action in as_list(statement["Action"])}


def called() -> Iterator[str]:
    """Each operation of AWS Batch whose method is named anywhere in the code, as an attribute or in a table."""
    for file in [*(ROOT / "fleetpoll").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        if "simulator" in file.parts:
            continue  # it answers such calls
        for node in ast.walk(ast.parse(file.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
            if isinstance(name, str) and name in NAMES:
                yield NAMES[name]


def test_the_policies_allow_what_the_code_calls() -> None:
    """The submitter's is for all calls there are; the workers make one, in other accounts by a role that they assume."""
    assert set(POLICIES) == {"assume", "poller", "submitter"}
    assert actions("assume") == {"sts:AssumeRole"}
    assert actions("poller") == {f"batch:{DESCRIBE}"}
    assert set(called()) == set(OPERATIONS)
    assert actions("submitter") == {*(f"batch:{name}" for name in OPERATIONS), *WITH_TAGS, "logs:GetLogEvents"}
    source = (ROOT / "fleetpoll" / "cycle.py").read_text() + (ROOT / "workers" / "poller.py").read_text()
    assert set(re.findall(r"_api\.(\w+)\(", source)) == {"describe"}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_as_narrow_as_aws_lets_it_be(policy: str) -> None:
    """No wildcard in an action, every action is one of AWS's, and all resources only where AWS knows none."""
    assert POLICIES[policy]["Version"] == "2012-10-17"
    for statement in POLICIES[policy]["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            service, name = action.split(":")
            assert name in SESSION.get_service_model(service).operation_names
        open_to_all = "*" in as_list(statement["Resource"])
        assert open_to_all == (set(as_list(statement["Action"])) <= NO_RESOURCES)
        for resource in as_list(statement["Resource"]):
            assert open_to_all or PLACES.search(resource)


def test_a_role_trusts_the_workers_alone() -> None:
    """One role of theirs, which has to know the external id, and only for sessions with the name that ours have."""
    (statement,) = TRUST["Statement"]

    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    assert statement["Principal"] == {"AWS": "arn:aws:iam::WORKERS_ACCOUNT:role/WORKERS_ROLE"}
    assert statement["Condition"]["StringEquals"] == {"sts:ExternalId": "EXTERNAL_ID"}
    pattern = statement["Condition"]["StringLike"]["sts:RoleSessionName"]
    assert session_name("any/fleet").startswith(pattern.removesuffix("*"))


def test_the_logs_are_those_of_batch() -> None:
    """The group is the one in which AWS Batch puts what its jobs print."""
    (logs,) = (s for s in POLICIES["submitter"]["Statement"] if s["Action"] == "logs:GetLogEvents")
    assert logs["Resource"].endswith(f":log-group:{GROUP}:log-stream:*")

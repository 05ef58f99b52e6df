"""STS of the simulator, asked by real boto3: roles of other accounts, and credentials that end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from benchmarks.rig import wait_until
from fleetpoll.simulator.config import Fault, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.simulator.surroundings import in_account

ACCOUNT, REGION = "111122223333", "eu-west-1"
HOME = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/teams/poller"
SECRET = "agreed"
Keys = dict[str, Any]


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator whose roles want an external id, and whose credentials last."""
    with Simulator(SimulatorConfig(life_min_s=3600, life_max_s=3600, external_id=SECRET)) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    """The same with fresh figures, and without limits and faults afterwards."""
    shared.reset_accounts()
    yield shared
    shared.limit("sts", 0)
    shared.disturb("sts", faults={})


def call(simulator: Simulator, service: str, name: str, keys: Keys | None = None, **request: Any) -> dict[str, Any]:
    """What a call by somebody with these keys is answered; it is made once."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=1)
    given = keys or {"aws_access_key_id": "anybody", "aws_secret_access_key": "s"}
    client = boto3.client(service, region_name=REGION, endpoint_url=simulator.url, config=config, **given)
    with closing(client):
        return dict(getattr(client, name)(**request))


def assume(simulator: Simulator, keys: Keys | None = None, **changes: str) -> dict[str, Any]:
    """The answer of AssumeRole."""
    request = {"RoleArn": ROLE, "RoleSessionName": "fleet", "ExternalId": SECRET} | changes
    return call(simulator, "sts", "assume_role", keys, **request)


def keys_of(answer: dict[str, Any]) -> Keys:
    """The credentials of an answer, as a client takes them."""
    given = answer["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def refusal(ask: Callable[[], object]) -> tuple[int, str]:
    """The HTTP status and code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        ask()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def sts_calls(simulator: Simulator) -> tuple[int, int]:
    """How many calls STS had from the default account, and how many of them it answered well."""
    figures = simulator.stats()["operations"]["sts"]
    return figures["calls"], figures["accepted"]


def test_a_role_calls_as_its_account(simulator: Simulator) -> None:
    """Its key has the account's number, its time is told, and its jobs are those of that account in the client's Region."""
    answer = assume(simulator)
    ids = simulator.account(ACCOUNT, REGION).populate(2)
    described = call(simulator, "batch", "describe_jobs", keys_of(answer), jobs=ids)["jobs"]
    assert [job["jobArn"] for job in described] == [f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{job_id}" for job_id in ids]
    assert answer["Credentials"]["AccessKeyId"] == f"ASIASIMU{ACCOUNT}"
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/poller/fleet"
    assert 3_590 < (answer["Credentials"]["Expiration"] - datetime.now(UTC)).total_seconds() <= 3_600
    assert sts_calls(simulator) == (1, 1)


def test_everybody_is_told_who_they_are(simulator: Simulator) -> None:
    """Anybody is the default account, a key of ours its own, and a role what was assumed."""
    long_term = in_account(ACCOUNT, REGION)
    user = {"aws_access_key_id": long_term["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "s"}
    answers = [call(simulator, "sts", "get_caller_identity", keys) for keys in (None, user, keys_of(assume(simulator)))]
    assert [answer["Account"] for answer in answers] == [HOME, ACCOUNT, ACCOUNT]
    assert answers[1]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/simulated"
    assert answers[2]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/poller/fleet"


def test_a_role_may_assume_another(simulator: Simulator) -> None:
    """Chains of roles go through accounts, and the calls are counted where they come from."""
    second = "arn:aws:iam::444455556666:role/poller"
    answer = assume(simulator, keys_of(assume(simulator)), RoleArn=second)
    assert answer["Credentials"]["AccessKeyId"] == "ASIASIMU444455556666"
    assert sts_calls(simulator) == (1, 1)
    assert simulator.account(ACCOUNT, REGION).stats()["operations"]["sts"]["accepted"] == 1


def test_the_wrong_external_id_opens_nothing(simulator: Simulator) -> None:
    """AccessDenied in AWS's words, which botocore reads; what is no role or no name is another error."""
    with pytest.raises(ClientError, match=rf"is not authorized to perform: sts:AssumeRole on resource: {ROLE}"):
        assume(simulator, ExternalId="guessed")
    assert refusal(lambda: assume(simulator, ExternalId="guessed")) == (403, "AccessDenied")
    assert refusal(lambda: assume(simulator, RoleArn="arn:aws:iam::1:role/<&>")) == (400, "ValidationError")
    assert refusal(lambda: assume(simulator, RoleSessionName="a b")) == (400, "ValidationError")
    assert refusal(lambda: call(simulator, "sts", "get_session_token")) == (400, "InvalidAction")
    assert simulator.stats()["operations"]["sts"]["errors"] == 5


def test_a_temporary_key_without_its_own_token_is_nobodys(simulator: Simulator) -> None:
    """No token, one that is none, or that of another account: refused, counted, and no call of the account's."""
    other = keys_of(assume(simulator, RoleArn="arn:aws:iam::444455556666:role/poller"))["aws_session_token"]
    simulator.account(ACCOUNT, REGION).limit("describe", 0.001, 1)
    try:
        for token in (None, "nonsense", other):
            keys = keys_of(assume(simulator)) | {"aws_session_token": token}
            describe = partial(call, simulator, "batch", "describe_jobs", keys, jobs=["x"])
            assert refusal(describe) == (403, "UnrecognizedClientException")
        figures = simulator.account(ACCOUNT, REGION).stats()["operations"]["describe"]
        assert (figures["calls"], figures["faults"]) == (3, {Fault.DENIED: 3})
        assert call(simulator, "batch", "describe_jobs", keys_of(assume(simulator)), jobs=["x"])["jobs"] == []
    finally:
        simulator.account(ACCOUNT, REGION).limit("describe", 0)


def test_credentials_end_and_new_ones_go_on() -> None:
    """After their time Batch and STS both refuse, and the call shows in the figures; who asks STS anew is let in."""
    with Simulator(SimulatorConfig(credentials_s=0.5)) as simulator:
        old, start = keys_of(assume(simulator, ExternalId="any will do")), time.monotonic()
        wait_until(lambda: time.monotonic() - start > 0.6, 5, "the end of the credentials")
        assert refusal(lambda: call(simulator, "batch", "describe_jobs", old, jobs=["x"])) == (403, "ExpiredTokenException")
        assert refusal(lambda: call(simulator, "sts", "get_caller_identity", old)) == (403, "ExpiredToken")
        new = keys_of(assume(simulator))
        assert call(simulator, "batch", "describe_jobs", new, jobs=["x"])["jobs"] == []
        figures = simulator.account(ACCOUNT, REGION).stats()["operations"]["describe"]
        assert (figures["calls"], figures["accepted"], figures["faults"]) == (2, 1, {Fault.EXPIRED: 1})


def test_sts_has_a_limit_and_faults_of_its_own(simulator: Simulator) -> None:
    """Throttled and failing in the form of STS, or silent; calls of Batch go on meanwhile."""
    simulator.limit("sts", 0.001, 1)
    assume(simulator)
    assert refusal(lambda: assume(simulator)) == (400, "Throttling")
    simulator.limit("sts", 0)
    for fault, answer in ((Fault.SERVER, (500, "InternalFailure")), (Fault.DENIED, (403, "AccessDenied"))):
        simulator.disturb("sts", faults={fault: 1.0})
        assert refusal(lambda: assume(simulator)) == answer
    simulator.disturb("sts", faults={Fault.HANG: 1.0})
    with pytest.raises(ReadTimeoutError):
        assume(simulator)
    assert call(simulator, "batch", "describe_jobs", jobs=["x"])["jobs"] == []
    assert sts_calls(simulator) == (5, 1)

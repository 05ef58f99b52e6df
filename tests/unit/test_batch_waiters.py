"""What our waiters do beyond the hook's: a missing job ends a wait, a throttle does not."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from fleetpoll import errors
from fleetpoll.batch.waiters import BatchWaiters
from tests.parity.contender import JOB, REGION
from tests.parity.waiters import full

GONE: dict[str, Any] = {"jobs": []}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def waiters(*answers: dict[str, Any] | str) -> BatchWaiters:
    """On boto3's client with these answers; text is an error's code."""
    client: Any = boto3.client("batch", region_name=REGION)
    stub = Stubber(client)
    for answer in answers:
        if isinstance(answer, str):
            stub.add_client_error("describe_jobs", answer, http_status_code=400)
        else:
            stub.add_response("describe_jobs", answer, {"jobs": [JOB]})
    stub.activate()
    return BatchWaiters(client=client)


def described(status: str) -> dict[str, Any]:
    """One answer."""
    return {"jobs": [full(status)]}


def test_a_job_that_does_not_appear_is_given_up(slept: list[float]) -> None:
    """After JobExists' hundred attempts, some three minutes."""
    with pytest.raises(errors.WaitFailed, match="JobExists failed: Max attempts exceeded"):
        waiters(*[GONE] * 100).wait_for_job(JOB, delay=0)
    assert len(slept) == 1 + 99


def test_a_job_may_take_a_while_to_appear(slept: list[float]) -> None:
    """The hook fails at the first answer without it."""
    waiters(GONE, GONE, *[described("SUCCEEDED")] * 3).wait_for_job(JOB, delay=0)
    assert len(slept) == 1 + 2


@pytest.mark.parametrize("name", ["JobRunning", "JobComplete"])
def test_a_job_that_is_gone_ends_a_wait(name: str, slept: list[float]) -> None:
    """At once: it was there, and AWS has forgotten it."""
    with pytest.raises(WaiterError, match="terminal failure state"):
        waiters(GONE).get_waiter(name).wait(jobs=[JOB])
    assert slept == []


def test_a_job_that_vanishes_ends_a_wait(slept: list[float]) -> None:
    """The hook would ask for ever."""
    with pytest.raises(errors.WaitFailed, match="JobComplete failed"):
        waiters(described("RUNNING"), described("RUNNING"), described("RUNNING"), GONE).wait_for_job(JOB, delay=0)
    assert 298 <= slept[-1] <= 302


def test_a_throttled_waiter_asks_again(slept: list[float]) -> None:
    """After a second or so, not after its own delay, and not as an error."""
    throttled = "TooManyRequestsException"
    waiters(throttled, throttled, described("SUCCEEDED")).get_waiter("JobComplete").wait(jobs=[JOB])
    assert len(slept) == 2
    assert max(slept) < 4  # up to 1 + 1.2² s, and a second of jitter


def test_a_waiter_that_is_throttled_for_good_gives_up(slept: list[float]) -> None:
    """As a description does, after as many calls."""
    with pytest.raises(errors.DescriptionFailed, match="exceeded status_retries"):
        waiters(*["TooManyRequestsException"] * 10).wait_for_job(JOB, delay=0)
    assert len(slept) == 1 + 9


def test_another_refusal_ends_a_wait(slept: list[float]) -> None:
    """With AWS's code in the message."""
    with pytest.raises(errors.WaitFailed, match="AccessDeniedException"):
        waiters("AccessDeniedException").wait_for_job(JOB, delay=0)


def test_a_configuration_is_taken_as_it_is_given() -> None:
    """What its giver does to it later changes nothing."""
    config = waiters().default_config
    own = BatchWaiters(config, client=waiters().client)
    config["waiters"]["JobExists"]["delay"] = 1_000

    assert own.get_waiter("JobExists").config.delay == 2
    assert own.waiter_config["waiters"]["JobExists"]["delay"] == 2

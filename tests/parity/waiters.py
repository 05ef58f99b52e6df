"""What the waiters hook does, on botocore's own client whose answers are stubbed. Each case is for any contender."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber
from botocore.waiter import WaiterModel

from tests.parity.contender import JOB, REGION, Contender, described, listen
from tests.parity.polling import Fetcher

# name -> (delay in s, attempts)
PACES = {"JobComplete": (300, 288), "JobExists": (2, 100), "JobRunning": (5, 100)}


@contextmanager
def aws(*statuses: str | None) -> Iterator[Any]:
    """A client of boto3's that is asked for the job once for each status; None: AWS does not know it."""
    client: Any = boto3.client("batch", region_name=REGION, aws_access_key_id="none", aws_secret_access_key="none")
    with Stubber(client) as stub:
        for status in statuses:
            answer = {"jobs": [] if status is None else [full(status)]}
            stub.add_response("describe_jobs", answer, {"jobs": [JOB]})
        yield client
        stub.assert_no_pending_responses()
    client.close()


def full(status: str) -> dict[str, Any]:
    """A description with all that AWS's model demands."""
    job: dict[str, Any] = described(status, jobName="n", jobQueue="q", jobDefinition="d", startedAt=1)["jobs"][0]
    return job


@contextmanager
def scene(contender: Contender, monkeypatch: pytest.MonkeyPatch, *statuses: str | None) -> Iterator[tuple[Any, list[Any]]]:
    """A client with waiters, and what happens: its own delays, and the sleeps of botocore's waiters."""
    happened: list[Any] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: happened.append(("sleep", seconds)))
    contender.seed(5)
    with aws(*statuses) as client:
        hook = contender.waiters(client)
        listen(hook, [])
        hook.delay = lambda seconds=None: happened.append(("delay", seconds))
        yield hook, happened


def the_default_configuration(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three waiters on DescribeJobs, in botocore's format, with the hook's paces."""
    with scene(contender, monkeypatch) as (hook, _):
        config = hook.default_config
        assert config["version"] == 2
        found = {name: (waiter["delay"], waiter["maxAttempts"]) for name, waiter in config["waiters"].items()}
        assert found == PACES
        assert {waiter["operation"] for waiter in config["waiters"].values()} == {"DescribeJobs"}
        assert hook.waiter_config == config
        assert hook.list_waiters() == sorted(PACES)
        assert isinstance(hook.waiter_model, WaiterModel)


def configurations_are_copies(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done to one that was handed out, the waiters stay as they were."""
    with scene(contender, monkeypatch) as (hook, _):
        for config in (hook.default_config, hook.waiter_config):
            config["waiters"].clear()
        assert set(hook.default_config["waiters"]) == set(hook.waiter_config["waiters"]) == set(PACES)
        hook.get_waiter("JobExists").config.delay = 1_000
        assert hook.get_waiter("JobExists").config.delay == PACES["JobExists"][0]


def a_configuration_of_ones_own(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is used in place of the default, which can still be had."""
    with scene(contender, monkeypatch) as (hook, _), aws("SUCCEEDED") as client:
        config = hook.default_config
        config["waiters"] = {"Mine": config["waiters"]["JobComplete"] | {"delay": 1, "maxAttempts": 3}}
        own = contender.waiters(client, waiter_config=config)
        assert own.list_waiters() == ["Mine"]
        assert own.waiter_config == config
        assert set(own.default_config["waiters"]) == set(PACES)
        waiter = own.get_waiter("Mine")
        assert (waiter.name, waiter.config.delay, waiter.config.max_attempts) == ("Mine", 1, 3)
        assert waiter.wait(jobs=[JOB]) is None


def a_waiter_that_is_not_configured(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused by botocore's own error; Airflow's further arguments change nothing."""
    with scene(contender, monkeypatch) as (hook, _):
        with pytest.raises(ValueError, match="Waiter does not exist: JobMissing"):
            hook.get_waiter("JobMissing")
        assert hook.get_waiter("JobRunning", {}, {}, False, None).name == "JobRunning"


def waiters_know_their_statuses(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends well with the statuses that are meant, and JobComplete badly with FAILED; else it asks again."""
    live = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
    good = {
        "JobExists": (*live, "SUCCEEDED", "FAILED"),
        "JobRunning": ("RUNNING", "SUCCEEDED", "FAILED"),
        "JobComplete": ("SUCCEEDED",),
    }
    for name, ends in good.items():
        for status in (*live, "SUCCEEDED", "FAILED"):
            failed = (name, status) == ("JobComplete", "FAILED")
            last = "SUCCEEDED"
            answers = (status,) if status in ends or failed else (status, last)
            with scene(contender, monkeypatch, *answers) as (hook, happened):
                waiter = hook.get_waiter(name)
                if failed:
                    with pytest.raises(WaiterError, match="terminal failure state"):
                        waiter.wait(jobs=[JOB])
                else:
                    assert waiter.wait(jobs=[JOB]) is None
                assert happened == [("sleep", PACES[name][0])] * (len(answers) - 1)


def a_wait_takes_three_waiters(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delay, then JobExists, JobRunning, JobComplete, each asking at its own pace ± 2 s, never below 1 s."""
    statuses = ("SUBMITTED", "RUNNABLE", "RUNNABLE", "RUNNING", "RUNNING", "SUCCEEDED")
    with scene(contender, monkeypatch, *statuses) as (hook, happened):
        assert hook.wait_for_job(JOB, delay=4) is None
    assert happened[0] == ("delay", 4)
    first, second, last = (seconds for _, seconds in happened[1:])
    assert first == second
    assert 3 <= first <= 7
    assert 298 <= last <= 302


def waits_last_as_long_as_it_takes(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempts of JobRunning and JobComplete are not bounded: the caller bounds the time."""
    seen: dict[str, tuple[float, int]] = {}
    with scene(contender, monkeypatch, *["SUCCEEDED"] * 3) as (hook, _):
        get_waiter = hook.get_waiter

        def noted(name: str) -> Any:
            waiter = get_waiter(name)
            wait = waiter.wait

            def waits(**request: Any) -> None:
                seen[name] = (waiter.config.delay, waiter.config.max_attempts)
                wait(**request)

            waiter.wait = waits
            return waiter

        hook.get_waiter = noted
        hook.wait_for_job(JOB)
    assert list(seen) == ["JobExists", "JobRunning", "JobComplete"]
    assert seen["JobRunning"][1] == seen["JobComplete"][1] == sys.maxsize
    assert 1 <= seen["JobExists"][0] <= 4


def a_failed_job_ends_a_wait_badly(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words of the waiter that found it so; and the log fetcher has ended."""
    with scene(contender, monkeypatch, "RUNNING", "RUNNING", "FAILED") as (hook, happened):
        with pytest.raises(contender.error, match="JobComplete failed: Waiter encountered a terminal failure state"):
            hook.wait_for_job(JOB, 0, lambda _: Fetcher(happened))
        assert happened == [("delay", 0), "start", "stop", "join"]


CASES = (
    the_default_configuration,
    configurations_are_copies,
    a_configuration_of_ones_own,
    a_waiter_that_is_not_configured,
    waiters_know_their_statuses,
    a_wait_takes_three_waiters,
    waits_last_as_long_as_it_takes,
    a_failed_job_ends_a_wait_badly,
)

"""What the simulator and moto, which know nothing of each other, both hold true of AWS Batch.

moto is an independent reading of AWS's API; where both agree, the simulator is no invention of ours. moto runs jobs in
Docker; here it finds none, so that a job is frozen in SUBMITTED until it is released, and then goes on to FAILED.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNKNOWN = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
FOREVER = 10**9


class Api(NamedTuple):
    """One of the two, set up with queue `queue` and definition `definition`. `freeze(False)` lets frozen jobs go on."""

    name: str
    batch: Any
    freeze: Callable[[bool], None]


def client(service: str, url: str) -> Any:
    """A boto3 client of that server."""
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until the condition holds, or fail."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        pause.wait(0.02)


@contextmanager
def moto_process(log: Path) -> Iterator[str]:
    """The URL of a moto server that finds no Docker, whatever this machine has."""
    env = os.environ | {"DOCKER_HOST": "unix:///nonexistent", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("w") as sink, subprocess.Popen(command, env=env, stdout=sink, stderr=sink) as process:
        try:
            wait_until(lambda: "Running on http://" in log.read_text() or process.poll() is not None)
            yield log.read_text().partition("Running on ")[2].split()[0]
        finally:
            process.kill()  # its threads would wait for frozen jobs


def transition(url: str, rule: dict[str, Any]) -> None:
    """Tell moto how jobs move from status to status."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        body = json.dumps({"model_name": "batch::job", "transition": rule})
        connection.request("POST", "/moto-api/state-manager/set-transition", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 201


def furnish(batch: Any, iam: Any) -> None:
    """Create what moto, like AWS, wants to see before it takes a job."""
    role = iam.create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="environment", type="UNMANAGED", state="ENABLED", serviceRole=role
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": environment}]
    batch.create_job_queue(jobQueueName="queue", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    container = {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["true"]}
    batch.register_job_definition(jobDefinitionName="definition", type="container", containerProperties=container)


@contextmanager
def moto_api(log: Path) -> Iterator[Api]:
    """The API of moto."""
    with moto_process(log) as url, closing(client("batch", url)) as batch, closing(client("iam", url)) as iam:
        furnish(batch, iam)
        frozen, free = {"progression": "manual", "times": FOREVER}, {"progression": "immediate"}
        transition(url, frozen)
        yield Api("moto", batch, lambda freeze: transition(url, frozen if freeze else free))


@contextmanager
def simulator_api() -> Iterator[Api]:
    """The API of the simulator; jobs live so long that nothing moves by itself."""
    config = SimulatorConfig(life_min_s=86_400, life_max_s=86_400)
    with Simulator(config) as simulator, closing(client("batch", simulator.url)) as batch:
        yield Api("simulator", batch, lambda _: None)


@pytest.fixture(scope="module", params=["simulator", "moto"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Each of the two in turn."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with simulator_api() if request.param == "simulator" else moto_api(log) as running:
        yield running


def submit(api: Api, **more: Any) -> str:
    """The id of a new job."""
    job_id: str = api.batch.submit_job(jobName="name", jobQueue="queue", jobDefinition="definition", **more)["jobId"]
    return job_id


def described(api: Api, *ids: str) -> dict[str, Any]:
    """The descriptions of these jobs by id."""
    return {job["jobId"]: job for job in api.batch.describe_jobs(jobs=list(ids))["jobs"]}


def test_a_submitted_job_is_described_at_once(api: Api) -> None:
    """Submit answers id, name and ARN; describe knows them, and the job waits."""
    answer = api.batch.submit_job(jobName="mine", jobQueue="queue", jobDefinition="definition")
    job = described(api, answer["jobId"])[answer["jobId"]]
    assert answer["jobName"] == job["jobName"] == "mine"
    assert answer["jobArn"] == job["jobArn"]
    assert answer["jobArn"].endswith(f"job/{answer['jobId']}")
    assert job["status"] == "SUBMITTED"
    assert job["jobQueue"].endswith("job-queue/queue")
    assert job["jobDefinition"].endswith("job-definition/definition:1")
    assert job["createdAt"] > 1_600_000_000_000
    assert "startedAt" not in job
    assert "stoppedAt" not in job


def test_a_description_has_the_shape_of_the_model(api: Api) -> None:
    """The model of botocore finds nothing wrong but startedAt, which a waiting job does not have."""
    job_id = submit(api)
    answer = api.batch.describe_jobs(jobs=[job_id])
    answer.pop("ResponseMetadata")
    shape = api.batch.meta.service_model.operation_model("DescribeJobs").output_shape
    report = ParamValidator().validate(answer, shape).generate_report()
    assert report == 'Missing required parameter in jobs[0]: "startedAt"'


def test_unknown_ids_are_left_out(api: Api) -> None:
    """An unknown id is no error; it is absent."""
    job_id = submit(api)
    assert list(described(api, UNKNOWN, job_id)) == [job_id]
    assert described(api, UNKNOWN) == {}


def test_ids_may_come_in_any_order_and_twice(api: Api) -> None:
    """The answer holds each job once, however it was asked."""
    ids = [submit(api) for _ in range(3)]
    answer = api.batch.describe_jobs(jobs=[*reversed(ids), ids[0]])["jobs"]
    assert sorted(job["jobId"] for job in answer) == sorted(ids)


def test_jobs_are_listed_by_queue_and_status(api: Api) -> None:
    """A list holds the jobs of the queue in that status and no others."""
    job_id = submit(api)
    waiting = api.batch.list_jobs(jobQueue="queue", jobStatus="SUBMITTED")["jobSummaryList"]
    running = api.batch.list_jobs(jobQueue="queue", jobStatus="RUNNING")["jobSummaryList"]
    assert job_id in {job["jobId"] for job in waiting}
    assert running == []


def test_an_array_has_children_that_can_be_described(api: Api) -> None:
    """Children are `parent:index`; the parent knows its size and how its children are."""
    parent = submit(api, arrayProperties={"size": 2})
    jobs = described(api, parent, f"{parent}:0", f"{parent}:1", f"{parent}:2")
    assert set(jobs) == {parent, f"{parent}:0", f"{parent}:1"}
    assert jobs[parent]["arrayProperties"]["size"] == 2
    assert "statusSummary" in jobs[parent]["arrayProperties"]


def test_a_terminated_job_fails_sooner_or_later(api: Api) -> None:
    """After TerminateJob the job ends up FAILED with the reason given, and has a stop."""
    job_id = submit(api)
    api.batch.terminate_job(jobId=job_id, reason="enough")
    api.freeze(False)
    wait_until(lambda: described(api, job_id)[job_id]["status"] == "FAILED")
    api.freeze(True)
    job = described(api, job_id)[job_id]
    assert job["statusReason"] == "enough"
    assert job["stoppedAt"] >= job["createdAt"]


# What AWS does, and who does it not: (the simulator's outcome, moto's outcome).
DIFFERENCES: dict[str, tuple[object, object]] = {
    "101 ids in a call are refused": (True, False),
    "a call without ids is refused": (True, False),
    "a terminated job says so": (True, False),
    "a child knows its index": (True, False),
    "a list comes in pages": (True, False),
    "ending an unknown job is refused": (True, False),
}


def refused(call: Callable[[], object]) -> bool:
    """Whether the call is answered with a ClientException."""
    try:
        call()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "ClientException")
    return False


def test_the_known_differences_are_all_there_are(api: Api) -> None:
    """Each difference is held on both sides, so that one that goes away is noticed."""
    parent = submit(api, arrayProperties={"size": 2})
    ended = submit(api)
    api.batch.terminate_job(jobId=ended, reason="enough")
    jobs = described(api, ended, f"{parent}:1")
    page = api.batch.list_jobs(arrayJobId=parent, jobStatus=jobs[f"{parent}:1"]["status"], maxResults=1)
    outcomes = {
        "101 ids in a call are refused": refused(lambda: api.batch.describe_jobs(jobs=[UNKNOWN] * 101)),
        "a call without ids is refused": refused(lambda: api.batch.describe_jobs(jobs=[])),
        "a terminated job says so": "isTerminated" in jobs[ended],
        "a child knows its index": "index" in jobs[f"{parent}:1"].get("arrayProperties", {}),
        "a list comes in pages": "nextToken" in page,
        "ending an unknown job is refused": refused(lambda: api.batch.terminate_job(jobId=UNKNOWN, reason="r")),
    }
    assert outcomes == {what: held[api.name == "moto"] for what, held in DIFFERENCES.items()}

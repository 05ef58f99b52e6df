"""The simulator over real HTTP, asked by real boto3."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from fleetpoll.errors import FleetpollError
from fleetpoll.simulator.config import Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNKNOWN = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
SHORT = {"life_min_s": 0.2, "life_max_s": 0.2}
LONG = {"life_min_s": 3600, "life_max_s": 3600}


def client_of(url: str) -> Any:
    """A boto3 client that asks once and does not retry."""
    return boto3.client(
        "batch",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds, or fail."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        pause.wait(0.02)


def post(url: str, path: str, body: bytes) -> tuple[int, http.client.HTTPMessage, Any]:
    """The status, headers and JSON of a bare request."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose jobs live for an hour unless a test asks for others."""
    with Simulator(SimulatorConfig(seed=7, life_min_s=3600, life_max_s=3600)) as running:
        yield running


@pytest.fixture
def batch(simulator: Simulator) -> Iterator[Any]:
    """A client of the simulator."""
    client = client_of(simulator.url)
    yield client
    client.close()


def submit(batch: Any, **more: Any) -> str:
    """The id of a new job."""
    return str(batch.submit_job(**{"jobName": "n", "jobQueue": "q", "jobDefinition": "d", **more})["jobId"])


def refusal(call: Callable[[], object]) -> tuple[int, str, str]:
    """The HTTP status, code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_submitted_job_is_described(batch: Any) -> None:
    """What was submitted is what is described, with ARNs of this account."""
    answer = batch.submit_job(jobName="mine", jobQueue="q", jobDefinition="d:3", retryStrategy={"attempts": 4})
    (job,) = batch.describe_jobs(jobs=[answer["jobId"]])["jobs"]
    assert (job["jobName"], job["jobArn"], job["status"]) == ("mine", answer["jobArn"], "SUBMITTED")
    assert job["jobQueue"] == "arn:aws:batch:us-east-1:123456789012:job-queue/q"
    assert job["jobDefinition"] == "arn:aws:batch:us-east-1:123456789012:job-definition/d:3"
    assert job["retryStrategy"]["attempts"] == 4


def test_descriptions_have_the_shape_that_botocore_knows(simulator: Simulator, batch: Any) -> None:
    """In all statuses, of jobs, parents and children, there is no unknown, mistyped or missing member."""
    ended = simulator.populate(60, fail_share=0.5, retry_share=0.5, **SHORT)
    under_way = simulator.populate(30, life_min_s=60, life_max_s=60, spread_s=60, retry_share=0.5)
    parent = submit(batch, arrayProperties={"size": 2})
    batch.terminate_job(jobId=f"{parent}:1", reason="enough")
    wait_until(lambda: all(status in ("SUCCEEDED", "FAILED") for status, _ in simulator.truth(ended).values()))
    asked = json.dumps({"jobs": [*ended, *under_way, parent, f"{parent}:0", f"{parent}:1"]}).encode()
    _, _, answer = post(simulator.url, Operation.DESCRIBE.path, asked)
    shape = batch.meta.service_model.operation_model("DescribeJobs").output_shape
    report = ParamValidator().validate(answer, shape).generate_report()
    # AWS's model requires startedAt, AWS itself leaves it out of jobs that have not started.
    assert [line for line in report.splitlines() if not line.endswith('"startedAt"')] == []
    statuses = {job["status"] for job in answer["jobs"]}
    assert statuses >= {"PENDING", "SUBMITTED", "RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"}


def test_a_description_is_as_long_as_a_real_one(simulator: Simulator) -> None:
    """A description has 3 to 4 KB, as on AWS: a poller that is measured here decodes as much as there."""
    ids = simulator.populate(100, life_min_s=60, life_max_s=60, spread_s=60)
    with closing(http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)) as connection:
        connection.request("POST", Operation.DESCRIBE.path, json.dumps({"jobs": ids}))
        assert 3_000 < len(connection.getresponse().read()) / 100 < 4_000


def test_unknown_ids_are_left_out(batch: Any) -> None:
    """An id that is not known, or is no id at all, is no error: it is absent from the answer."""
    job_id = submit(batch)
    jobs = batch.describe_jobs(jobs=[UNKNOWN, job_id, "nonsense", f"{job_id}:0"])["jobs"]
    assert [job["jobId"] for job in jobs] == [job_id]


def test_an_id_asked_twice_is_described_once(batch: Any) -> None:
    """Duplicates in a call are answered once."""
    job_id = submit(batch)
    assert len(batch.describe_jobs(jobs=[job_id, job_id])["jobs"]) == 1


def test_the_101st_id_is_refused_in_the_words_of_aws(batch: Any) -> None:
    """One id too many fails the whole call."""
    status, code, message = refusal(lambda: batch.describe_jobs(jobs=[UNKNOWN] * 101))
    assert (status, code) == (400, "ClientException")
    assert re.fullmatch(
        r"Error executing request, Exception : Maximum number of jobs supported is  100 \., RequestId: [0-9a-f-]{36}",
        message,
    )
    assert batch.describe_jobs(jobs=[UNKNOWN] * 100)["jobs"] == []


def test_an_empty_list_is_refused(batch: Any) -> None:
    """A call without ids is an error."""
    assert refusal(lambda: batch.describe_jobs(jobs=[]))[:2] == (400, "ClientException")


def test_a_spent_allowance_is_a_429(simulator: Simulator, batch: Any) -> None:
    """Over the limit, the answer is the one that AWS gives; other operations go on."""
    simulator.limit("describe", 0.001, 2)
    simulator.reset_stats()
    try:
        for _ in range(2):
            batch.describe_jobs(jobs=[UNKNOWN])
        refused = refusal(lambda: batch.describe_jobs(jobs=[UNKNOWN]))
        submit(batch)
    finally:
        simulator.limit("describe", 0)
    assert refused == (429, "TooManyRequestsException", "Too Many Requests")
    figures = simulator.stats()["operations"]
    assert (figures["describe"]["accepted"], figures["describe"]["throttled"]) == (2, 1)
    assert (figures["submit"]["accepted"], figures["submit"]["throttled"]) == (1, 0)


def test_a_throttled_call_is_told_when_to_come_again(simulator: Simulator, batch: Any) -> None:
    """Every 429 carries the header when that is asked for, strays and spent allowances alike, and no other answer does."""
    ask = json.dumps({"jobs": [UNKNOWN]}).encode()
    simulator.limit("describe", 0.001, 1)
    simulator.disturb("describe", retry_after_ms=1_500)
    try:
        answers = [post(simulator.url, Operation.DESCRIBE.path, ask) for _ in range(2)]
        simulator.disturb("describe", reject_share=1)
        simulator.limit("describe", 0)
        answers.append(post(simulator.url, Operation.DESCRIBE.path, ask))
        assert refusal(lambda: batch.describe_jobs(jobs=[UNKNOWN])) == (429, "TooManyRequestsException", "Too Many Requests")
    finally:
        simulator.limit("describe", 0)
        simulator.disturb("describe", reject_share=0, retry_after_ms=0)
    advice = [(status, headers["x-amz-retry-after"]) for status, headers, _ in answers]
    assert advice == [(200, None), (429, "1500"), (429, "1500")]


def test_a_tenant_drinks_from_the_same_bucket(simulator: Simulator, batch: Any) -> None:
    """A tenant that comes while the window is open takes tokens, and its calls are not ours."""
    simulator.limit("describe", 0.001, 200)
    simulator.reset_stats()
    simulator.disturb("describe", tenant_rate=2_000)
    try:
        wait_until(lambda: simulator.stats()["operations"]["describe"]["tenant_throttled"])
        assert refusal(lambda: batch.describe_jobs(jobs=[UNKNOWN]))[0] == 429
        figures = simulator.stats()["operations"]["describe"]
    finally:
        simulator.disturb("describe", tenant_rate=0)
        simulator.limit("describe", 0)
    assert (figures["tenant_accepted"], figures["calls"]) == (200, 1)
    assert sum(figures["timeline"]["throttled"]) == 1


def test_an_array_job_speaks_for_its_children(simulator: Simulator, batch: Any) -> None:
    """A parent has its size and a summary that adds up; children have their index; both are listed."""
    parent = submit(batch, arrayProperties={"size": 5})
    described = batch.describe_jobs(jobs=[f"{parent}:4", parent, f"{parent}:5"])["jobs"]
    child, array = described
    assert child["arrayProperties"] == {"index": 4}
    assert array["arrayProperties"]["size"] == 5
    assert sum(array["arrayProperties"]["statusSummary"].values()) == 5
    listed = batch.list_jobs(arrayJobId=parent, jobStatus="SUBMITTED")["jobSummaryList"]
    assert {job["jobId"] for job in listed} == {f"{parent}:{index}" for index in range(5)}


def test_terminate_cancel_and_list_do_as_they_say(batch: Any) -> None:
    """Both end a queued job at once; a list by status finds them."""
    terminated, cancelled, alive = submit(batch), submit(batch), submit(batch)
    batch.terminate_job(jobId=terminated, reason="enough")
    batch.cancel_job(jobId=cancelled, reason="never mind")
    jobs = {job["jobId"]: job for job in batch.describe_jobs(jobs=[terminated, cancelled, alive])["jobs"]}
    assert (jobs[terminated]["statusReason"], jobs[terminated]["isTerminated"]) == ("enough", True)
    assert (jobs[cancelled]["statusReason"], jobs[cancelled]["isCancelled"]) == ("never mind", True)
    assert jobs[alive]["status"] == "SUBMITTED"
    pages = batch.get_paginator("list_jobs").paginate(jobQueue="q", jobStatus="FAILED", PaginationConfig={"PageSize": 1})
    assert {terminated, cancelled} <= {job["jobId"] for page in pages for job in page["jobSummaryList"]}


def test_a_list_by_name_has_the_newest_first(batch: Any) -> None:
    """Whatever their case, a page at a time, and no job of another name."""
    ids = [submit(batch, jobName=name) for name in ("same", "Same", "other", "same")]
    same, two = [{"name": "JOB_NAME", "values": ["same"]}], {"PageSize": 2}
    pages = batch.get_paginator("list_jobs").paginate(jobQueue="q", filters=same, PaginationConfig=two)
    assert [job["jobId"] for page in pages for job in page["jobSummaryList"]] == [ids[3], ids[1], ids[0]]


def test_an_unknown_job_cannot_be_ended(batch: Any) -> None:
    """To terminate or cancel what is not there is an error."""
    assert refusal(lambda: batch.terminate_job(jobId=UNKNOWN, reason="r"))[:2] == (400, "ClientException")
    assert refusal(lambda: batch.cancel_job(jobId=UNKNOWN, reason="r"))[:2] == (400, "ClientException")


def test_errors_carry_the_headers_that_botocore_reads(simulator: Simulator) -> None:
    """A body that is no JSON is a 400 with code, message and request id, and the connection lives on."""
    with closing(http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)) as connection:
        for _ in range(2):
            connection.request("POST", Operation.DESCRIBE.path, b"{")
            response = connection.getresponse()
            assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "ClientException")
            assert response.headers["x-amzn-RequestId"]
            assert "message" in json.loads(response.read())


def test_what_is_not_http_ends_the_connection_and_nothing_else(simulator: Simulator, batch: Any) -> None:
    """A foreign request is answered with an error; others go on."""
    assert post(simulator.url, "/v1/nothing", b"{}")[0] == 404
    with closing(http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", Operation.DESCRIBE.path)
        connection.putheader("Content-Length", "-1")
        connection.endheaders()
        assert connection.getresponse().status == 400
    assert submit(batch)


def test_the_witness_measures_the_lag_of_completions(simulator: Simulator, batch: Any) -> None:
    """Completions are counted when they are first shown; asking on is noticed."""
    ids = simulator.populate(20, fail_share=0, **SHORT)
    simulator.reset_stats()

    def finished() -> bool:
        return {job["status"] for job in batch.describe_jobs(jobs=ids)["jobs"]} == {"SUCCEEDED"}

    wait_until(finished)
    batch.describe_jobs(jobs=ids)
    stats = simulator.stats()
    assert stats["completion_lag_ms"]["count"] == 20
    assert 0 <= stats["completion_lag_ms"]["p50"] <= stats["completion_lag_ms"]["max"] < 5_000
    assert stats["asked_after_terminal"]["distinct"] == 20
    assert stats["operations"]["describe"]["mean_ids"] == 20


def test_truth_and_live_need_no_calls(simulator: Simulator) -> None:
    """What the jobs really are can be asked for without the witness counting it."""
    ids = simulator.populate(10, **LONG)
    simulator.reset_stats()
    assert simulator.live() >= 10
    assert simulator.truth(ids) == dict.fromkeys(ids, ("SUBMITTED", 0))
    assert set(ids) <= set(simulator.truth())
    assert simulator.stats()["operations"]["describe"]["calls"] == 0


def test_a_wrong_order_is_refused_with_a_sentence(simulator: Simulator) -> None:
    """An unknown field or a limit that makes no sense is an error of the caller's."""
    with pytest.raises(FleetpollError, match="unknown field"):
        simulator.populate(1, colour="red")
    with pytest.raises(FleetpollError, match="give 1 to 10"):
        simulator.populate(1, attempts=11)
    with pytest.raises(FleetpollError, match="burst 1 or more"):
        simulator.limit("describe", -1)
    with pytest.raises(FleetpollError, match="give a share from 0 to 1"):
        simulator.disturb("describe", reject_share=-0.5)

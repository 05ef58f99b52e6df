"""DescribeJobs bodies: real ones, strange ones, and what is no answer at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from fleetpoll.awsbatch.parse import descriptions
from fleetpoll.errors import Unreachable
from fleetpoll.jobs import AWS_STATUSES, Description, JobStatus
from fleetpoll.simulator.account import Account
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.operations import describe

QUEUE = "arn:aws:batch:us-east-1:123456789012:job-queue/long/queue"
FULL: dict[str, Any] = {
    "jobArn": "arn:aws:batch:us-east-1:123456789012:job/a",
    "jobId": "a",
    "jobName": "step-7",
    "jobQueue": QUEUE,
    "jobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/step:3",
    "status": "FAILED",
    "statusReason": "Essential container in task exited",
    "createdAt": 1_800_000_000_001,
    "startedAt": 1_800_000_000_002,
    "stoppedAt": 1_800_000_000_003,
    "attempts": [
        {
            "startedAt": 1_800_000_000_000,
            "stoppedAt": 1_800_000_000_001,
            "statusReason": "Host EC2 (instance i-0) terminated.",
            "container": {"logStreamName": "step/default/0", "networkInterfaces": []},
        },
        {
            "startedAt": 1_800_000_000_002,
            "stoppedAt": 1_800_000_000_003,
            "statusReason": "Essential container in task exited",
            "container": {"exitCode": 137, "reason": "OutOfMemoryError", "logStreamName": "step/default/1"},
        },
    ],
    "container": {
        "image": "repository/image:tag",
        "exitCode": 137,
        "reason": "OutOfMemoryError",
        "logStreamName": "step/default/1",
        "environment": [{"name": "N", "value": "v"}],
        "resourceRequirements": [{"type": "VCPU", "value": "4"}],
    },
    "arrayProperties": {"index": 3},
    "dependsOn": [],
    "parameters": {},
    "tags": {"team": "fleet"},
    "propagateTags": True,
    "isCancelled": False,
    "isTerminated": False,
}


def parsed(*jobs: Any) -> dict[str, Description]:
    """What becomes of a body with these jobs."""
    return descriptions(json.dumps({"jobs": jobs}).encode())


def one(**members: Any) -> Description:
    """What becomes of one job."""
    (description,) = parsed({"jobId": "a", "status": "RUNNING", **members}).values()
    return description


def test_a_full_description_is_reduced_to_what_we_keep() -> None:
    """Names without their ARNs, the last attempt's outcome, and AWS's own times."""
    assert parsed(FULL) == {
        "a": Description(
            job_id="a",
            status=JobStatus.FAILED,
            job_name="step-7",
            job_queue="queue",
            job_definition="step:3",
            status_reason="Essential container in task exited",
            attempt=2,
            exit_code=137,
            reason="OutOfMemoryError",
            log_stream="step/default/1",
            created_ms=1_800_000_000_001,
            started_ms=1_800_000_000_002,
            stopped_ms=1_800_000_000_003,
        )
    }


@pytest.mark.parametrize("status", AWS_STATUSES)
def test_id_and_status_are_enough(status: JobStatus) -> None:
    """Everything else may be absent."""
    under_way = status in (JobStatus.STARTING, JobStatus.RUNNING)

    assert parsed({"jobId": "a", "status": status}) == {"a": Description(job_id="a", status=status, attempt=int(under_way))}


def test_null_is_the_same_as_absent() -> None:
    """A member that is null, or whose members are, says nothing."""
    nulls = dict.fromkeys(FULL) | {"jobId": "a", "status": "SUCCEEDED"}
    inner = {"container": dict.fromkeys(FULL["container"]), "attempts": [dict.fromkeys(FULL["attempts"][0])]}

    assert parsed(nulls) == parsed(nulls | inner) == {"a": Description(job_id="a", status=JobStatus.SUCCEEDED)}


def test_members_that_nobody_knows_are_passed_over() -> None:
    """AWS adds members as it likes, at every level."""
    new = {"newThing": {"deep": [1, {"er": None}]}}
    attempts = [attempt | new for attempt in FULL["attempts"]]
    changed = FULL | new | {"container": FULL["container"] | new, "attempts": attempts}

    assert descriptions(json.dumps({"jobs": [changed], "nextToken": "t", **new}).encode()) == parsed(FULL)


@pytest.mark.parametrize(
    "member",
    [
        {"createdAt": "yesterday"},
        {"createdAt": 1.5},
        {"startedAt": 10**30},
        {"jobName": 7},
        {"container": []},
        {"container": {"exitCode": "137"}},
        {"attempts": {}},
        {"attempts": [None]},
        {"attempts": [{"taskProperties": [{"containers": 1}]}]},
    ],
)
def test_a_member_of_an_unknown_form_costs_the_details_of_its_own_job(member: dict[str, Any]) -> None:
    """Its status is still told, and its neighbours lose nothing."""
    neighbour = FULL | {"jobId": "b"}

    assert parsed(neighbour, FULL | member) == {
        "a": Description(job_id="a", status=JobStatus.FAILED),
        "b": parsed(neighbour)["b"],
    }


@pytest.mark.parametrize(
    "stranger",
    [
        {"status": "RUNNING"},
        {"jobId": 7, "status": "RUNNING"},
        {},
        None,
        "x",
    ],
)
def test_a_job_without_an_id_is_left_out(stranger: Any) -> None:
    """What cannot be told of one job is no reason to doubt the others."""
    assert parsed(stranger, FULL) == parsed(FULL, stranger) == parsed(FULL)


@pytest.mark.parametrize("status", ["HIBERNATING", "UNSEEN", "LOST", "", None, 7, ["RUNNING"]])
def test_a_job_in_a_status_that_nobody_knows_is_there_all_the_same(status: Any) -> None:
    """AWS describes it, so it is not missing; our own statuses are none of AWS's."""
    found = parsed({"jobId": "x", "status": status}, FULL)

    assert found == {"x": Description(job_id="x", status=None)} | parsed(FULL)


def test_a_name_that_is_no_text_costs_its_own_job_only() -> None:
    """Bytes that are no UTF-8 do not break the answer."""
    broken = b'{"jobs":[{"jobId":"b","status":"RUNNING","jobName":"\xff"},%b]}' % json.dumps(FULL).encode()
    worse = b'{"jobs":[{"jobId":"\xff","status":"RUNNING"},%b]}' % json.dumps(FULL).encode()

    assert descriptions(broken) == {"b": Description(job_id="b", status=JobStatus.RUNNING, attempt=1)} | parsed(FULL)
    assert descriptions(worse) == parsed(FULL)


def test_a_body_that_is_cut_off_is_no_answer() -> None:
    """Wherever it ends early, it never means that there are fewer jobs."""
    body = json.dumps({"jobs": [FULL | {"jobId": str(number)} for number in range(5)]}).encode()

    for end in range(0, len(body) - 1, 97):
        with pytest.raises(Unreachable) as caught:
            descriptions(body[:end])
        assert caught.value.code == "BadBody"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'{"jobs": null}',
        b'{"jobs": {}}',
        b'{"jobs": "none"}',
        b'{"Jobs": []}',
        b'{"message": "Service Unavailable"}',
        b'{"jobs": []} {"jobs": []}',
        b"<html><body>503 Service Unavailable</body></html>",
        b"\xff\xfe{\x00}\x00",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_a_body_without_a_list_of_jobs_is_no_answer(body: bytes) -> None:
    """A proxy's page, an empty body or a foreign form never means that no job is known."""
    with pytest.raises(Unreachable, match="no list of jobs"):
        descriptions(body)


def test_an_empty_list_is_an_answer() -> None:
    """AWS knows none of the ids."""
    assert parsed() == {}


OVER, UNDER_WAY = {"startedAt": 1, "stoppedAt": 2}, {"startedAt": 3}


@pytest.mark.parametrize(
    ("status", "members", "attempt"),
    [
        ("SUBMITTED", {}, 0),
        ("RUNNABLE", {"attempts": []}, 0),
        ("RUNNABLE", {"attempts": [OVER]}, 1),
        ("STARTING", {"attempts": [OVER]}, 2),
        ("RUNNING", {"attempts": []}, 1),
        ("RUNNING", {"attempts": [OVER]}, 2),
        ("RUNNING", {"attempts": [OVER, UNDER_WAY]}, 2),
        ("RUNNING", {"attempts": [OVER, OVER | UNDER_WAY]}, 3),
        ("SUCCEEDED", {"attempts": [OVER, OVER]}, 2),
        ("SUCCEEDED", {"startedAt": 1}, 1),
        ("FAILED", {}, 0),
    ],
)
def test_attempts_are_those_that_are_over_and_the_one_under_way(status: str, members: dict[str, Any], attempt: int) -> None:
    """AWS lists the running attempt or does not; the number is the same, so that no transition is made up."""
    assert one(status=status, **members).attempt == attempt


FINE, BAD = {"exitCode": 0, "logStreamName": "fine"}, {"exitCode": 3, "reason": "broke", "logStreamName": "bad"}


@pytest.mark.parametrize(
    "members",
    [
        {"eksAttempts": [{"containers": [FINE, BAD], "stoppedAt": 2, "statusReason": "r"}]},
        {"attempts": [{"containers": [BAD, FINE], "stoppedAt": 2, "statusReason": "r"}]},
        {"attempts": [{"taskProperties": [{"containers": [c]} for c in (FINE, BAD)], "stoppedAt": 2, "statusReason": "r"}]},
        {"attempts": [{"container": BAD, "stoppedAt": 2, "statusReason": "r"}]},
        {"container": BAD, "statusReason": "r", "attempts": [{"container": FINE, "stoppedAt": 2, "statusReason": "old"}]},
    ],
)
def test_of_several_containers_the_first_that_failed_speaks(members: dict[str, Any]) -> None:
    """On EKS, and on ECS with several containers, the outcome is that of the culprit; the job's own container wins."""
    assert one(status="FAILED", **members) == Description(
        job_id="a",
        status=JobStatus.FAILED,
        status_reason="r",
        attempt=1,
        exit_code=3,
        reason="broke",
        log_stream="bad",
    )


def test_of_several_containers_that_went_well_the_first_speaks() -> None:
    """Without a culprit it is the first one; without any container nothing is known."""
    good = {"containers": [FINE, FINE | {"logStreamName": "other"}], "stoppedAt": 2}

    assert (one(status="SUCCEEDED", eksAttempts=[good]).exit_code, one(eksAttempts=[good]).log_stream) == (0, "fine")
    assert one(eksAttempts=[{"containers": [], "taskProperties": [{}]}]).exit_code is None


@pytest.mark.parametrize(("arn", "tail"), [(QUEUE, "queue"), ("plain", "plain"), ("step:3", "step:3"), ("", "")])
def test_of_an_arn_the_name_is_kept(arn: str, tail: str) -> None:
    """The account and Region are the fleet's anyway."""
    assert (one(jobQueue=arn).job_queue, one(jobDefinition=arn).job_definition) == (tail, tail)


def test_the_simulators_answers_are_read_as_json_reads_them() -> None:
    """In all statuses, what we decode is what a plain reading of the same body gives."""
    now_ms = 1_800_000_000_000
    account = Account(SimulatorConfig(seed=5, fail_share=0.4, retry_share=0.5), lambda: now_ms)
    life = msgspec.structs.replace(account.default_life, attempts=3)
    jobs = [account.create(f"n-{number}", account.look(), life) for number in range(100)]
    now_ms += 200_000
    body = describe(account, msgspec.json.encode({"jobs": [job.job_id for job in jobs]}), now_ms)

    found, plain = descriptions(body), json.loads(body)["jobs"]

    assert {job["status"] for job in plain} >= {"RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"}
    assert list(found) == [job["jobId"] for job in plain]
    for job in plain:
        seen = found[job["jobId"]]
        assert (seen.status, seen.job_name, seen.job_queue) == (job["status"], job["jobName"], "fleet")
        times = [job.get(name, 0) for name in ("createdAt", "startedAt", "stoppedAt")]
        assert [seen.created_ms, seen.started_ms, seen.stopped_ms] == times
        if seen.status is not None and seen.status.terminal:
            assert seen.attempt == len(job["attempts"])
            assert seen.exit_code == job["container"].get("exitCode")
            assert (seen.status_reason, seen.log_stream) == (job["statusReason"], job["container"]["logStreamName"])


def test_half_a_surrogate_breaks_no_answer() -> None:
    """JSON can write what no text can hold; the job is read all the same, and its neighbours with it."""
    body = b'{"jobs":[{"jobId":"b","status":"RUNNING","statusReason":"\\ud83d x"},%b]}' % json.dumps(FULL).encode()

    found = descriptions(body)

    assert (found["b"].status, found["b"].status_reason) == (JobStatus.RUNNING, "? x")
    assert found["a"] == parsed(FULL)["a"]

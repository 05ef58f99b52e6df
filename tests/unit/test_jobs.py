"""Ids, snapshots and transitions: what is accepted, stored and shown."""

from __future__ import annotations

import msgspec
import pytest

from fleetpoll.jobs import (
    AWS_STATUSES,
    STARTED,
    TERMINAL,
    JobStatus,
    Snapshot,
    Transition,
    as_job_id,
    seconds,
)

UUID = "12345678-90ab-4cde-8f01-23456789abcd"
SNAPSHOT = Snapshot(
    JobStatus.FAILED,
    tracked_ms=1_000,
    changed_ms=9_250,
    job_name="näme",
    job_queue="queue",
    job_definition="step:1",
    status_reason="Essential container in task exited",
    attempt=2,
    exit_code=137,
    reason="OutOfMemoryError",
    log_stream="step/default/1",
    created_ms=1_500,
    started_ms=2_500,
    stopped_ms=8_125,
    absences=1,
)
DESIGNED = [
    *("id", "job_id", "job_name", "from", "to", "attempt", "exit_code", "reason", "log_stream"),
    *("created_at", "started_at", "stopped_at", "detected_at"),
]


@pytest.mark.parametrize(
    "text", [UUID, UUID.upper(), f"{UUID}:0", f"{UUID}:9999", f"{UUID}:10000", f"{UUID}#0", f"{UUID}#1000"]
)
def test_ids_of_jobs_array_children_and_nodes_are_ids(text: str) -> None:
    """A UUID, with an index or a node behind it or without."""
    assert as_job_id(text) == text.lower()


def test_ids_are_spelt_as_aws_spells_them() -> None:
    """Two spellings of one job are one job: otherwise the answer for one would leave out the other."""
    assert [as_job_id(f"{UUID.upper()}:007"), as_job_id(f"{UUID}#00")] == [f"{UUID}:7", f"{UUID}#0"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job",
        UUID[:-1],
        UUID + "0",
        UUID.replace("-", ""),
        UUID.replace("a", "g"),
        f" {UUID}",
        f"{UUID}\n",
        f"{UUID}:",
        f"{UUID}#",
        f"{UUID}:x",
        f"{UUID}:-1",
        f"{UUID}:123456",
        f"{UUID}#123456",
        f"{UUID}:1#2",
        f"{UUID}:\u0663",
        f"arn:aws:batch:us-east-1:123456789012:job/{UUID}",
        f"{UUID},{UUID}",
    ],
)
def test_what_has_not_the_form_of_an_id_is_none(text: str) -> None:
    """A name, an ARN, a part of an id or more than an id is refused before AWS would refuse it."""
    assert as_job_id(text) is None


def test_statuses_know_which_of_them_are_the_end() -> None:
    """Two of AWS's own and three of ours are terminal; all that are terminal have started, for who waits for a start."""
    assert [status for status in JobStatus if status.terminal] == ["SUCCEEDED", "FAILED", "LOST", "EXPIRED", "REJECTED"]
    assert {JobStatus.RUNNING, *TERMINAL} == STARTED
    assert AWS_STATUSES == ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


@pytest.mark.parametrize("snapshot", [Snapshot(), SNAPSHOT])
def test_a_snapshot_survives_its_storage(snapshot: Snapshot) -> None:
    """What is read is what was written, with the status first, where the scripts look for it."""
    stored = msgspec.json.encode(snapshot)

    assert msgspec.json.decode(stored, type=Snapshot) == snapshot
    assert stored.startswith(b'["%b",' % snapshot.status.encode())


def test_the_record_of_an_older_release_is_read() -> None:
    """A shorter record leaves the newer fields at their defaults."""
    assert msgspec.json.decode(b'["RUNNING",7]', type=Snapshot) == Snapshot(JobStatus.RUNNING, 7)
    assert msgspec.json.decode(b"[]", type=Snapshot) == Snapshot()


def test_the_record_of_a_newer_release_is_read() -> None:
    """Fields that we do not know yet stand at the end and are passed over."""
    longer = msgspec.json.encode([*msgspec.to_builtins(SNAPSHOT), "new", {"more": [1]}])

    assert msgspec.json.decode(longer, type=Snapshot) == SNAPSHOT


def test_a_snapshot_is_shown_with_times_in_seconds() -> None:
    """Users read epoch seconds, and null for what is not known."""
    assert SNAPSHOT.public(UUID) == {
        "job_id": UUID,
        "job_name": "näme",
        "status": "FAILED",
        "job_queue": "queue",
        "job_definition": "step:1",
        "attempt": 2,
        "exit_code": 137,
        "reason": "OutOfMemoryError",
        "status_reason": "Essential container in task exited",
        "log_stream": "step/default/1",
        "created_at": 1.5,
        "started_at": 2.5,
        "stopped_at": 8.125,
        "tracked_at": 1.0,
        "changed_at": 9.25,
    }
    unseen = Snapshot(tracked_ms=1).public(UUID)
    assert [unseen[name] for name in ("exit_code", "created_at", "stopped_at", "changed_at")] == [None] * 4


def test_a_transition_is_shown_as_it_was_designed() -> None:
    """The keys are the promised ones, in their order, and every value is plain JSON."""
    shown = Transition.between(UUID, Snapshot(JobStatus.RUNNING), SNAPSHOT).public()

    assert list(shown) == DESIGNED
    assert list(shown.values()) == [
        "",
        UUID,
        "näme",
        "RUNNING",
        "FAILED",
        2,
        137,
        "OutOfMemoryError",
        "step/default/1",
        1.5,
        2.5,
        8.125,
        9.25,
    ]
    assert {type(shown["from"]), type(shown["to"])} == {str}


def test_a_transition_without_a_containers_reason_gives_the_jobs() -> None:
    """The container's reason says more than the job's, but is often missing."""
    record = msgspec.structs.replace(SNAPSHOT, reason="")

    assert Transition.between(UUID, Snapshot(), record).reason == "Essential container in task exited"


@pytest.mark.parametrize(
    ("changes", "lag_ms"),
    [
        ({}, 1_125),
        ({"stopped_ms": 9_250}, 0),
        ({"stopped_ms": 9_999}, 0),  # AWS's clock was ahead of ours
        ({"stopped_ms": 0}, None),
        ({"status": JobStatus.RUNNABLE}, None),
    ],
)
def test_the_lag_is_from_the_stop_to_its_detection(changes: dict[str, object], lag_ms: int | None) -> None:
    """Only ends have a lag, only if AWS said when, and never a negative one."""
    record = msgspec.structs.replace(SNAPSHOT, **changes)

    assert Transition.between(UUID, Snapshot(), record).lag_ms == lag_ms


def test_a_time_that_is_not_known_is_none() -> None:
    """0 ms stands for it."""
    assert (seconds(0), seconds(1_234)) == (None, 1.234)

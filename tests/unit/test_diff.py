"""What one look says of one job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetpoll.diff import COPIED, Missing, Moved, Patience, Unchanged, compare
from fleetpoll.jobs import AWS_STATUSES, TERMINAL, Description, JobStatus, Snapshot

TRACKED = 1_800_000_000_000
NOW = TRACKED + 600_000
PATIENCE = Patience(grace_ms=60_000, checks=3)
RUNNING = Snapshot(JobStatus.RUNNING, TRACKED, TRACKED + 5_000, "name", "queue", "step:1", attempt=1, created_ms=TRACKED - 9)


def described(known: Snapshot, **changes: Any) -> Description:
    """What AWS says of a job that is as we know it, but for these changes."""
    return Description(job_id="id", **{name: getattr(known, name) for name in COPIED} | changes)


def test_a_job_that_is_as_known_is_unchanged() -> None:
    """Nothing is recorded for a look that found nothing new."""
    assert compare(RUNNING, described(RUNNING), NOW, PATIENCE) == Unchanged(RUNNING, None)


@pytest.mark.parametrize("status", [status for status in AWS_STATUSES if status is not JobStatus.RUNNING])
def test_another_status_is_a_transition_in_whatever_direction(status: JobStatus) -> None:
    """Forward or back, a difference of status moves the job, at the moment of the look."""
    outcome = compare(RUNNING, described(RUNNING, status=status), NOW, PATIENCE)

    assert outcome == Moved(RUNNING, msgspec.structs.replace(RUNNING, status=status, changed_ms=NOW))


def test_the_first_look_moves_a_job_from_unseen() -> None:
    """A tracked job that AWS describes for the first time takes over all that AWS says, and keeps when tracking began."""
    known = Snapshot(tracked_ms=TRACKED)

    outcome = compare(known, described(RUNNING), NOW, PATIENCE)

    assert outcome == Moved(known, msgspec.structs.replace(RUNNING, changed_ms=NOW))


def test_a_retry_goes_back_from_running_to_runnable() -> None:
    """An attempt that failed and is tried again is a transition."""
    outcome = compare(RUNNING, described(RUNNING, status=JobStatus.RUNNABLE, exit_code=137), NOW, PATIENCE)

    assert isinstance(outcome, Moved)
    assert (outcome.record.status, outcome.record.attempt, outcome.record.exit_code) == (JobStatus.RUNNABLE, 1, 137)


def test_a_status_that_nobody_knows_changes_nothing() -> None:
    """A word that AWS learns after us makes no transition, and no absence: the job is there."""
    strange = Description(job_id="id", status=None)
    absent = msgspec.structs.replace(RUNNING, absences=2)

    assert compare(RUNNING, strange, NOW, PATIENCE) == Unchanged(RUNNING, None)
    assert compare(absent, strange, NOW, PATIENCE) == Unchanged(absent, RUNNING)


def test_an_answer_without_attempts_takes_none_back() -> None:
    """A job read without its details keeps the attempt that was known, so that the next good answer is no transition."""
    second = msgspec.structs.replace(RUNNING, attempt=2)

    assert compare(second, described(second, attempt=1), NOW, PATIENCE) == Unchanged(second, None)


def test_a_new_attempt_in_the_same_status_is_a_transition() -> None:
    """Between two looks a job may fail, wait and run again: the attempt tells."""
    outcome = compare(RUNNING, described(RUNNING, attempt=2), NOW, PATIENCE)

    assert outcome == Moved(RUNNING, msgspec.structs.replace(RUNNING, attempt=2, changed_ms=NOW))


def test_a_smaller_attempt_is_no_transition() -> None:
    """An answer that has forgotten an attempt moves nothing."""
    assert isinstance(compare(RUNNING, described(RUNNING, attempt=0), NOW, PATIENCE), Unchanged)


def test_new_details_are_recorded_without_a_transition() -> None:
    """A log stream or a reason that appears later is kept; the last change stays when it was."""
    outcome = compare(RUNNING, described(RUNNING, log_stream="step/default/1", started_ms=TRACKED), NOW, PATIENCE)

    record = msgspec.structs.replace(RUNNING, log_stream="step/default/1", started_ms=TRACKED)
    assert outcome == Unchanged(RUNNING, record)


@pytest.mark.parametrize("known", [Snapshot(tracked_ms=TRACKED), msgspec.structs.replace(RUNNING, absences=1)])
def test_an_absence_within_the_grace_does_not_count(known: Snapshot) -> None:
    """AWS may not show a new job at once."""
    assert compare(known, None, TRACKED + 59_999, PATIENCE) == Missing(known, None)


def test_absences_after_the_grace_are_counted() -> None:
    """Each absence is noted, and is no transition."""
    first = compare(RUNNING, None, TRACKED + 60_000, PATIENCE)

    assert first == Missing(RUNNING, msgspec.structs.replace(RUNNING, absences=1))


@pytest.mark.parametrize("seen", [*AWS_STATUSES[:5], JobStatus.UNKNOWN])
def test_too_many_absences_in_a_row_end_a_job_that_was_seen(seen: JobStatus) -> None:
    """The last of the allowed absences is a transition into EXPIRED, with a reason in words; what was known stays."""
    known = msgspec.structs.replace(RUNNING, status=seen, absences=2)

    outcome = compare(known, None, NOW, PATIENCE)

    assert isinstance(outcome, Moved)
    assert (outcome.record.status, outcome.record.absences, outcome.record.changed_ms) == (JobStatus.EXPIRED, 3, NOW)
    assert outcome.record.status_reason == (
        "AWS Batch left this job out of 3 answers in a row: it does not show it any more;"
        " it keeps finished jobs for about 7 days"
    )
    assert outcome.record.job_name == "name"


@pytest.mark.parametrize("over", sorted(TERMINAL))
def test_a_job_that_is_over_and_absent_stays_what_it_is(over: JobStatus) -> None:
    """An array that is looked at once more for its children's sake may be gone by now: its end is not published again."""
    known = msgspec.structs.replace(RUNNING, status=over, absences=PATIENCE.checks - 2)
    again = msgspec.structs.replace(known, absences=PATIENCE.checks - 1)

    assert compare(known, None, NOW, PATIENCE) == Missing(known, again)
    assert compare(again, None, NOW, PATIENCE) == Missing(again, None)


def test_one_check_loses_a_job_at_its_first_absence() -> None:
    """With neither grace nor further checks, the first absence is the last; one that was never seen is LOST."""
    outcome = compare(Snapshot(tracked_ms=NOW), None, NOW, Patience(0, 1))

    assert isinstance(outcome, Moved)
    assert outcome.record.status is JobStatus.LOST


def test_absences_start_over_when_the_job_is_seen() -> None:
    """Only absences in a row count: a description clears them, with or without a transition."""
    known = msgspec.structs.replace(RUNNING, absences=2)

    seen = compare(known, described(known), NOW, PATIENCE)
    moved = compare(known, described(known, status=JobStatus.FAILED), NOW, PATIENCE)

    assert seen == Unchanged(known, RUNNING)
    assert isinstance(moved, Moved)
    assert moved.record.absences == 0

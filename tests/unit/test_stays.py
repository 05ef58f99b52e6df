"""What one look says of how long a job stayed in its status. Times are seconds after the job was created."""

from __future__ import annotations

import pytest

from fleetpoll.cadence.stays import Stay, since_ms, stays
from fleetpoll.jobs import JobStatus, Snapshot

PENDING, RUNNABLE, STARTING, RUNNING = JobStatus.PENDING, JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING
SUCCEEDED, FAILED = JobStatus.SUCCEEDED, JobStatus.FAILED
CREATED = 1_800_000_000_000


def at(after_s: float | None) -> int:
    """A moment so long after the creation; None is one that is not known."""
    return 0 if after_s is None else CREATED + round(after_s * 1000)


def job(
    status: JobStatus, *, tracked: float = 0, changed: float | None = None, attempt: int = 0, **times: float
) -> Snapshot:
    """A job as it is known; `started` and `stopped` may be given, too."""
    started, stopped = times.get("started"), times.get("stopped")
    return Snapshot(
        status=status,
        tracked_ms=at(tracked),
        changed_ms=at(changed),
        attempt=attempt,
        created_ms=CREATED,
        started_ms=at(started),
        stopped_ms=at(stopped),
    )


def seen(known: Snapshot, record: Snapshot, looked: float | None, now: float) -> list[Stay]:
    """The stays that a look tells of."""
    return list(stays(known, record, at(looked), at(now)))


def test_a_job_that_stays_was_at_risk_since_the_last_look() -> None:
    """What lies before the last look is counted already; the age is from startedAt on."""
    running = job(RUNNING, started=10)
    assert seen(running, running, looked=30, now=50) == [Stay(RUNNING, 20, 40, left=False)]


def test_where_the_last_look_is_not_known_nothing_is_counted() -> None:
    """Time at risk would be counted twice, or made up."""
    running = job(RUNNING, started=10)
    assert seen(running, running, looked=None, now=50) == []


def test_a_run_ends_when_aws_stopped_it() -> None:
    """A completion is dated to stoppedAt, whenever it was noticed."""
    known, record = job(RUNNING, started=10), job(SUCCEEDED, started=10, stopped=35)
    assert seen(known, record, looked=30, now=50) == [Stay(RUNNING, 20, 25, left=True)]


def test_a_run_that_had_stopped_before_the_last_look_adds_no_time() -> None:
    """AWS's answers may lag behind its own times; no stay runs backwards."""
    known, record = job(RUNNING, started=10), job(SUCCEEDED, started=10, stopped=28)
    assert seen(known, record, looked=30, now=50) == [Stay(RUNNING, 18, 18, left=True)]


def test_an_exit_whose_last_look_is_not_known_counts_no_more_than_its_time_at_risk() -> None:
    """An exit without time at risk would make all jobs look short."""
    known, record = job(RUNNING, started=10), job(FAILED, started=10, stopped=35)
    assert seen(known, record, looked=None, now=50) == []


def test_a_run_that_goes_back_to_wait_has_ended_when_we_saw_it() -> None:
    """AWS does not say when an attempt ended that it tries again."""
    known, record = job(RUNNING, started=10), job(RUNNABLE, attempt=1, started=10)
    assert seen(known, record, looked=30, now=50) == [Stay(RUNNING, 20, 40, left=True)]


def test_the_wait_ends_at_the_start() -> None:
    """An exit towards RUNNING is dated to startedAt, and the run counts from then on."""
    known, record = job(RUNNABLE, changed=5), job(RUNNING, started=20)
    assert seen(known, record, looked=8, now=50) == [Stay(RUNNABLE, 8, 20, left=True), Stay(RUNNING, 0, 30, left=False)]


def test_a_wait_before_the_start_is_counted_from_the_creation() -> None:
    """What is PENDING or RUNNABLE ages from createdAt on, whenever we saw it change."""
    known, record = job(PENDING, changed=5), job(RUNNABLE, changed=50)
    assert seen(known, record, looked=8, now=50) == [Stay(PENDING, 8, 50, left=True)]


@pytest.mark.parametrize("before", [JobStatus.SUBMITTED, PENDING])
def test_who_starts_has_been_runnable(before: JobStatus) -> None:
    """It left RUNNABLE at its start, though nobody saw it there, and what was before some time since the last look."""
    known, record = job(before, changed=1), job(RUNNING, started=20)
    assert seen(known, record, looked=8, now=50) == [
        Stay(before, 8, 14, left=True),
        Stay(RUNNABLE, 8, 20, left=True),
        Stay(RUNNING, 0, 30, left=False),
    ]


def test_a_start_that_aws_has_not_dated_is_dated_by_us() -> None:
    """Without startedAt, or with one from before the status or from the future, it is the moment of the look."""
    for started in (0.0, 90.0):
        known, record = job(STARTING, changed=12), job(RUNNABLE, attempt=1, started=started)
        assert seen(known, record, looked=20, now=50)[0] == Stay(STARTING, 8, 38, left=True)


def test_a_run_that_nobody_saw_counts_all_the_same() -> None:
    """From the wait to the end within two looks: both stays are known by AWS's times."""
    known, record = job(RUNNABLE), job(SUCCEEDED, started=20, stopped=33)
    assert seen(known, record, looked=8, now=50) == [Stay(RUNNABLE, 8, 20, left=True), Stay(RUNNING, 0, 13, left=True)]


def test_a_job_that_was_never_seen_tells_only_of_its_run() -> None:
    """UNSEEN is no status of AWS's; the run counts from when it was tracked, as its age tells."""
    unseen = job(JobStatus.UNSEEN, tracked=25)
    assert seen(unseen, job(RUNNING, tracked=25, started=20), looked=None, now=50) == [Stay(RUNNING, 5, 30, left=False)]
    ended = job(SUCCEEDED, tracked=25, started=20, stopped=33)
    assert seen(unseen, ended, looked=None, now=50) == [Stay(RUNNING, 5, 13, left=True)]


def test_a_run_that_was_over_before_it_was_tracked_tells_nothing() -> None:
    """To count the short ones that are tracked late would make all runs look short."""
    ended = job(SUCCEEDED, tracked=40, started=20, stopped=33)
    assert seen(job(JobStatus.UNSEEN, tracked=40), ended, looked=None, now=50) == []


def test_the_next_attempt_is_a_run_of_its_own() -> None:
    """The first run had ended when the second began, which counts from its own start."""
    known, record = job(RUNNING, started=10, attempt=1), job(RUNNING, started=40, attempt=2)
    assert seen(known, record, looked=30, now=50) == [Stay(RUNNING, 20, 30, left=True), Stay(RUNNING, 0, 10, left=False)]


def test_an_attempt_that_came_and_went_between_two_looks_counts() -> None:
    """Its end is not taken for that of the run that was known."""
    known, record = job(RUNNING, started=10, attempt=1), job(FAILED, started=40, stopped=45, attempt=2)
    assert seen(known, record, looked=30, now=50) == [Stay(RUNNING, 20, 30, left=True), Stay(RUNNING, 0, 5, left=True)]


@pytest.mark.parametrize("given_up", [JobStatus.LOST, JobStatus.EXPIRED, JobStatus.REJECTED])
def test_a_job_that_we_gave_up_tells_nothing(given_up: JobStatus) -> None:
    """Nobody knows when it left its status."""
    assert seen(job(RUNNING, started=10), job(given_up, started=10), looked=30, now=50) == []


@pytest.mark.parametrize(
    ("known", "since"),
    [
        (job(RUNNING, started=10, changed=12), 10),
        (job(RUNNING, changed=12), 12),
        (job(RUNNABLE, changed=12), 0),
        (job(RUNNABLE, changed=12, attempt=1), 12),
        (job(STARTING, changed=12), 12),
        (job(JobStatus.UNSEEN, tracked=3), 3),
    ],
)
def test_since_when_a_job_is_in_its_status(known: Snapshot, since: float) -> None:
    """As AWS dates it, else when we saw it; a wait after a failed attempt is a new one."""
    assert since_ms(known) == at(since)


def test_a_job_that_aws_has_not_dated_ages_from_what_we_saw() -> None:
    """Without createdAt it is the last change that counts."""
    assert since_ms(Snapshot(status=RUNNABLE, changed_ms=at(4))) == at(4)

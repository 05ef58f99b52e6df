"""The roll of a wait: who is pending, who got there, who is gone."""

from __future__ import annotations

import pytest

from fleetpoll.client.waiting import Arrival, Goal, Roll, Waited
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from tests.ids import make_ids

ONE, TWO, THREE = make_ids(3)
RECORD = Snapshot(
    JobStatus.FAILED,
    changed_ms=8,
    job_name="align",
    attempt=2,
    exit_code=1,
    reason="OutOfMemory",
    log_stream="log",
    created_ms=5,
    started_ms=6,
    stopped_ms=7,
)


def event(job_id: str, after: JobStatus) -> Transition:
    """A transition into a status."""
    return Transition.between(job_id, Snapshot(), Snapshot(after))


def test_each_job_answers_once() -> None:
    """Whoever is there is called no more, be it that the stream or the ledger told first."""
    roll = Roll([ONE, TWO, ONE], Goal.COMPLETE)

    first = roll.hear(event(ONE, JobStatus.SUCCEEDED))

    assert first is not None
    assert (first.job_id, first.status) == (ONE, JobStatus.SUCCEEDED)
    assert roll.hear(event(ONE, JobStatus.FAILED)) is None
    assert roll.look({ONE: RECORD, TWO: Snapshot()}) == []
    assert (roll.total, roll.waited()) == (2, Waited({ONE: JobStatus.SUCCEEDED}, [TWO], []))


def test_a_status_on_the_way_and_a_stranger_are_no_arrivals() -> None:
    """Only jobs of the roll count, and only the goal."""
    roll = Roll([ONE], Goal.COMPLETE)

    assert [roll.hear(event(ONE, JobStatus.RUNNING)), roll.hear(event(TWO, JobStatus.FAILED))] == [None, None]
    assert list(roll.pending) == [ONE]


def test_who_is_not_in_the_ledger_is_gone() -> None:
    """That is neither reached nor pending, and it is told like an arrival, without a status."""
    roll = Roll([ONE, TWO], Goal.COMPLETE)

    assert roll.look({TWO: Snapshot(JobStatus.RUNNING)}) == [Arrival(job_id=ONE, status=None)]
    assert roll.waited() == Waited({}, [TWO], [ONE])


@pytest.mark.parametrize("goal", [Goal.RUNNING, frozenset({JobStatus.RUNNING})])
def test_what_is_over_gets_nowhere_any_more(goal: Goal | frozenset[JobStatus]) -> None:
    """A wait for any status ends with the job, too."""
    roll = Roll([ONE, TWO, THREE], goal)

    arrived = roll.look({ONE: Snapshot(JobStatus.RUNNING), TWO: Snapshot(JobStatus.STARTING), THREE: RECORD})

    assert [(arrival.job_id, arrival.status) for arrival in arrived] == [(ONE, "RUNNING"), (THREE, "FAILED")]


def test_an_arrival_tells_the_same_by_stream_and_by_ledger() -> None:
    """All that is known of the job, whichever told it."""
    by_event = Arrival.by_event(Transition.between(ONE, Snapshot(), RECORD))

    assert by_event == Arrival.by_ledger(ONE, RECORD)
    assert (by_event.exit_code, by_event.reason, by_event.seen_ms) == (1, "OutOfMemory", 8)


def test_a_roll_that_is_closed_early_names_the_numbers() -> None:
    """The builtin TimeoutError, as other ways to wait raise it."""
    roll = Roll([ONE, TWO], Goal.COMPLETE)
    roll.look({TWO: RECORD, ONE: Snapshot()})

    with pytest.raises(TimeoutError, match="1 of 2 jobs are not there"):
        roll.close()
    roll.look({})
    roll.close()

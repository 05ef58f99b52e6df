"""What becomes of a job that was given up is said by everybody who maps statuses to words, codes and errors."""

from __future__ import annotations

import pytest

from fleetpoll.airflow.outcome import ENDS, ended
from fleetpoll.batch.subscription import as_description
from fleetpoll.cli import exits
from fleetpoll.cli.render import COLOURS
from fleetpoll.cli.wait import BAD, exit_code
from fleetpoll.client.waiting import Goal, Waited
from fleetpoll.jobs import GIVEN_UP, TERMINAL, JobStatus, Snapshot


@pytest.mark.parametrize("status", sorted(GIVEN_UP))
def test_what_was_given_up_is_an_end_and_no_success(status: JobStatus) -> None:
    """Who waits is told, with a code and an error of its own."""
    job = Snapshot(status, status_reason="because")

    assert status in TERMINAL & BAD & Goal.RUNNING.statuses
    assert COLOURS[status]
    assert exit_code(Waited({"a": status}, [], [])) == exits.UNKNOWN
    event = ended("a", job)
    assert (event["status"], event["job"]["status"]) == ("error", status)
    assert event["message"] == f"AWS Batch job a {ENDS[status]}: because"
    assert as_description("a", job)["status"] == status


def test_an_older_release_takes_a_word_that_it_does_not_know_for_no_end() -> None:
    """So it is with UNKNOWN: it claims nothing of it, and its waits go on until their time is up."""
    assert JobStatus("A word of tomorrow") is JobStatus.UNKNOWN
    assert JobStatus.UNKNOWN not in TERMINAL

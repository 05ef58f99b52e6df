"""The hooks under both names, against a real fleet and the simulator."""

from __future__ import annotations

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook as AirflowBatchClientHook
from airflow.providers.amazon.aws.hooks.batch_client import BatchProtocol as AirflowBatchProtocol
from airflow.providers.amazon.aws.hooks.batch_waiters import BatchWaitersHook as AirflowBatchWaitersHook

from benchmarks.rig import Rig
from fleetpoll import errors
from fleetpoll.airflow import hooks
from fleetpoll.airflow.errors import as_airflow_error
from tests.airflow.helpers import calls


def test_they_are_airflows_own_and_have_the_old_names_too() -> None:
    """So that isinstance, connections and everything that takes Airflow's hook goes on working."""
    assert issubclass(hooks.BatchClientHook, AirflowBatchClientHook)
    assert issubclass(hooks.BatchWaitersHook, AirflowBatchWaitersHook)
    assert issubclass(hooks.BatchWaitersHook, hooks.BatchClientHook)
    assert hooks.AwsBatchClientHook is hooks.BatchClientHook
    assert hooks.AwsBatchWaitersHook is hooks.BatchWaitersHook
    assert hooks.AwsBatchProtocol is hooks.BatchProtocol
    assert hooks.BatchWaitersHook(aws_conn_id=None).list_waiters() == ["JobComplete", "JobExists", "JobRunning"]


def test_the_client_is_one_of_airflows_protocol(conn_id: str) -> None:
    """On the fleet's allowance, and without botocore's own retries."""
    hook = hooks.BatchClientHook(aws_conn_id=None, fleetpoll_conn_id=conn_id)
    assert isinstance(hook.client, AirflowBatchProtocol)
    assert hook.conn.meta.config.retries["total_max_attempts"] == 1
    hook.close()


def test_without_a_redis_it_is_airflows_hook(quiet: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks AWS as ever, with botocore's retries as they are configured."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", quiet.simulator.url)
    hook = hooks.BatchClientHook(aws_conn_id=None)
    (job_id,) = quiet.simulator.populate(1)
    before = calls(quiet)
    assert hook.fleet is None
    assert hook.get_job_description(job_id)["jobId"] == job_id
    assert calls(quiet) == before + 1
    assert "total_max_attempts" not in (hook.conn.meta.config.retries or {})


@pytest.mark.parametrize(
    "kind",
    [
        *(errors.JobFailed, errors.JobNotComplete, errors.JobOver, errors.JobLost, errors.JobStatusUnknown),
        *(errors.DescriptionFailed, errors.ChecksExceeded, errors.WaitFailed, errors.BatchError),
    ],
)
def test_errors_are_of_both_families(kind: type[errors.BatchError]) -> None:
    """Who catches AirflowException catches them, and who catches ours too."""
    error = as_airflow_error(kind, "words")
    assert isinstance(error, AirflowException)
    assert isinstance(error, kind)
    assert type(error).__name__ == kind.__name__
    assert str(error) == "words"


def test_a_wait_is_a_subscription(busy: Rig, conn_id: str) -> None:
    """The job's end comes from the fleet, and so does the word on how it ended: the hook makes no DescribeJobs."""
    hook = hooks.BatchClientHook(aws_conn_id=None, fleetpoll_conn_id=conn_id)
    (good,), (bad,) = busy.simulator.populate(1), busy.simulator.populate(1, fail_share=1.0)
    hook.wait_for_job(good)
    assert hook.check_job_success(good)
    hook.wait_for_job(bad)
    with pytest.raises(AirflowException, match="failed"):
        hook.check_job_success(bad)
    assert calls(busy) == busy.rooms.ledger.totals().calls + 1  # the one of the test before
    hook.close()

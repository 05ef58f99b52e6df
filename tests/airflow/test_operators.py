"""Operator and sensor, one try after another, against a real fleet and the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.exceptions import AirflowException, AirflowSkipException
from airflow.providers.amazon.aws.operators.batch import BatchOperator as AirflowBatchOperator
from airflow.providers.amazon.aws.sensors.batch import BatchSensor as AirflowBatchSensor
from airflow.providers.common.compat.sdk import TaskDeferred
from botocore.exceptions import ClientError

from benchmarks.rig import Rig
from fleetpoll.airflow.operators import BatchOperator
from fleetpoll.airflow.outcome import KILLED
from fleetpoll.airflow.reattach import KEY, TAG
from fleetpoll.airflow.sensors import BatchSensor
from tests.airflow.helpers import Store, calls, context_of, deferred, fired, operator, submitted


def resumed(conn_id: str, how: TaskDeferred, context: dict[str, Any]) -> Any:
    """What a deferred task's second half returns, once its trigger has fired."""
    event = asyncio.run(fired(how.trigger))
    return operator(conn_id).execute_complete(context, event, **(how.kwargs or {}))


End = Callable[[str, str], object]


@pytest.fixture
def end(conn_id: str) -> End:
    """Terminates a job for a reason, at once: jobs are short here."""
    hook = operator(conn_id).hook
    assert hook.client is not None  # made before there is a job
    return hook.terminate_job  # type: ignore[no-any-return] # Airflow is untyped here


def test_they_are_airflows_own() -> None:
    """So that everything that knows Airflow's knows ours."""
    assert issubclass(BatchOperator, AirflowBatchOperator)
    assert issubclass(BatchSensor, AirflowBatchSensor)


def test_a_deferred_job_is_submitted_watched_and_linked_without_a_look(busy: Rig, conn_id: str) -> None:
    """All links are there although neither half of the task makes a DescribeJobs call."""
    context, others = context_of(Store()), calls(busy) - busy.rooms.ledger.totals().calls
    how = deferred(operator(conn_id), context)
    job_id = how.trigger.job_id
    assert job_id in busy.rooms.ledger.get([job_id])

    assert resumed(conn_id, how, context) == job_id

    links, account = context["ti"].xcoms, "arn:aws:batch:us-east-1:123456789012"
    assert links["batch_job_details"]["job_id"] == job_id
    assert links["batch_job_queue"]["job_queue_arn"] == f"{account}:job-queue/fleet"
    assert links["batch_job_definition"]["job_definition_arn"] == f"{account}:job-definition/step:1"
    assert links["cloudwatch_events"]["awslogs_group"] == "/aws/batch/job"
    assert links["cloudwatch_events"]["awslogs_stream_name"]
    assert calls(busy) - busy.rooms.ledger.totals().calls == others


def test_a_job_that_is_waited_for_here_is_not_polled_either(busy: Rig, conn_id: str) -> None:
    """The worker's slot waits on a subscription."""
    context, others = context_of(Store()), calls(busy) - busy.rooms.ledger.totals().calls
    task = operator(conn_id, deferrable=False)
    assert task.execute(context) == task.job_id
    assert context["ti"].xcoms["cloudwatch_events"]["awslogs_stream_name"]
    assert calls(busy) - busy.rooms.ledger.totals().calls == others


def test_a_later_try_waits_for_the_job_of_an_earlier_one(busy: Rig, conn_id: str) -> None:
    """Until its end was seen; what is cleared after that, or retried after a failed job, is submitted anew."""
    store, before = Store(), submitted(busy)
    first = deferred(operator(conn_id), context_of(store))
    second = deferred(operator(conn_id), context_of(store, try_number=2))
    assert second.trigger.job_id == first.trigger.job_id
    assert submitted(busy) == before + 1
    resumed(conn_id, second, context_of(store, try_number=2))
    assert KEY not in store

    third = deferred(operator(conn_id), context_of(store, try_number=3))
    assert third.trigger.job_id != first.trigger.job_id
    assert submitted(busy) == before + 2


def test_a_later_try_takes_the_end_that_nobody_saw(busy: Rig, conn_id: str, end: End) -> None:
    """A job that has succeeded meanwhile is the task's success at once; one that has failed is submitted anew."""
    store = Store()
    first = deferred(operator(conn_id), context_of(store))
    asyncio.run(fired(first.trigger))
    assert operator(conn_id).execute(context_of(store, try_number=2)) == first.trigger.job_id

    third = deferred(operator(conn_id), context_of(store, try_number=3))
    end(third.trigger.job_id, "out of money")
    asyncio.run(fired(third.trigger))
    fourth = deferred(operator(conn_id), context_of(store, try_number=4))
    assert fourth.trigger.job_id != third.trigger.job_id


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "here"])
def test_a_job_that_was_killed_with_an_earlier_try_is_not_the_failure_of_a_later_one(
    busy: Rig, conn_id: str, end: End, *, deferrable: bool
) -> None:
    """AWS takes a while to end a job: a task that is cleared may find it alive, and submits a new one when it has ended."""
    store, before = Store(), submitted(busy)
    killed = deferred(operator(conn_id), context_of(store))
    task = operator(conn_id, deferrable=deferrable)
    if deferrable:
        again = deferred(task, context_of(store, try_number=2))
        end(killed.trigger.job_id, KILLED)
        with pytest.raises(TaskDeferred) as raised:
            resumed(conn_id, again, context_of(store, try_number=2))
        assert raised.value.trigger.job_id not in {None, killed.trigger.job_id}
    else:
        end(killed.trigger.job_id, KILLED)
        assert task.execute(context_of(store, try_number=2)) != killed.trigger.job_id
    assert submitted(busy) == before + 2


def test_a_task_that_does_not_wait_has_done_its_work(quiet: Rig, conn_id: str) -> None:
    """If it is cleared it submits again."""
    store, before = Store(), submitted(quiet)
    for number in (1, 2):
        operator(conn_id, deferrable=False, wait_for_completion=False).execute(context_of(store, try_number=number))
        assert submitted(quiet) == before + number


def test_a_sensor_that_looks_often_waits_as_long_as_it_says(quiet: Rig, conn_id: str) -> None:
    """The trigger gives up after all looks, however short the pauses between them."""
    (job_id,) = quiet.simulator.populate(1)
    sensor = BatchSensor(
        task_id="s", aws_conn_id=None, fleetpoll_conn_id=conn_id, job_id=job_id, deferrable=True, poke_interval=0.5
    )
    with pytest.raises(TaskDeferred) as raised:
        sensor.execute({})
    assert raised.value.trigger.waiter_delay * raised.value.trigger.attempts == 0.5 * 4200


def test_a_job_goes_without_its_tag_where_that_is_not_allowed(quiet: Rig, conn_id: str) -> None:
    """Tags take a right of their own, batch:TagResource; a task must not fail for ours."""
    store, task = Store(), operator(conn_id, tags={"team": "a"})

    def refuse(params: dict[str, object], **_: object) -> None:
        if TAG in str(params.get("tags")):
            words = {"Code": "AccessDeniedException", "Message": "not authorized to perform: batch:TagResource"}
            raise ClientError({"Error": words}, "SubmitJob")

    task.hook.conn.meta.events.register("provide-client-params.batch.SubmitJob", refuse)
    how = deferred(task, context_of(store))
    assert how.trigger.hook().get_job_description(how.trigger.job_id)["tags"] == {"team": "a"}
    assert store[KEY]["job_id"] == how.trigger.job_id


def test_a_job_whose_output_is_wanted_costs_one_look(busy: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only AWS knows the log group. That there is no output to be had here is no failure of the task's."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LOGS", busy.simulator.url)
    task, context = operator(conn_id, awslogs_enabled=True, awslogs_group="guessed"), context_of(Store())
    how = deferred(task, context)
    event = asyncio.run(fired(how.trigger))
    others = calls(busy) - busy.rooms.ledger.totals().calls
    assert task.execute_complete(context, event) == how.trigger.job_id
    assert context["ti"].xcoms["cloudwatch_events"]["awslogs_group"] == "/aws/batch/job"
    assert calls(busy) - busy.rooms.ledger.totals().calls == others + 1


def test_a_failed_job_fails_its_task_in_words(busy: Rig, conn_id: str, end: End) -> None:
    """And is forgotten, so that a retry submits a new one."""
    store = Store()
    how = deferred(operator(conn_id), context_of(store))
    end(how.trigger.job_id, "out of money")
    with pytest.raises(AirflowException, match="failed: out of money"):
        resumed(conn_id, how, context_of(store))
    assert not store


def test_a_sensor_sees_with_the_fleets_eyes(busy: Rig, conn_id: str) -> None:
    """In both modes, and fails in words when the job has failed."""
    (good,), (bad,) = busy.simulator.populate(1), busy.simulator.populate(1, fail_share=1.0)
    others = calls(busy) - busy.rooms.ledger.totals().calls
    sensor: dict[str, Any] = {"task_id": "s", "aws_conn_id": None, "fleetpoll_conn_id": conn_id}
    BatchSensor(**sensor, job_id=good, deferrable=False, poke_interval=0.1).execute({})
    BatchSensor(**sensor, job_id=good, deferrable=True).execute({})
    with pytest.raises(AirflowException, match="Batch sensor failed"):
        BatchSensor(**sensor, job_id=bad, deferrable=False, poke_interval=0.1).execute({})
    with pytest.raises(AirflowException, match="failed: "):
        BatchSensor(**sensor, job_id=bad, deferrable=True).execute({})
    with pytest.raises(AirflowSkipException):
        BatchSensor(**sensor, job_id=bad, deferrable=True, soft_fail=True).execute({})
    assert calls(busy) - busy.rooms.ledger.totals().calls == others

"""The trigger, in an event loop of its own, against a real fleet and the simulator."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.amazon.aws.sensors.batch import BatchSensor as AirflowBatchSensor
from airflow.providers.amazon.aws.triggers.batch import BatchJobTrigger as AirflowBatchJobTrigger

from benchmarks.rig import Rig
from fleetpoll.airflow import sharing
from fleetpoll.airflow.connection import FleetpollHook
from fleetpoll.airflow.sharing import shared_fleet
from fleetpoll.airflow.triggers import BatchJobTrigger
from fleetpoll.settings import Settings
from tests.airflow.helpers import NOBODY, calls, fired, trigger, until


def test_it_is_airflows_own_with_its_fields_and_ours() -> None:
    """What is serialised makes the same trigger again, as the triggerer does it."""
    one = BatchJobTrigger(
        job_id="j", region_name="eu-west-1", waiter_delay=7, waiter_max_attempts=9, fleetpoll_conn_id="c", verify=False
    )
    path, fields = one.serialize()
    assert isinstance(one, AirflowBatchJobTrigger)
    assert path == "fleetpoll.airflow.triggers.BatchJobTrigger"
    assert (
        fields.items()
        >= AirflowBatchJobTrigger(job_id="j", region_name="eu-west-1", waiter_delay=7, waiter_max_attempts=9, verify=False)
        .serialize()[1]
        .items()
    )
    assert BatchJobTrigger(**json.loads(json.dumps(fields))).serialize() == (path, fields)


def test_no_secret_is_serialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triggers are rows of Airflow's database, and are shown: only the connection's name is in them."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", "redis://:hunter22@h")
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "host": "h", "password": "hunter22"}')
    for conn_id in (None, "c"):
        assert "hunter22" not in repr(trigger("j", conn_id).serialize())


def test_a_kill_is_known_as_one_while_the_connection_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow says so in the cancellation, and would not call on_kill without its word."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: FleetpollHook) -> Settings:
        begun.set()
        go_on.wait(10)
        return Settings()

    async def killed() -> object:
        task = asyncio.create_task(fired(trigger("j", None)))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel("its word")
        try:
            return await task
        except asyncio.CancelledError as cancelled:
            return cancelled.args
        finally:
            go_on.set()

    monkeypatch.setattr(FleetpollHook, "get_conn", slow)
    assert asyncio.run(killed()) == ("its word",)


def test_it_tells_how_the_job_ended(busy: Rig, conn_id: str) -> None:
    """In the form that Airflow's own sensor takes, with all that is known of the job; and nobody but the fleet polls."""
    (good,), (bad,) = busy.simulator.populate(1), busy.simulator.populate(1, fail_share=1.0)

    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        return await asyncio.gather(fired(trigger(good, conn_id)), fired(trigger(bad, conn_id)))

    success, failure = asyncio.run(both())
    assert success["status"] == "success"
    assert success["job"]["status"] == "SUCCEEDED"
    assert failure["job"]["status"] == "FAILED"
    assert failure["job"]["log_stream"]
    assert f"AWS Batch job {bad} failed: " in failure["message"]
    sensor = AirflowBatchSensor(task_id="t", job_id=good, deferrable=True)
    sensor.execute_complete({}, success)
    with pytest.raises(AirflowException, match="failed: "):
        sensor.execute_complete({}, failure)
    assert calls(busy) == busy.rooms.ledger.totals().calls


def test_a_job_that_aws_does_not_know_is_an_error_in_words(busy: Rig, conn_id: str) -> None:
    """LOST is no status of AWS's, so the event says what it means."""
    event = asyncio.run(fired(trigger(str(uuid.uuid4()), conn_id)))
    assert event["status"] == "error"
    assert "is not known to AWS Batch" in event["message"]


@pytest.mark.parametrize(
    ("job_id", "conn", "words"),
    [("nonsense", None, "is no job id"), (NOBODY, "missing", "missing"), (NOBODY, "redis", "fleetpoll needs one of type")],
)
def test_what_can_never_work_ends_the_task_at_once(
    conn_id: str, monkeypatch: pytest.MonkeyPatch, job_id: str, conn: str | None, words: str
) -> None:
    """Rather than wait for ever."""
    monkeypatch.setenv("AIRFLOW_CONN_REDIS", '{"conn_type": "redis", "host": "h"}')
    event = asyncio.run(fired(trigger(job_id, conn or conn_id)))
    assert event["status"] == "error"
    assert words in event["message"]


def test_all_triggers_of_a_loop_share_one_fleet(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened by the first, and closed some time after the last, however that ended."""
    monkeypatch.setattr(sharing, "LINGER_S", 0.2)
    monkeypatch.setattr(sharing, "WATCH_S", 0.05)
    settings = FleetpollHook(conn_id).get_conn()

    async def scene() -> None:
        before = len(asyncio.all_tasks())
        tasks = [asyncio.create_task(fired(trigger(NOBODY, conn_id))) for _ in range(20)]
        await until(lambda: shared_fleet(settings)._users == 20)
        first = shared_fleet(settings)
        for task in tasks:
            task.cancel()
        assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True))
        assert first._users == 0
        await until(first._keeper.done)
        assert len(asyncio.all_tasks()) == before
        assert shared_fleet(settings) is not first
        shared_fleet(settings)._keeper.cancel()

    asyncio.run(scene())

"""The trigger, in an event loop of its own, against a real fleet and the simulator."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.amazon.aws.sensors.batch import BatchSensor as AirflowBatchSensor
from airflow.providers.amazon.aws.triggers.batch import BatchJobTrigger as AirflowBatchJobTrigger
from airflow.triggers.base import TriggerEvent

from benchmarks.rig import Rig, wait_until
from fleetpoll.airflow import sharing, triggers
from fleetpoll.airflow.connection import FleetpollHook
from fleetpoll.airflow.sharing import shared_fleet
from fleetpoll.airflow.triggers import BatchJobTrigger
from tests.airflow.test_hooks import calls

Log = Callable[[], str]
NOBODY = "00000000-0000-4000-8000-00000000abcd"


def trigger(job_id: str, conn_id: str | None, **more: Any) -> BatchJobTrigger:
    """A trigger that needs no AWS connection of Airflow's."""
    return BatchJobTrigger(job_id=job_id, aws_conn_id=None, fleetpoll_conn_id=conn_id, **more)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    """What has been logged by now; Airflow writes it to the terminal."""
    words: list[str] = []

    def so_far() -> str:
        words.extend(capsys.readouterr())
        return "".join(words)

    return so_far


async def fired(one: BatchJobTrigger) -> dict[str, Any]:
    """What the trigger's one event says."""
    events = [event async for event in one.run()]
    assert len(events) == 1
    assert isinstance(events[0], TriggerEvent)
    payload: dict[str, Any] = json.loads(json.dumps(events[0].payload))  # Airflow stores it as JSON
    return payload


def test_it_is_airflows_own_with_its_fields_and_ours() -> None:
    """What is serialised makes the same trigger again, as the triggerer does it."""
    one = BatchJobTrigger(
        job_id="j", region_name="eu-west-1", waiter_delay=7, waiter_max_attempts=9, fleetpoll_conn_id="c", verify=False
    )
    path, fields = one.serialize()
    assert isinstance(one, AirflowBatchJobTrigger)
    assert path == "fleetpoll.airflow.triggers.BatchJobTrigger"
    assert fields.items() >= AirflowBatchJobTrigger(
        job_id="j", region_name="eu-west-1", waiter_delay=7, waiter_max_attempts=9, verify=False
    ).serialize()[1].items()
    assert BatchJobTrigger(**json.loads(json.dumps(fields))).serialize() == (path, fields)


def test_no_secret_is_serialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triggers are rows of Airflow's database, and are shown: only the connection's name is in them."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", "redis://:hunter22@h")
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "host": "h", "password": "hunter22"}')
    for conn_id in (None, "c"):
        assert "hunter22" not in repr(trigger("j", conn_id).serialize())


def test_it_tells_how_the_job_ended(busy: Rig, conn_id: str) -> None:
    """In the form that Airflow's own sensor takes, with all that is known of the job; and nobody but the fleet polls."""
    (good,), (bad,) = busy.simulator.populate(1), busy.simulator.populate(1, fail_share=1.0)

    async def both() -> list[dict[str, Any]]:
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


def test_it_gives_up_when_airflows_own_would(quiet: Rig, conn_id: str) -> None:
    """After waiter_delay * waiter_max_attempts seconds."""
    event = asyncio.run(fired(trigger(NOBODY, conn_id, waiter_delay=1, waiter_max_attempts=1)))
    assert event == {"status": "error", "job_id": NOBODY, "message": event["message"]}
    assert "not over after 1 s" in event["message"]


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


def test_without_workers_it_says_so_and_waits_on(
    quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """Once in the task's log; the job is seen as soon as a worker is there."""
    monkeypatch.setattr(triggers, "NOTICE_S", 0.2)
    monkeypatch.setattr(sharing, "WATCH_S", 0.1)
    (job_id,) = quiet.simulator.populate(1)

    async def scene() -> dict[str, Any]:
        task = asyncio.create_task(fired(trigger(job_id, conn_id)))
        await until(lambda: "No worker of the fleet is alive" in log())
        with await asyncio.to_thread(quiet.workers):
            return await task

    assert asyncio.run(scene())["status"] == "success"
    assert log().count("No worker of the fleet is alive") == 1


def test_without_workers_it_asks_aws_if_that_is_wanted(
    quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the fleet's own bucket, until the job is over."""
    monkeypatch.setattr(sharing, "WATCH_S", 0.1)
    wait_until(lambda: not quiet.poller_pids(), 10, "no worker")
    (job_id,) = quiet.simulator.populate(1, fail_share=1.0)
    before = calls(quiet)
    event = asyncio.run(fired(trigger(job_id, conn_id, fallback_after_s=0.3)))
    assert event["job"]["status"] == "FAILED"
    assert "failed: " in event["message"]
    assert calls(quiet) > before


def test_a_redis_that_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: Log
) -> None:
    """The task does not fail for it, its log says so once, and it goes on when Redis is there."""
    monkeypatch.setattr(triggers, "REDIS_RETRY_S", 0.05)
    away = {"conn_type": "fleetpoll", "extra": {"redis_url": f"unix://{tmp_path / 'redis.sock'}"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(away))

    async def scene() -> None:
        opened: list[object] = []
        monkeypatch.setattr(triggers, "shared_fleet", lambda settings: opened.append(1) or shared_fleet(settings))
        task = asyncio.create_task(fired(trigger(NOBODY, "away")))
        await until(lambda: len(opened) > 3)
        assert not task.done()
        task.cancel()

    asyncio.run(scene())
    assert log().count("Redis does not answer") == 1


def test_it_terminates_the_job_when_the_task_is_killed(quiet: Rig, conn_id: str) -> None:
    """If it is the task's own job: a sensor's job goes on."""
    mine, other = quiet.simulator.populate(2, life_min_s=60, life_max_s=60)

    async def kill(one: BatchJobTrigger) -> None:
        await one.on_kill()

    asyncio.run(kill(trigger(mine, conn_id, terminate_on_kill=True)))
    asyncio.run(kill(trigger(other, conn_id)))
    truth = quiet.simulator.truth([mine, other])
    assert truth[mine][0] == "FAILED"
    assert truth[other][0] != "FAILED"


async def until(condition: Any) -> None:
    """Let others work until something holds."""
    async with asyncio.timeout(20):
        while not condition():
            await pause()


def pause() -> Coroutine[Any, Any, object]:
    """Some hundredths of a second for the others."""
    return asyncio.wait([asyncio.ensure_future(asyncio.to_thread(int))], timeout=0.02)

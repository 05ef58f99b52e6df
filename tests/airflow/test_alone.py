"""A fleet without workers, and a Redis that is away: what triggers, operators and sensors do then."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import Rig
from fleetpoll.airflow import sharing, triggers
from fleetpoll.airflow.reattach import TAG
from fleetpoll.airflow.sensors import BatchSensor
from fleetpoll.airflow.sharing import SharedFleet, shared_fleet
from fleetpoll.settings import Settings
from tests.airflow.conftest import Log
from tests.airflow.helpers import NOBODY, Store, calls, context_of, deferred, fired, operator, submitted, trigger, until


def test_without_workers_it_asks_aws_if_that_is_wanted(quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the fleet's own bucket, until the job is over."""
    monkeypatch.setattr(sharing, "WATCH_S", 0.1)
    (job_id,) = quiet.simulator.populate(1, fail_share=1.0)
    before = calls(quiet)
    event = asyncio.run(fired(trigger(job_id, conn_id, fallback_after_s=0.3)))
    assert event["job"]["status"] == "FAILED"
    assert "failed: " in event["message"]
    assert calls(quiet) > before


def test_without_a_redis_aws_is_asked(quiet: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Airflow's own trigger does, but without aiobotocore and with pauses that grow."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", quiet.simulator.url)
    (job_id,) = quiet.simulator.populate(1)
    assert asyncio.run(fired(trigger(job_id, None)))["job"]["status"] == "SUCCEEDED"


def test_it_gives_up_when_airflows_own_would(quiet: Rig, conn_id: str) -> None:
    """After waiter_delay * waiter_max_attempts seconds."""
    event = asyncio.run(fired(trigger(NOBODY, conn_id, waiter_delay=1, waiter_max_attempts=1)))
    assert event == {"status": "error", "job_id": NOBODY, "message": event["message"]}
    assert "not over after 1 s" in event["message"]


def test_a_redis_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: Log) -> None:
    """The task does not fail for it, its log says so once, and it goes on when Redis is there."""
    monkeypatch.setattr(triggers, "REDIS_RETRY_S", 0.05)
    away = {"conn_type": "fleetpoll", "extra": {"redis_url": f"unix://{tmp_path / 'redis.sock'}"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(away))

    async def scene() -> None:
        opened: list[SharedFleet] = []

        def opening(settings: Settings) -> SharedFleet:
            opened.append(shared_fleet(settings))
            return opened[-1]

        monkeypatch.setattr(triggers, "shared_fleet", opening)
        task = asyncio.create_task(fired(trigger(NOBODY, "away")))
        await until(lambda: len(opened) > 3)
        assert not task.done()
        task.cancel()

    asyncio.run(scene())
    assert log().count("Redis does not answer") == 1


def test_it_terminates_the_job_when_the_task_is_killed(quiet: Rig, conn_id: str) -> None:
    """If it is the task's own job: a sensor's job goes on."""
    mine, other = quiet.simulator.populate(2, life_min_s=60, life_max_s=60)

    asyncio.run(trigger(mine, conn_id, terminate_on_kill=True).on_kill())
    asyncio.run(trigger(other, conn_id).on_kill())
    truth = quiet.simulator.truth([mine, other])
    assert truth[mine][0] == "FAILED"
    assert truth[other][0] != "FAILED"


@pytest.mark.parametrize("keeps_state", [True, False], ids=["state store", "none, as before Airflow 3.3"])
def test_a_job_that_nobody_noted_is_found_by_its_tag(quiet: Rig, conn_id: str, *, keeps_state: bool) -> None:
    """The worker died after SubmitJob and before it could note the id; jobs of the same name are told apart."""
    store = Store() if keeps_state else None
    deferred(operator(conn_id), context_of(Store(), map_index=7))
    if store is not None:
        store.deadly = True
        with pytest.raises(KeyboardInterrupt):
            operator(conn_id).execute(context_of(store, run_id=str(keeps_state)))
        store.deadly = False
    else:
        deferred(operator(conn_id), context_of(run_id=str(keeps_state)))
    before = submitted(quiet)

    again = deferred(operator(conn_id), context_of(store, try_number=2, run_id=str(keeps_state)))

    assert submitted(quiet) == before
    described = again.trigger.hook().get_job_description(again.trigger.job_id)
    assert set(described["tags"]) == {TAG}
    assert described["jobName"] == "mine"


def test_whoever_wants_no_memory_has_none(quiet: Rig, conn_id: str) -> None:
    """With durable=False nothing is noted and no tag is put on the job."""
    store = Store()
    how = deferred(operator(conn_id, durable=False, tags={"team": "a"}), context_of(store))
    assert not store
    assert how.trigger.hook().get_job_description(how.trigger.job_id)["tags"] == {"team": "a"}


def test_a_kill_before_there_is_a_job_is_harmless(conn_id: str) -> None:
    """There is nothing to terminate."""
    operator(conn_id).on_kill()


def test_a_sensor_without_workers_asks_aws(quiet: Rig, conn_id: str) -> None:
    """Where nobody polls for it, a poke is what it was."""
    (job_id,) = quiet.simulator.populate(1)
    before = calls(quiet)
    sensor = BatchSensor(task_id="s", aws_conn_id=None, fleetpoll_conn_id=conn_id, job_id=job_id)
    sensor.poke({})
    assert calls(quiet) == before + 1


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

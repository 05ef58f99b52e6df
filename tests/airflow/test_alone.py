"""A fleet without workers, and a Redis that is away: what triggers, operators and sensors do then."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.rig import Rig, wait_until
from fleetpoll.airflow import asking, sharing, triggers
from fleetpoll.airflow.hooks import BatchClientHook
from fleetpoll.airflow.sensors import BatchSensor
from fleetpoll.airflow.sharing import SharedFleet, shared_fleet
from fleetpoll.airflow.triggers import BatchJobTrigger
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import DESCRIBE
from tests.airflow.conftest import Log
from tests.airflow.helpers import NOBODY, calls, fired, trigger, until


@pytest.mark.parametrize("after_s", [0.0, 0.3])
def test_without_workers_it_asks_aws_if_that_is_wanted(
    quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    """On the fleet's own bucket, until the job is over; so soon that nobody needs to be told before."""
    monkeypatch.setattr(sharing, "WATCH_S", 0.1)
    monkeypatch.setattr(triggers, "NOTICE_S", 1000.0)
    (job_id,) = quiet.simulator.populate(1, fail_share=1.0)
    before = calls(quiet)
    event = asyncio.run(fired(trigger(job_id, conn_id, fallback_after_s=after_s)))
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


class Counted(BatchJobTrigger):
    """A trigger that counts the hooks that are made."""

    made: ClassVar[list[BatchClientHook]] = []

    def hook(self) -> BatchClientHook:
        """One more."""
        self.made.append(super().hook())
        return self.made[-1]


def test_triggers_that_ask_aws_share_one_client_and_one_thread(
    quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for tokens as long as it takes, and meanwhile the loop's own threads are there for everybody else."""
    monkeypatch.setattr(sharing, "WATCH_S", 0.1)
    bucket = quiet.rooms.buckets[DESCRIBE]

    async def scene() -> list[dict[str, Any]]:
        given: dict[str, Any] = {"aws_conn_id": None, "fleetpoll_conn_id": conn_id, "fallback_after_s": 0.0}
        ids = quiet.simulator.populate(30)
        tasks = [asyncio.create_task(fired(Counted(job_id=job_id, **given))) for job_id in ids]
        await until(lambda: sum(asker.users for asker in askers().values()) == 30)
        assert len(Counted.made) == len(askers()) == 1
        await asyncio.wait_for(asyncio.to_thread(int), 5)
        bucket.pause(False)
        return await asyncio.gather(*tasks)

    def askers() -> dict[Any, asking.Asker]:
        return asking._of_loop.get(asyncio.get_running_loop(), {})

    bucket.pause(True)
    assert {event["status"] for event in asyncio.run(scene())} == {"success"}
    wait_until(lambda: not [one for one in threading.enumerate() if "fleetpoll-asker" in one.name], 20, "no thread left")

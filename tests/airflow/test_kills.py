"""What becomes of the job when Airflow says that a deferred task was killed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from benchmarks.rig import Rig
from tests.airflow.helpers import operator, trigger, until


def test_it_terminates_the_job_when_the_task_is_killed(quiet: Rig, conn_id: str) -> None:
    """If it is the task's own job: a sensor's job goes on."""
    mine, other = quiet.simulator.populate(2, life_min_s=60, life_max_s=60)

    asyncio.run(trigger(mine, conn_id, terminate_on_kill=True).on_kill())
    asyncio.run(trigger(other, conn_id).on_kill())
    truth = quiet.simulator.truth([mine, other])
    assert truth[mine][0] == "FAILED"
    assert truth[other][0] != "FAILED"


def test_a_kill_goes_on_when_the_triggerer_cancels_it(quiet: Rig, conn_id: str) -> None:
    """It does so each second: of many tasks that are cleared at once, those that wait for a thread are not forgotten."""
    ids = quiet.simulator.populate(5, life_min_s=60, life_max_s=60)

    async def scene() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        kills = [asyncio.create_task(trigger(job_id, conn_id, terminate_on_kill=True).on_kill()) for job_id in ids]
        await asyncio.wait(kills, timeout=0.1)
        for kill in kills:
            kill.cancel()
        await until(lambda: {status for status, *_ in quiet.simulator.truth(ids).values()} == {"FAILED"})

    asyncio.run(scene())


def test_a_kill_before_there_is_a_job_is_harmless(conn_id: str) -> None:
    """There is nothing to terminate."""
    operator(conn_id).on_kill()

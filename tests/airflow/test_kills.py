"""What becomes of the job when Airflow says that a deferred task was killed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult, XComResult

from benchmarks.rig import Rig
from tests.airflow.helpers import Try, operator, trigger, until


class Supervisor:
    """What a triggerer answers about a task: its state, and the XCom of its link to the job."""

    def __init__(self, state: str | None, try_number: int) -> None:
        self._state, self._try_number = state, try_number

    def send(self, asked: object) -> TaskStatesResult | XComResult:
        """The answer."""
        if isinstance(asked, GetTaskStates):
            return TaskStatesResult(task_states={"r": {"t": self._state}})
        return XComResult(key="batch_job_details", value={"job_id": "j", "try_number": self._try_number})


def test_it_terminates_the_job_when_the_task_is_killed(quiet: Rig, conn_id: str) -> None:
    """If it is the task's own job: a sensor's job goes on."""
    mine, other = quiet.simulator.populate(2, life_min_s=60, life_max_s=60)

    asyncio.run(trigger(mine, conn_id, terminate_on_kill=True).on_kill())
    asyncio.run(trigger(other, conn_id).on_kill())
    truth = quiet.simulator.truth([mine, other])
    assert truth[mine][0] == "FAILED"
    assert truth[other][0] != "FAILED"


@pytest.mark.parametrize(
    ("state", "try_number", "ends"), [("deferred", 1, False), ("deferred", 2, True), ("failed", 1, True), (None, 1, True)]
)
def test_a_trigger_that_is_taken_over_ends_no_job(
    quiet: Rig, conn_id: str, monkeypatch: pytest.MonkeyPatch, state: str | None, try_number: int, *, ends: bool
) -> None:
    """Airflow calls that a kill as well, but the task waits on. One that is cleared may wait again, in a later try."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(state, try_number), raising=False)
    (job_id,) = quiet.simulator.populate(1, life_min_s=60, life_max_s=60)
    one = trigger(job_id, conn_id, terminate_on_kill=True)
    one._task_instance = Try()
    asyncio.run(one.on_kill())
    assert (quiet.simulator.truth([job_id])[job_id][0] == "FAILED") is ends


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

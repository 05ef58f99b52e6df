"""What the tests of triggers, operators and sensors share; Airflow's own side of a task is two dictionaries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.triggers.base import TriggerEvent

from benchmarks.rig import Rig
from fleetpoll.airflow.operators import BatchOperator
from fleetpoll.airflow.triggers import BatchJobTrigger

NOBODY = "00000000-0000-4000-8000-00000000abcd"


def calls(fleet: Rig, operation: str = "describe") -> int:
    """How many calls of an operation the API side has seen."""
    return int(fleet.simulator.stats()["operations"][operation]["calls"])


def submitted(fleet: Rig) -> int:
    """How many jobs were submitted."""
    return calls(fleet, "submit")


def trigger(job_id: str, conn_id: str | None, **more: Any) -> BatchJobTrigger:
    """A trigger that needs no AWS connection of Airflow's."""
    return BatchJobTrigger(job_id=job_id, aws_conn_id=None, fleetpoll_conn_id=conn_id, **more)


async def fired(one: BatchJobTrigger) -> dict[str, Any]:
    """What the trigger's one event says."""
    events = [event async for event in one.run()]
    assert len(events) == 1
    assert isinstance(events[0], TriggerEvent)
    payload: dict[str, Any] = json.loads(json.dumps(events[0].payload))  # Airflow stores it as JSON
    return payload


async def until(condition: Any) -> None:
    """Let others work until something holds."""
    async with asyncio.timeout(20):
        while not condition():
            await pause()


def pause() -> Coroutine[Any, Any, object]:
    """Some hundredths of a second for the others."""
    return asyncio.wait([asyncio.ensure_future(asyncio.to_thread(int))], timeout=0.02)


@dataclass
class Try:
    """What Airflow gives a task instance for one try."""

    try_number: int = 1
    map_index: int = -1
    dag_id: str = "d"
    run_id: str = "r"
    task_id: str = "t"
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.xcoms[key] = value


class Store(dict[str, Any]):
    """A task state store that lives on from try to try; its worker dies when it is to note a job's id, if `deadly`."""

    deadly = False

    def set(self, key: str, value: Any) -> None:
        """Note a value."""
        if self.deadly and "job_id" in value:
            raise KeyboardInterrupt
        self[key] = value

    def delete(self, key: str) -> None:
        """Forget it."""
        self.pop(key, None)


def context_of(store: Store | None = None, **parts: Any) -> dict[str, Any]:
    """A task's context."""
    return {"ti": Try(**parts)} | ({} if store is None else {"task_state_store": store})


def operator(conn_id: str | None, **more: Any) -> BatchOperator:
    """An operator that needs no AWS connection of Airflow's; its job's name is its own."""
    given = {"job_name": "mine", "job_definition": "step", "job_queue": "fleet", "deferrable": True, **more}
    return BatchOperator(task_id="t", aws_conn_id=None, fleetpoll_conn_id=conn_id, **given)


def deferred(task: BatchOperator, context: dict[str, Any]) -> TaskDeferred:
    """How a task defers."""
    with pytest.raises(TaskDeferred) as raised:
        task.execute(context)
    return raised.value

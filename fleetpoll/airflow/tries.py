"""Whether a try of a task is still the one that waits, as far as a triggerer can ask Airflow. Airflow 3 only.

Airflow (3.3) tells a trigger that its task was killed also when another triggerer has taken the trigger over, from one that
was too slow. Then the task is deferred, by the same try. A task that is cleared may be deferred again as well by the time
we ask, but by a later try.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.providers.common.compat.sdk import XCom

TRY = "try_number"
"""Under this name the try that deferred last is noted beside the link to its job."""


def waits_on(task: Any, link: str) -> bool:
    """Whether this try of a task is deferred still; `link` is the XCom of its link to the job. Blocks."""
    running = import_module("airflow.sdk.execution_time.task_runner").RuntimeTaskInstance  # not there before Airflow 3
    states = running.get_task_states(
        dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
    )
    if "deferred" not in states.get(task.run_id, {}).values():
        return False
    where = {"dag_id": task.dag_id, "task_id": task.task_id, "run_id": task.run_id, "map_index": task.map_index}
    noted = XCom.get_one(key=link, **where) or {}
    return bool(noted.get(TRY, task.try_number) == task.try_number)

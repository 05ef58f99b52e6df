"""Airflow's hooks, trigger, operator and sensor for AWS Batch, with the polling left to the fleet. Needs the extra airflow.

    from fleetpoll.airflow import BatchOperator, BatchSensor

The names below are loaded when they are first asked for: Airflow reads `fleetpoll.airflow.provider` while it is being loaded
itself, and must not find itself here. Modules of fleetpoll never import this one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetpoll.airflow.connection import FleetpollHook
    from fleetpoll.airflow.hooks import (
        AwsBatchClientHook,
        AwsBatchProtocol,
        AwsBatchWaitersHook,
        BatchClientHook,
        BatchProtocol,
        BatchWaitersHook,
    )
    from fleetpoll.airflow.operators import BatchOperator
    from fleetpoll.airflow.sensors import BatchSensor
    from fleetpoll.airflow.triggers import BatchJobTrigger

__all__ = [
    "AwsBatchClientHook",
    "AwsBatchProtocol",
    "AwsBatchWaitersHook",
    "BatchClientHook",
    "BatchJobTrigger",
    "BatchOperator",
    "BatchProtocol",
    "BatchSensor",
    "BatchWaitersHook",
    "FleetpollHook",
]

_HOMES = {
    "BatchJobTrigger": "fleetpoll.airflow.triggers",
    "BatchOperator": "fleetpoll.airflow.operators",
    "BatchSensor": "fleetpoll.airflow.sensors",
    "FleetpollHook": "fleetpoll.airflow.connection",
}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in; most are hooks."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "fleetpoll.airflow.hooks")), name)

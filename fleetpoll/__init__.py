"""fleetpoll: one fleet of workers that polls AWS Batch for everybody, on one shared API allowance.

    with fleetpoll.open_fleet(fleetpoll.Settings(redis_url="redis://localhost")) as fleet:
        fleet.track(job_ids)
        ended = fleet.wait(job_ids, timeout_s=3600)

The names below are loaded when they are first asked for: importing a part of fleetpoll does not import all of it.
Modules of fleetpoll never import this one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetpoll.batch.client import BatchClient
    from fleetpoll.batch.protocol import BatchProtocol
    from fleetpoll.batch.waiters import BatchWaiters
    from fleetpoll.client.consuming import Consumer
    from fleetpoll.client.fleet import Fleet, open_fleet
    from fleetpoll.client.waiting import Arrival, Goal, Waited
    from fleetpoll.errors import BatchError, FleetpollError
    from fleetpoll.jobs import JobStatus, Snapshot, Transition
    from fleetpoll.settings import Settings

__all__ = [
    "Arrival",
    "BatchClient",
    "BatchError",
    "BatchProtocol",
    "BatchWaiters",
    "Consumer",
    "Fleet",
    "FleetpollError",
    "Goal",
    "JobStatus",
    "Settings",
    "Snapshot",
    "Transition",
    "Waited",
    "open_fleet",
]

_HOMES = {
    "Arrival": "fleetpoll.client.waiting",
    "BatchClient": "fleetpoll.batch.client",
    "BatchError": "fleetpoll.errors",
    "BatchProtocol": "fleetpoll.batch.protocol",
    "BatchWaiters": "fleetpoll.batch.waiters",
    "Consumer": "fleetpoll.client.consuming",
    "Fleet": "fleetpoll.client.fleet",
    "FleetpollError": "fleetpoll.errors",
    "Goal": "fleetpoll.client.waiting",
    "JobStatus": "fleetpoll.jobs",
    "Settings": "fleetpoll.settings",
    "Snapshot": "fleetpoll.jobs",
    "Transition": "fleetpoll.jobs",
    "Waited": "fleetpoll.client.waiting",
    "open_fleet": "fleetpoll.client.fleet",
}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

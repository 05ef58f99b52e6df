"""What tests of arrays ask of the simulator and of the fleet's state."""

from __future__ import annotations

from typing import Any

import msgspec

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms


def submit(url: str, settings: Settings, **more: Any) -> str:
    """A job of the simulator at `url`, with AWS's own arguments beside the three that must be. Returns its id."""
    api = BatchApi(msgspec.structs.replace(settings, endpoint_url=url, region="us-east-1"))
    answer = api.submit_job(jobName="a", jobQueue="q", jobDefinition="d", **more)
    api._client.close()
    return str(answer["jobId"])


def children(parent: str, *numbers: int) -> list[str]:
    """Ids of children."""
    return [f"{parent}:{number}" for number in numbers]


def ends(rooms: Rooms) -> dict[str, list[JobStatus]]:
    """How each job ended, as often as that was published."""
    found: dict[str, list[JobStatus]] = {}
    cursor = BEGINNING
    while page := rooms.events.read(cursor):
        for event in page:
            if event.after.terminal:
                found.setdefault(event.job_id, []).append(event.after)
        cursor = page[-1].cursor
    return found


def scheduled(rooms: Rooms) -> set[str]:
    """Who is not asleep."""
    members: list[str] = rooms.client.zrange(rooms.keys.schedule, 0, -1)  # type: ignore[assignment] # not awaited
    return set(members)

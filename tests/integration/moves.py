"""Jobs that have moved without a worker, all of a lease at once."""

from __future__ import annotations

import msgspec

from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look


def move_all(rooms: Rooms, status: JobStatus, *, stopped_ms: int = 0, now_ms: int | None = None) -> list[str]:
    """A lease whose jobs are all found in this status. Returns their ids."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=now_ms)
    assert isinstance(lease, Lease)
    looks = []
    for job_id, known in lease.jobs.items():
        record = msgspec.structs.replace(known, status=status, stopped_ms=stopped_ms, changed_ms=lease.claimed_ms)
        delay_s = None if status.terminal else 0.0
        looks.append(Look(job_id, delay_s, record, Transition.between(job_id, known, record)))
    rooms.schedule.settle(lease, looks, events_kept=100_000, asked=len(looks), now_ms=now_ms)
    return list(lease.jobs)

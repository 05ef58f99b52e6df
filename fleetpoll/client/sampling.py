"""A sample of a fleet: all that it has done, and how it stands at this moment."""

from __future__ import annotations

from fleetpoll.client.status import alive
from fleetpoll.figures import Sample
from fleetpoll.state.rooms import DESCRIBE, Rooms


def sample_of(rooms: Rooms) -> Sample:
    """Read it: a handful of commands, none of which grows with the number of jobs."""
    now_ms, bucket = rooms.roster.now_ms(), rooms.buckets[DESCRIBE].view()
    return Sample(
        at_ms=now_ms,
        figures=rooms.ledger.figures(),
        jobs=rooms.ledger.counts(),
        live=rooms.ledger.sizes()[0],
        workers=len(alive(rooms.roster.workers(), now_ms)),
        granted=bucket.granted,
        configured=bucket.configured,
        tokens=bucket.tokens_ever,
    )

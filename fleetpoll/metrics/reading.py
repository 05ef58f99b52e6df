"""All that a scrape tells of one fleet, as it is read from Redis: so many commands, however many jobs there are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetpoll.client.status import alive
from fleetpoll.figures import Figures
from fleetpoll.jobs import JobStatus
from fleetpoll.state.allowance import BucketView
from fleetpoll.state.broods import BroodSizes
from fleetpoll.state.due import count_due
from fleetpoll.state.groups import GroupFacts, groups
from fleetpoll.state.load import ServerLoad
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import OrderKind
from fleetpoll.state.steps import Steps, perform

NO_ARRAYS = BroodSizes(0, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One fleet at one moment."""

    figures: Figures
    jobs: Mapping[JobStatus, int] = field(default_factory=dict)
    live: int = 0
    alive: int = 0
    silent: int = 0
    doing: Mapping[str, int] = field(default_factory=dict)  # the workers that are alive, by what they say of it
    releases: Mapping[str, int] = field(default_factory=dict)  # the same, by their release
    troubles: Mapping[str, int] = field(default_factory=dict)  # workers that are alive, by kind
    order: OrderKind | None = None
    due: int = 0
    broods: BroodSizes = NO_ARRAYS
    buckets: Mapping[str, BucketView] = field(default_factory=dict)
    groups: tuple[GroupFacts, ...] = ()
    events: int = 0
    letters: int = 0
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a fleet: a reading, or why there is none; and of its server, if that may be asked."""

    fleet: str
    reading: Reading | None = None
    error: str = ""
    load: ServerLoad | None = None


def read(rooms: Rooms) -> Reading:
    """Read a fleet. Raises StateError."""
    began = time.monotonic()
    now_ms, beats = rooms.roster.now_ms(), rooms.roster.workers()
    living = alive(beats, now_ms)
    names = {beat.worker_id for beat in living}  # one that died in trouble is in none
    order = rooms.roster.order()
    return Reading(
        figures=rooms.ledger.figures(),
        jobs=rooms.ledger.counts(),
        live=rooms.ledger.sizes()[0],
        alive=len(living),
        silent=len(beats) - len(living),
        doing=Counter(beat.facts.doing or "?" for beat in living),
        releases=Counter(beat.facts.version or "?" for beat in living),
        troubles=Counter(one.trouble.kind for one in rooms.troubles.all() if one.worker_id in names),
        order=order.kind if order else None,
        due=count_due(rooms.client, rooms.keys),
        broods=rooms.broods.sizes(),
        buckets={operation: bucket.view() for operation, bucket in rooms.buckets.items()},
        groups=tuple(perform(rooms.client, groups(rooms.keys))),
        events=perform(rooms.client, length(rooms.keys.events)),
        letters=perform(rooms.client, length(rooms.keys.letters)),
        took_s=time.monotonic() - began,
    )


def length(stream: str) -> Steps[int]:
    """How many entries a stream has. By XINFO: a reader's user has no right to XLEN."""
    if not (yield "EXISTS", stream):
        return 0
    return int((yield "XINFO STREAM", stream)["length"])

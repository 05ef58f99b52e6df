"""Builds the rooms of a fleet's state on one connection and hands them their collaborators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpoll.clock import Mono, system_mono
from fleetpoll.state.allowance import Allowance
from fleetpoll.state.broods import Broods
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.connection import Connection, connect
from fleetpoll.state.events import Events
from fleetpoll.state.history import History
from fleetpoll.state.keys import Keys
from fleetpoll.state.knowledge import Knowledge
from fleetpoll.state.ledger import Ledger
from fleetpoll.state.roster import Roster
from fleetpoll.state.schedule import Schedule
from fleetpoll.state.scripts import Scripts
from fleetpoll.state.topology import is_cluster
from fleetpoll.state.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpoll.settings import Settings

DESCRIBE = "DescribeJobs"
SUBMIT = "SubmitJob"
TERMINATE = "TerminateJob"
CANCEL = "CancelJob"
LIST = "ListJobs"
OPERATIONS = (DESCRIBE, SUBMIT, TERMINATE, CANCEL, LIST)


@dataclass(frozen=True, slots=True)
class Rooms:
    """All that is shared of one fleet."""

    client: Connection
    keys: Keys
    scripts: Scripts
    schedule: Schedule
    broods: Broods
    ledger: Ledger
    events: Events
    history: History
    knowledge: Knowledge
    roster: Roster
    troubles: Troubles
    buckets: dict[str, FleetBucket]

    @property
    def place(self) -> object:
        """Where the fleet is, as far as that is known: rooms at the same place are on the same server."""
        return getattr(self.client.connection_pool, "master_address", None)

    def drop_connections(self) -> None:
        """Forget the connections that are open; the next command makes a new one."""
        self.client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def open_rooms(
    url: str, settings: Settings, mono: Mono = system_mono, *, worker: bool = False, beside: Rooms | None = None
) -> Rooms:
    """The rooms of `settings.fleet` on the Redis at `url`. Nothing is sent until the first use.

    `worker` says that the allowances of these settings are the fleet's. `beside` are rooms on the same server: their
    connection is shared.
    """
    keys = Keys(settings.fleet)
    client = beside.client if beside else connect(url, keys.schedule)
    scripts = beside.scripts if beside else Scripts(client)
    buckets = {
        a.operation: FleetBucket(client, scripts, keys.bucket(a.operation), a, mono, worker=worker)
        for a in allowances(settings)
    }
    return Rooms(
        client=client,
        keys=keys,
        scripts=scripts,
        schedule=Schedule(client, scripts, keys, mono, settings.replicas_acked),
        broods=Broods(client, scripts, keys, settings.replicas_acked),
        ledger=Ledger(client, keys),
        events=Events(client, keys),
        history=History(client, scripts, keys),
        knowledge=Knowledge(client, scripts, keys),
        roster=Roster(client, scripts, keys),
        troubles=Troubles(client, scripts, keys),
        buckets=buckets,
    )


def open_for_worker(url: str, fleets: Sequence[Settings], mono: Mono = system_mono) -> list[Rooms]:
    """The rooms of all `fleets` that a worker serves: on one connection; in a Cluster each has its own."""
    first = open_rooms(url, fleets[0], mono, worker=True)
    beside = None if is_cluster(url) else first
    return [first, *(open_rooms(url, settings, mono, worker=True, beside=beside) for settings in fleets[1:])]


def allowances(settings: Settings) -> list[Allowance]:
    """What is configured for each operation: AWS throttles them apart, and so do we."""
    others = {
        SUBMIT: settings.submit_rate,
        TERMINATE: settings.terminate_rate,
        CANCEL: settings.cancel_rate,
        LIST: settings.list_rate,
    }
    describe = Allowance(DESCRIBE, settings.rate, settings.floor_rate, settings.burst, settings.start_rate)
    return [describe, *(Allowance(name, rate, min(settings.floor_rate, rate)) for name, rate in others.items())]

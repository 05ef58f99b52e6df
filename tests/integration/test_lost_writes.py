"""A replica is promoted that has not heard of the primary's last writes: what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.rig import wait_until
from fleetpoll.client.fleet import Fleet
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.schedule import Lease
from tests.integration.moves import move_all
from tests.integration.test_lost_replies import ended
from tests.lossy import Lossy, lossy
from tests.servers import Server, server
from tests.topologies import linked

JOBS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(3)]


@dataclass
class Pair:
    """A primary and a replica, and a fleet's line to the primary of the two."""

    primary: Server
    replica: Server
    line: Lossy
    rooms: Rooms

    def part(self) -> None:
        """What the primary is told from now on is lost."""
        with self.replica.client() as client:
            client.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """The replica takes the primary's place."""
        self.primary.kill()
        self.line.go_away()
        self.line.port, self.line.away = self.replica.port, False


@pytest.fixture
def pair(tmp_path: Path, settings: Settings) -> Iterator[Pair]:
    """Both know of three jobs."""
    with server(tmp_path / "p", "--repl-diskless-sync-delay", "0") as primary, lossy(primary.port) as line:
        rooms = open_rooms(line.url, settings)
        rooms.schedule.track(JOBS)
        with server(tmp_path / "r", "--replicaof", f"127.0.0.1 {primary.port}") as replica:
            wait_until(lambda: linked(replica), 10, "the replica")
            yield Pair(primary, replica, line, rooms)
            rooms.close()


def test_an_end_that_is_lost_is_found_again(pair: Pair, settings: Settings) -> None:
    """Once in the stream that is left; a follower that had heard of it hears again, a wait is over once."""
    followed = (event for event in Fleet(pair.rooms, settings).events(BEGINNING) if event is not None)
    arrivals = Fleet(pair.rooms, settings).as_completed(JOBS)
    pair.part()
    move_all(pair.rooms, JobStatus.SUCCEEDED)
    heard = [next(followed).job_id for _ in JOBS]
    there = [next(arrivals).job_id for _ in JOBS]

    pair.fail_over()
    assert pair.rooms.ledger.counts() == {JobStatus.UNSEEN: 3}
    move_all(pair.rooms, JobStatus.SUCCEEDED)

    assert sorted(event.job_id for event in pair.rooms.events.read(BEGINNING)) == sorted(heard) == JOBS
    assert sorted(next(followed).job_id for _ in JOBS) == JOBS
    assert sorted(there + [arrival.job_id for arrival in arrivals]) == JOBS


def test_a_lease_that_is_lost_settles_nothing(pair: Pair) -> None:
    """Its jobs are due at once, and are looked at once more than they had to be."""
    pair.part()
    lease = pair.rooms.schedule.claim(60.0, margin_s=5.0, worker_id="one")
    assert isinstance(lease, Lease)
    pair.fail_over()
    again = pair.rooms.schedule.claim(60.0, margin_s=5.0, worker_id="other")
    assert isinstance(again, Lease)

    late = pair.rooms.schedule.settle(lease, ended(lease), events_kept=100, asked=3)
    settled = pair.rooms.schedule.settle(again, ended(again), events_kept=100, asked=3)

    assert (late.kept, late.lost + late.unheard, settled.kept) == (0, 3, 3)
    assert sorted(event.job_id for event in pair.rooms.events.read(BEGINNING)) == JOBS

"""Redis does what it is told, and its answer is lost: what that costs, for each verb. Nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Permit
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from fleetpoll.state.schedule import Lease, Look
from fleetpoll.state.scripts import VERBS, source
from tests.lossy import Lossy, lossy
from tests.servers import Server, server

JOBS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(3)]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a port, for the proxy to stand before."""
    with server(tmp_path_factory.mktemp("own"), "--save", "") as one, one.client() as client:
        for verb in VERBS:  # else the first answer says that there is no such script, and that is no loss
            client.script_load(source(verb))
        yield one


@pytest.fixture
def line(own_server: Server) -> Iterator[Lossy]:
    """The line to it."""
    with lossy(own_server.port) as proxy:
        yield proxy


@pytest.fixture
def far(line: Lossy, settings: Settings) -> Iterator[Rooms]:
    """A fleet behind that line, with jobs."""
    rooms = open_rooms(line.url, settings)
    rooms.schedule.track(JOBS)
    yield rooms
    rooms.client.flushall()
    rooms.close()


def claim(rooms: Rooms) -> Lease:
    """A lease of the one worker that there is."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="w")
    assert isinstance(lease, Lease)
    return lease


def ended(lease: Lease) -> list[Look]:
    """All jobs of a lease, seen as over."""
    record = {i: msgspec.structs.replace(known, status=JobStatus.SUCCEEDED) for i, known in lease.jobs.items()}
    return [Look(i, None, record[i], Transition.between(i, lease.jobs[i], record[i])) for i in lease.jobs]


def test_a_lost_claim_costs_nothing(far: Rooms, line: Lossy) -> None:
    """It is not repeated; the worker's next claim gives back what nobody heard of, and takes it."""
    line.lose_reply("claim")
    with pytest.raises(RedisUnavailable):
        claim(far)

    assert sorted(claim(far).jobs) == JOBS


def test_a_lost_token_is_lost(far: Rooms, line: Lossy) -> None:
    """It is not asked for again, so that the fleet makes fewer calls than it might, and never more."""
    bucket = far.buckets[DESCRIBE]
    line.lose_reply("reserve")
    with pytest.raises(RedisUnavailable):
        bucket.reserve(20.0)

    assert isinstance(bucket.reserve(20.0), Permit)
    assert bucket.view().tokens_granted == 2


def test_a_lost_settle_is_repeated_and_changes_nothing(far: Rooms, line: Lossy) -> None:
    """Each end is published once, the call is counted once, and what nobody heard is not taken for a loss."""
    lease = claim(far)
    line.lose_reply("settle")
    settled = far.schedule.settle(lease, ended(lease), events_kept=100, asked=3)

    assert (settled.kept, settled.lost, settled.unheard) == (0, 0, 3)
    assert sorted(event.job_id for event in far.events.read(BEGINNING)) == JOBS
    assert far.ledger.counts() == {JobStatus.SUCCEEDED: 3}
    assert (far.ledger.sizes(), far.ledger.totals().calls, line.armed) == ((0, 3), 1, False)


def test_a_lost_release_is_repeated_and_changes_nothing(far: Rooms, line: Lossy) -> None:
    """The jobs are due, and the failed call is counted once."""
    lease = claim(far)
    line.lose_reply("release")
    far.schedule.release(lease, JOBS, delay_s=0.0, call="failed")

    assert (far.ledger.totals().failed, line.armed) == (1, False)
    assert sorted(claim(far).jobs) == JOBS


def test_a_lost_track_is_repeated_and_tracks_once(far: Rooms, line: Lossy) -> None:
    """The jobs are tracked when the call returns; the count of new ones is that of the repetition, and may be too small."""
    more = [f"00000000-0000-4000-8000-{n:012d}" for n in range(10, 15)]
    line.lose_reply("track")

    assert far.schedule.track(more) == 0
    assert (far.ledger.sizes(), far.ledger.counts(), line.armed) == ((8, 8), {JobStatus.UNSEEN: 8}, False)

"""Each fault of AWS, met by a real cycle: what it is called, what it costs, and that no job is worse off for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.cycle import RELEASED_AFTER_S
from fleetpoll.errors import AccessDenied, AwsError, Unreachable
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Fault, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.schedule import Nothing
from tests.integration.bad_server import GOOD, UNKNOWN, Answer, BadServer, serving
from tests.integration.cycles import Build
from tests.servers import free_port

SILENCE_S = 0.3
SLOW_S = 1.2
KINDS = {
    Fault.RESET: "connection",
    Fault.LOST: "connection",
    Fault.SERVER: "server",
    Fault.UNAVAILABLE: "server",
    Fault.HTML: "body",
    Fault.CUT: "connection",
    Fault.TRUNCATED: "body",
    Fault.SLOW: "timeout",
    Fault.HANG: "timeout",
    Fault.EXPIRED: "denied",
    Fault.DENIED: "denied",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator whose jobs are over as soon as they are born."""
    with Simulator(SimulatorConfig(seed=23, life_min_s=0.0, life_max_s=0.0, slow_s=SLOW_S)) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    """The same without faults and with fresh figures."""
    shared.reset_stats()
    yield shared
    shared.disturb("describe", faults={})


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare, wants to know at once, and has little patience."""
    times = {"connect_timeout": SILENCE_S, "read_timeout": SILENCE_S}
    return Settings(fleet=fleet_name, rate=200.0, rate_start=200.0, freshness=0.05, **times)  # type: ignore[arg-type] # floats


def booked(rooms: Rooms) -> int:
    """How many tokens were used."""
    count: Any = rooms.client.hget(rooms.keys.bucket(DESCRIBE), "c")
    return int(count or 0)


@pytest.mark.parametrize("fault", Fault)
def test_a_call_that_meets_a_fault_costs_a_token_and_a_moment(
    simulator: Simulator, rooms: Rooms, build: Build, fault: Fault
) -> None:
    """It is counted by its kind, its jobs are due again within 1 s, nothing is believed of it; then all ends well."""
    ids = simulator.populate(5)
    rooms.schedule.track(ids)
    cycle = build(simulator.url)
    simulator.disturb("describe", faults={fault: 1.0})

    done = cycle.run()

    assert isinstance(done.failure, AccessDenied if KINDS[fault] == "denied" else Unreachable)
    assert (done.failure.kind, done.calls, done.kept, done.moved) == (KINDS[fault], 1, 0, [])
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 5}
    nothing = rooms.schedule.claim(60.0, margin_s=5.0)
    assert isinstance(nothing, Nothing)
    assert nothing.wait_s is not None
    assert 0 < nothing.wait_s <= RELEASED_AFTER_S[1]

    simulator.disturb("describe", faults={})
    rooms.client.zadd(rooms.keys.schedule, dict.fromkeys(ids, 1))  # that moment has passed
    assert cycle.run().kept == 5

    ends = [event.job_id for event in rooms.events.read(BEGINNING) if event.after.terminal]
    assert sorted(ends) == sorted(ids)
    totals, figures = rooms.ledger.totals(), simulator.stats()["operations"]["describe"]
    assert (totals.calls, totals.failed, totals.failures, totals.throttled) == (2, 1, {KINDS[fault]: 1}, 0)
    assert figures["calls"] == booked(rooms) == 2
    assert figures["faults"] == {fault: 1}


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("http://no-such-host.invalid", "dns", "no-such-host.invalid"),
        ("http://127.0.0.1:PORT", "connection", "Connection refused"),
        ("http://me:secret@127.0.0.1:PORT", "connection", "***"),
    ],
)
def test_an_endpoint_that_is_not_there_is_told_by_its_kind(
    rooms: Rooms, build: Build, url: str, kind: str, words: str
) -> None:
    """A name that nobody knows is not a door that is shut; the token is spent, though nothing was sent."""
    rooms.schedule.track([UNKNOWN])

    done = build(url.replace("PORT", str(free_port()))).run()

    assert done.failure is not None
    assert (done.failure.kind, rooms.ledger.totals().failures, booked(rooms)) == (kind, {kind: 1}, 1)
    assert words in str(done.failure)
    assert "secret" not in str(done.failure)


@pytest.fixture
def bad() -> Iterator[BadServer]:
    """A server that answers as a test likes."""
    with serving() as server:
        yield server


def failure(call: Callable[[], object]) -> AwsError:
    """The error with which a call ends."""
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value


def test_a_body_in_drops_does_not_hold_a_worker(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """Each drop comes within read_timeout, but the whole not within connect_timeout + read_timeout: that is the end."""
    api = api_at(simulator.url, connect_timeout=0.3, read_timeout=0.5)
    simulator.disturb("describe", faults={Fault.SLOW: 1.0})
    start = time.monotonic()

    error = failure(lambda: api.describe(simulator.populate(3)))

    assert (error.kind, error.code) == ("timeout", "SlowAnswer")
    assert "did not come whole within 0.8 s" in str(error)
    assert 0.75 <= time.monotonic() - start < 1.6
    assert simulator.stats()["transitions_shown"] == 0


def test_a_slow_body_within_its_time_is_a_good_answer(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """Slowness alone is no fault, and the connection serves the next call as well."""
    ids = simulator.populate(3)
    api = api_at(simulator.url, connect_timeout=1.0, read_timeout=5.0)
    simulator.disturb("describe", faults={Fault.SLOW: 1.0})
    assert set(api.describe(ids)) == set(ids)
    simulator.disturb("describe", faults={})

    for _ in range(5):
        assert set(api.describe(ids)) == set(ids)

    (pool,) = api._client._endpoint.http_session._manager.pools._container.values()
    assert (pool.num_connections, pool.num_requests) == (1, 6)


def test_a_refusal_in_drops_ends_as_well(bad: BadServer, api_at: Callable[..., BatchApi]) -> None:
    """An error's body that is promised and does not come is a time-out, and no worker waits on for it."""
    bad.answer = Answer(500, GOOD, withheld=True)
    api = api_at(bad.url, connect_timeout=0.2, read_timeout=0.3)

    assert failure(lambda: api.describe([UNKNOWN])).kind == "timeout"

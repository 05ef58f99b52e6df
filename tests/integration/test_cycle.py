"""One pass through all rooms: real Redis, real boto3, and an API that answers well, badly or not at all."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from fleetpoll.clock import system_mono
from fleetpoll.cycle import RELEASED_AFTER_S, Cycle, Pass
from fleetpoll.errors import Throttled, Unreachable
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.bucket import PAUSED_RECHECK_S
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.schedule import Lease, Nothing
from tests.ids import make_ids
from tests.integration.cycles import Build, nap

DEADLINE_S = 30.0
RATE = 200.0


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose jobs live for an hour unless a test asks for others."""
    with Simulator(SimulatorConfig(seed=13, life_min_s=3600, life_max_s=3600)) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare and wants to know at once."""
    return Settings(fleet=fleet_name, rate=RATE, rate_start=RATE, freshness=0.05)


def run_until(cycle: Cycle, over: Callable[[], bool]) -> list[Pass]:
    """Passes, as a poller would make them, until it is over."""
    deadline, passes = time.monotonic() + DEADLINE_S, list[Pass]()
    while not over():
        assert time.monotonic() < deadline, "waited too long"
        passes.append(cycle.run())
        nap(min(0.2, passes[-1].wait_s or 0.0))
    return passes


def live(rooms: Rooms) -> int:
    """How many jobs are on the schedule."""
    return rooms.ledger.sizes()[0]


def claimable(rooms: Rooms) -> set[str]:
    """The jobs that are due."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0)
    return set(lease.jobs) if isinstance(lease, Lease) else set()


def booked(rooms: Rooms) -> int:
    """How many tokens were used."""
    count: Any = rooms.client.hget(rooms.keys.bucket(DESCRIBE), "c")
    return int(count or 0)


def test_jobs_are_followed_to_their_end(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """Each transition that was seen is published once, in a chain from UNSEEN to the true end, and no call goes unseen."""
    ids = simulator.populate(150, life_min_s=1.0, life_max_s=2.0, fail_share=0.3, retry_share=0.3)
    simulator.reset_stats()
    rooms.schedule.track(ids)

    passes = run_until(build(simulator.url), lambda: live(rooms) == 0)

    chains: dict[str, list[Transition]] = {job_id: [] for job_id in ids}
    for event in rooms.events.read(BEGINNING, count=100_000):
        chains[event.job_id].append(event)
    for job_id, (status, stopped_ms) in simulator.truth(ids).items():
        chain = chains[job_id]
        assert (chain[0].before, chain[-1].after, chain[-1].stopped_ms) == (JobStatus.UNSEEN, status, stopped_ms)
        assert [event.after.terminal for event in chain] == [False] * (len(chain) - 1) + [True]
        assert all(one.after is two.before for one, two in pairwise(chain))
        assert len({(event.after, event.attempt) for event in chain}) == len(chain)
    calls = simulator.stats()["operations"]["describe"]["calls"]
    assert calls == rooms.ledger.totals().calls == booked(rooms) == sum(done.calls for done in passes)
    assert sum(len(done.moved) for done in passes) == sum(map(len, chains.values()))
    assert build(simulator.url).run() == Pass(wait_s=None, idle=True)


def test_a_job_that_aws_does_not_know_is_lost_after_its_checks(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """Two absences in a row are allowed here; the one that AWS knows goes on."""
    (known,), (unknown,) = simulator.populate(1), make_ids(1)
    rooms.schedule.track([known, unknown])
    cycle = build(simulator.url, missing_grace=0.0, missing_checks=2)

    passes = run_until(cycle, lambda: rooms.ledger.get([unknown])[unknown].status.terminal)

    (event,) = [event for event in rooms.events.read(BEGINNING) if event.job_id == unknown]
    assert (event.before, event.after) == (JobStatus.UNSEEN, JobStatus.LOST)
    assert event.reason == "AWS Batch left this job out of 2 answers in a row"
    assert sum(done.calls for done in passes) >= 2
    assert live(rooms) == 1


def test_an_unknown_job_stays_within_its_grace(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """AWS may not show a new job at once: nothing is recorded, it is looked at again."""
    rooms.schedule.track(make_ids(1))
    cycle = build(simulator.url, missing_grace=60.0, missing_checks=1)

    run_until(cycle, lambda: rooms.ledger.totals().calls >= 3)

    assert (rooms.ledger.counts(), rooms.events.read(BEGINNING)) == ({JobStatus.UNSEEN: 1}, [])


def test_a_throttled_call_slows_the_fleet_down(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """The jobs are given back at once, the third of such calls cuts the bucket, all are counted."""
    rooms.schedule.track(make_ids(3))
    simulator.limit("describe", 0.001, 1)
    try:
        cycle = build(simulator.url, missing_grace=0.0, missing_checks=10_000)
        passes = run_until(cycle, lambda: rooms.ledger.totals().calls >= 4)
    finally:
        simulator.limit("describe", 0)

    assert isinstance(passes[-1].failure, Throttled)
    view, totals = rooms.buckets[DESCRIBE].view(), rooms.ledger.totals()
    assert (view.throttles, view.cuts, totals.calls, totals.throttled, totals.failed) == (3, 1, 4, 3, 0)
    assert 0 < view.granted < 0.9 * RATE
    assert [done.slowed for done in passes[-3:]] == [False, False, True]
    assert claimable(rooms) == set(make_ids(3))


def test_an_api_that_cannot_be_reached_costs_a_failed_call(rooms: Rooms, build: Build) -> None:
    """The jobs are due again after a moment; the bucket is not to blame."""
    rooms.schedule.track(make_ids(3))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    done = build(url).run()

    assert (type(done.failure), done.calls, done.kept) == (Unreachable, 1, 0)
    totals = rooms.ledger.totals()
    assert (totals.calls, totals.failed, totals.throttled, rooms.buckets[DESCRIBE].view().cuts) == (1, 1, 0, 0)
    nothing = rooms.schedule.claim(60.0, margin_s=5.0)
    assert isinstance(nothing, Nothing)
    assert nothing.wait_s is not None
    assert 0 < nothing.wait_s <= RELEASED_AFTER_S[1]


def test_a_wait_that_is_cut_short_gives_everything_back(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """A worker that is to leave returns its token and its jobs, and calls nobody."""
    rooms.schedule.track(make_ids(5))

    done = build(simulator.url, wait=lambda _: False).run()

    assert (done, booked(rooms)) == (Pass(), 0)
    assert claimable(rooms) == set(make_ids(5))


@pytest.mark.parametrize("suspended_s", [60.0, 40.0])
def test_a_lease_that_might_run_out_is_not_used(
    simulator: Simulator, rooms: Rooms, build: Build, suspended_s: float
) -> None:
    """A worker that was suspended makes no call for jobs that are somebody else's, or may be before it is answered."""
    rooms.schedule.track(make_ids(5))
    late_s = [0.0]

    def suspended(_: float) -> bool:
        late_s[0] = suspended_s
        return True

    done = build(simulator.url, wait=suspended, mono=lambda: system_mono() + late_s[0]).run()

    assert (done.calls, booked(rooms), rooms.ledger.totals().calls) == (0, 0, 0)


def test_a_paused_bucket_calls_nobody(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """The jobs are given back, and the pass says when to ask again."""
    rooms.schedule.track(make_ids(5))
    rooms.buckets[DESCRIBE].pause(True)

    assert build(simulator.url).run() == Pass(wait_s=PAUSED_RECHECK_S, paused=True)
    assert (booked(rooms), claimable(rooms)) == (0, set(make_ids(5)))


def test_a_token_that_is_too_far_off_is_not_booked(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """With the fleet booked out beyond token_wait, the jobs are given back, and not all workers return together."""
    rooms.schedule.track(make_ids(5))
    for _ in range(10):
        rooms.buckets[DESCRIBE].reserve(10.0, round(RATE / 5))
    used = booked(rooms)

    done = build(simulator.url, token_wait=0.5).run()

    assert (done.calls, done.idle, booked(rooms)) == (0, False, used)
    assert done.wait_s is not None
    assert 0 < done.wait_s < 2.0
    assert claimable(rooms) == set(make_ids(5))


def test_a_rate_that_is_let_go_is_soon_noticed_by_who_was_far_behind(rooms: Rooms, build: Build) -> None:
    """Where tokens are minutes off, a worker looks again within token_wait: an operator may have changed that."""
    rooms.schedule.track(make_ids(5))
    rooms.buckets[DESCRIBE].pin(0.01)
    rooms.buckets[DESCRIBE].reserve(300.0)

    done = build("http://127.0.0.1:9").run()

    assert (done.calls, done.idle) == (0, False)
    assert 10.0 < (done.wait_s or 0.0) <= 20.0


def test_a_lease_that_does_not_fit_a_call_is_not_claimed_again_at_once(
    simulator: Simulator, rooms: Rooms, build: Build
) -> None:
    """Where Redis is farther than the settings leave time for, no call can begin: that must not become a storm of claims."""
    rooms.schedule.track(make_ids(5))
    rooms.buckets[DESCRIBE].reserve(0.0)
    nap(2 / RATE)  # a token is there

    done = build(simulator.url, token_wait=1e-6, visibility=28.00001).run()

    assert (done.calls, done.idle, booked(rooms)) == (0, False, 0)
    assert done.wait_s is not None
    assert done.wait_s > 0
    assert claimable(rooms) == set(make_ids(5))


def test_who_waits_for_no_token_claims_only_if_one_is_there(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """Without one it neither claims nor books, and hears when there will be one; with one it makes its call."""
    rooms.schedule.track(simulator.populate(5))
    cycle, bucket = build(simulator.url), rooms.buckets[DESCRIBE]
    for _ in range(3):
        bucket.reserve(10.0, round(RATE / 5))
    used = booked(rooms)

    with pytest.raises(StopIteration) as end:
        next(cycle.steps(patient=False))
    done: Pass = end.value.value
    assert (done.outrun, done.calls, booked(rooms)) == (True, 0, used)
    assert 0 < (done.wait_s or 0.0) < 0.7

    while bucket.look().wait_s > 0:
        nap(0.05)
    steps = cycle.steps(patient=False)
    assert next(steps) == 0.0
    with pytest.raises(StopIteration) as end:
        steps.send(True)
    done = end.value.value
    assert (done.outrun, done.calls, done.kept, booked(rooms)) == (False, 1, 5, used + 1)

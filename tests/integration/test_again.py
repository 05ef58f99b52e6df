"""Jobs that are over and are watched once more; answers that come late; attempts that fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest

from fleetpoll.aio import open_fleet
from fleetpoll.cadence.learned import PRICE_START
from fleetpoll.client.fleet import Fleet
from fleetpoll.cycle import Pass
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look
from tests.ids import make_ids
from tests.integration.arrays import children, scheduled
from tests.integration.bad_server import Answer, serving
from tests.integration.cycles import Build, nap
from tests.integration.moves import move_all

DEADLINE_S = 30.0
ONE, TWO, LIVE = make_ids(3)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator that forgets a job when it has been over for a while."""
    with Simulator(SimulatorConfig(seed=13, retention_s=1.5)) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare and wants to know at once."""
    return Settings(fleet=fleet_name, rate=200, rate_start=200, freshness=0.05)


def over(rooms: Rooms) -> None:
    """One job that failed, one that succeeded, one that runs."""
    rooms.schedule.track([ONE])
    move_all(rooms, JobStatus.FAILED)
    rooms.schedule.track([TWO])
    move_all(rooms, JobStatus.SUCCEEDED)
    rooms.schedule.track([LIVE])
    move_all(rooms, JobStatus.RUNNING)


def told(rooms: Rooms, after: str = BEGINNING) -> list[tuple[str, str, str]]:
    """What was published."""
    return [(event.job_id, event.before, event.after) for event in rooms.events.read(after)]


def test_jobs_that_are_over_are_opened_again(rooms: Rooms, settings: Settings) -> None:
    """They are as new, on the schedule and not among the finished; that is published; those that live stay as they are."""
    over(rooms)
    fleet, cursor = Fleet(rooms, settings), rooms.events.end()

    assert fleet.track([ONE, TWO, LIVE], again=True) == 2
    assert fleet.track([ONE, TWO, LIVE], again=True) == 0

    assert told(rooms, cursor) == [(ONE, "FAILED", "UNSEEN"), (TWO, "SUCCEEDED", "UNSEEN")]
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 2, JobStatus.RUNNING: 1}
    assert (rooms.ledger.sizes(), rooms.client.zcard(rooms.keys.finished)) == ((3, 3), 0)
    known = rooms.ledger.get([ONE])[ONE]
    assert known == Snapshot(tracked_ms=known.tracked_ms)
    assert abs(known.tracked_ms - rooms.roster.now_ms()) < 5_000
    assert rooms.events.read(cursor)[0].detected_ms == known.tracked_ms


def test_what_is_new_is_tracked_and_counted_with_what_is_opened(rooms: Rooms, settings: Settings) -> None:
    """Whether a job is new or over makes no difference to who asks for it again."""
    over(rooms)

    assert Fleet(rooms, settings).track([ONE, *make_ids(2, 90)], again=True) == 3

    assert rooms.ledger.sizes() == (4, 5)


def test_asyncio_opens_and_follows_as_well(rooms: Rooms, given: Settings) -> None:
    """The same scripts, awaited."""
    over(rooms)

    async def ask() -> list[int]:
        async with open_fleet(given) as fleet:
            done = [await fleet.track([ONE, LIVE], again=True), await fleet.track([TWO], children=True)]
            with pytest.raises(SettingsError, match="has no children"):
                await fleet.track([f"{TWO}:1"], children=True)
            assert rooms.broods.sizes() == (1, 0)
            return [*done, await fleet.untrack([ONE, TWO])]

    assert asyncio.run(ask()) == [1, 1, 2]
    assert (rooms.broods.sizes(), rooms.ledger.sizes()) == ((0, 0), (1, 1))


def test_only_arrays_have_children_to_follow(rooms: Rooms, settings: Settings) -> None:
    """A child or a node is refused, and nothing is done."""
    fleet = Fleet(rooms, settings)
    for job_id in (f"{ONE}:1", f"{ONE}#1"):
        with pytest.raises(SettingsError, match="has no children: to follow those of an array, give the array's own id"):
            fleet.track([TWO, job_id], again=True, children=True)
    assert rooms.ledger.sizes() == (0, 0)


def test_a_job_that_aws_shows_no_more_is_expired(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """It was seen, and over and forgotten before anybody looked again; opened again it is LOST: nobody has seen it then."""
    (job_id,) = simulator.populate(1, life_min_s=0.7, life_max_s=0.7)
    rooms.schedule.track([job_id])
    cycle = build(simulator.url, missing_grace=0.0, missing_checks=2)
    assert cycle.run().kept == 1
    rooms.client.zadd(rooms.keys.schedule, {job_id: rooms.roster.now_ms() + 60_000})
    deadline = time.monotonic() + DEADLINE_S
    while simulator.truth([job_id]):
        assert time.monotonic() < deadline
        nap(0.02)

    rooms.client.zadd(rooms.keys.schedule, {job_id: 1})
    ends = []
    for _ in range(2):
        while not rooms.ledger.get([job_id])[job_id].status.terminal:
            assert time.monotonic() < deadline
            nap(min(0.1, cycle.run().wait_s or 0.0))
        ends.append(rooms.ledger.get([job_id])[job_id].status)
        rooms.schedule.reopen([job_id], events_kept=100)

    assert ends == [JobStatus.EXPIRED, JobStatus.LOST]


def test_an_array_that_was_over_and_that_an_answer_left_out_is_asked_for_again(rooms: Rooms, build: Build) -> None:
    """Nothing is known of its children yet: one answer without it must not cost them."""
    rooms.schedule.track([ONE])
    move_all(rooms, JobStatus.SUCCEEDED)
    rooms.broods.adopt([ONE])
    with serving() as server:
        cycle = build(server.url)
        server.answer = Answer(body=b'{"jobs": []}')
        assert cycle.run().kept == 1
        assert (rooms.broods.sizes().arrays, rooms.ledger.sizes()) == (1, (1, 1))
        array = {"size": 3, "statusSummary": {"SUCCEEDED": 3}}
        job = {"jobId": ONE, "jobName": "a", "status": "SUCCEEDED", "arrayProperties": array}
        server.answer = Answer(body=msgspec.json.encode({"jobs": [job]}))
        rooms.client.zadd(rooms.keys.schedule, {ONE: 1})
        cycle.run()

    assert scheduled(rooms) == set(children(ONE, 0, 1, 2))
    assert [event.job_id for event in rooms.events.read(BEGINNING)] == [ONE]


def test_an_array_that_was_over_and_that_aws_has_forgotten_is_let_go(rooms: Rooms, build: Build) -> None:
    """After as many answers as any other job is given; what it was known to be is not published again."""
    rooms.schedule.track([ONE])
    move_all(rooms, JobStatus.SUCCEEDED)
    rooms.broods.adopt([ONE])
    with serving() as server:
        server.answer = Answer(body=b'{"jobs": []}')
        cycle, passes = build(server.url, missing_checks=3), 0
        while rooms.ledger.sizes()[0]:
            rooms.client.zadd(rooms.keys.schedule, {ONE: 1})
            cycle.run()
            passes += 1

    assert (passes, rooms.broods.sizes()) == (3, (0, 0))
    assert [event.job_id for event in rooms.events.read(BEGINNING)] == [ONE]


def test_an_array_and_children_that_sleep_do_not_move_the_price(rooms: Rooms, build: Build) -> None:
    """No plan for them is kept: if they counted, other jobs would be looked at more, or less, than they are worth."""
    array = {"size": 3, "statusSummary": {"SUCCEEDED": 1, "RUNNING": 2}}
    jobs = [{"jobId": ONE, "status": "PENDING", "jobName": "a", "arrayProperties": array}]
    jobs += [{"jobId": child, "status": "RUNNING", "jobName": "a"} for child in children(ONE, 0, 1, 2)]
    rooms.broods.adopt([ONE])
    with serving() as server:
        server.answer = Answer(body=msgspec.json.encode({"jobs": jobs}))
        cycle = build(server.url)
        deadline = time.monotonic() + DEADLINE_S
        while rooms.client.zcard(rooms.keys.started) < 3:
            assert time.monotonic() < deadline
            nap(min(0.1, cycle.run().wait_s or 0.0))

    assert rooms.knowledge.price() in {None, PRICE_START}


def test_each_attempt_that_failed_is_told_with_its_number_and_reason(
    simulator: Simulator, rooms: Rooms, build: Build
) -> None:
    """From RUNNING back to RUNNABLE: the number, exit code, reason and log stream are those of the attempt that failed."""
    ids = simulator.populate(20, life_min_s=1.5, life_max_s=1.5, retry_share=1.0, fail_share=0.0, attempts=3)
    rooms.schedule.track(ids)
    cycle, deadline = build(simulator.url), time.monotonic() + DEADLINE_S
    while rooms.ledger.sizes()[0]:
        assert time.monotonic() < deadline
        nap(min(0.05, cycle.run().wait_s or 0.0))

    back: dict[str, list[Transition]] = {}
    for event in rooms.events.read(BEGINNING, count=10_000):
        if (event.before, event.after) == (JobStatus.RUNNING, JobStatus.RUNNABLE):
            back.setdefault(event.job_id, []).append(event)
    assert len(back) > len(ids) / 4
    for attempts in back.values():
        assert all(one.attempt < two.attempt for one, two in pairwise(attempts))
        for event in attempts:
            assert event.attempt in {1, 2}
            assert event.exit_code in {1, 2, 137} or "terminated" in event.reason
            assert event.reason
            assert int(event.log_stream[-6:], 16) % 16 == event.attempt - 1


def test_a_late_answer_never_overwrites_a_newer_one(rooms: Rooms) -> None:
    """Whoever lost the lease meanwhile settles nothing, neither during the next lease nor after it."""
    now = 1_800_000_000_000
    rooms.schedule.track([ONE], now_ms=now)
    slow = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="slow", now_ms=now)
    quick = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="quick", now_ms=now + 60_001)
    assert isinstance(slow, Lease)
    assert isinstance(quick, Lease)

    def settle(lease: Lease, status: JobStatus) -> int:
        known = lease.jobs[ONE]
        record = msgspec.structs.replace(known, status=status, changed_ms=now)
        look = Look(ONE, None if status.terminal else 1.0, record, Transition.between(ONE, known, record))
        return rooms.schedule.settle(lease, [look], events_kept=100, asked=1, now_ms=now + 60_002).kept

    assert settle(slow, JobStatus.RUNNABLE) == 0
    assert settle(quick, JobStatus.SUCCEEDED) == 1
    assert settle(slow, JobStatus.RUNNING) == 0

    assert rooms.ledger.get([ONE])[ONE].status is JobStatus.SUCCEEDED
    assert told(rooms) == [(ONE, "UNSEEN", "SUCCEEDED")]
    assert rooms.ledger.sizes() == (0, 1)


def test_two_workers_and_an_answer_that_is_delayed(rooms: Rooms, build: Build) -> None:
    """The first worker's answer is an old one, and comes when the second has seen and settled the job's end."""
    with (
        Simulator(SimulatorConfig(seed=5, life_min_s=0.3, life_max_s=0.3, fail_share=0)) as quick,
        Simulator(SimulatorConfig(seed=5, life_min_s=9e3, life_max_s=9e3, latency_ms=1_500)) as slow,
    ):
        (job_id,) = quick.populate(1)
        assert slow.populate(1) == [job_id]  # the same job, as it was some time ago
        rooms.schedule.track([job_id])
        late = build(slow.url, mono=lambda: 0.0)  # its clock stands still: only the fence is left
        passes: list[Pass] = []
        thread = threading.Thread(target=lambda: passes.append(late.run()))
        thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while not slow.stats()["operations"]["describe"]["last_call_ms"]:
            assert time.monotonic() < deadline
        rooms.client.zadd(rooms.keys.schedule, {job_id: 1})  # the lease runs out
        cycle = build(quick.url)
        while rooms.ledger.sizes()[0]:
            assert time.monotonic() < deadline
            nap(min(0.05, cycle.run().wait_s or 0.0))
        assert thread.is_alive()
        thread.join()

    assert [(done.calls, done.kept, done.lost) for done in passes] == [(1, 0, 1)]
    assert [event.after for event in rooms.events.read(BEGINNING)][-1] is JobStatus.SUCCEEDED
    assert rooms.ledger.get([job_id])[job_id].status is JobStatus.SUCCEEDED

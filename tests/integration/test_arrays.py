"""Array jobs and multi-node jobs from end to end: real Redis, real boto3, the simulator as witness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.cycle import Cycle, Pass
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from tests.integration.arrays import children, ends, scheduled, submit
from tests.integration.cycles import Build, nap

DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose jobs are over in a second; at most 120 children of an array run side by side."""
    config = SimulatorConfig(seed=13, life_min_s=0.3, life_max_s=0.9, fail_share=0.3, array_slots=120)
    with Simulator(config) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare and wants to know at once."""
    return Settings(fleet=fleet_name, rate=200, rate_start=200, freshness=0.1)


@pytest.fixture
def fleet(rooms: Rooms, settings: Settings) -> Fleet:
    """The fleet as applications see it."""
    return Fleet(rooms, settings)


def work(cycle: Cycle, over: Callable[[], bool]) -> list[Pass]:
    """Passes, as a poller would make them, until it is over."""
    deadline, passes = time.monotonic() + DEADLINE_S, list[Pass]()
    while not over():
        assert time.monotonic() < deadline, "waited too long"
        passes.append(cycle.run())
        nap(min(0.1, passes[-1].wait_s or 0.0))
    return passes


def idle(rooms: Rooms) -> bool:
    """Whether nothing is on the schedule."""
    return rooms.ledger.sizes()[0] == 0


def all_ended_once(rooms: Rooms, simulator: Simulator, ids: list[str]) -> bool:
    """Whether each end is published exactly once, and is the true one."""
    return ends(rooms) == {job_id: [JobStatus(status)] for job_id, (status, _) in simulator.truth(ids).items()}


def test_an_array_is_followed_with_two_workers(simulator: Simulator, fleet: Fleet, rooms: Rooms, build: Build) -> None:
    """Each of 300 children is told to have ended exactly once, as it did, and the array after its last one was woken."""
    parent = submit(simulator.url, fleet.settings, arrayProperties={"size": 300})
    simulator.reset_stats()

    assert fleet.track([parent], children=True) == 1
    assert fleet.track([parent], children=True) == 0
    cycles = [build(simulator.url), build(simulator.url)]
    threads = [threading.Thread(target=work, args=(cycle, lambda: idle(rooms))) for cycle in cycles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all_ended_once(rooms, simulator, [parent, *children(parent, *range(300))])
    assert rooms.broods.sizes() == (0, 0)
    assert (rooms.client.zcard(rooms.keys.started), rooms.ledger.sizes()) == (0, (0, 301))
    assert simulator.stats()["operations"]["describe"]["calls_with_duplicates"] == 0


def test_a_death_before_an_array_is_settled_costs_nothing(
    simulator: Simulator, fleet: Fleet, rooms: Rooms, build: Build
) -> None:
    """Its children are woken first; who looks at it once more finds nothing left to wake, and settles it."""
    parent = submit(simulator.url, fleet.settings, arrayProperties={"size": 300})
    fleet.track([parent], children=True)
    build(simulator.url).run()
    assert rooms.broods.sizes() == (1, 300)
    deadline = time.monotonic() + DEADLINE_S
    while simulator.truth([parent])[parent][0] == "PENDING":
        assert time.monotonic() < deadline
        nap(0.05)

    rooms.client.zadd(rooms.keys.schedule, {parent: 1})  # before children that were woken already, if any were

    def mono() -> float:
        """The clock of a worker that stands still for an hour as soon as it has woken the children."""
        return time.monotonic() + (0 if rooms.broods.sizes().arrays else 3600)

    assert build(simulator.url, mono=mono).run().lost > 0
    assert rooms.broods.sizes() == (0, 0)
    rooms.client.zadd(rooms.keys.schedule, dict.fromkeys(scheduled(rooms), 1))  # the lease runs out

    work(build(simulator.url), lambda: idle(rooms))

    assert all_ended_once(rooms, simulator, [parent, *children(parent, *range(300))])


def test_an_array_that_was_over_when_it_came_is_followed_to_its_children(
    simulator: Simulator, fleet: Fleet, rooms: Rooms, build: Build
) -> None:
    """Its own end is not told twice; it is looked at once more, then its children."""
    parent = submit(simulator.url, fleet.settings, arrayProperties={"size": 12})
    fleet.track([parent])
    work(build(simulator.url), lambda: idle(rooms))
    assert list(ends(rooms)) == [parent]

    fleet.track([parent], children=True)
    work(build(simulator.url), lambda: idle(rooms))

    assert all_ended_once(rooms, simulator, [parent, *children(parent, *range(12))])
    assert (rooms.ledger.sizes(), rooms.client.zcard(rooms.keys.finished)) == ((0, 13), 13)


def test_what_is_no_array_is_said_to_be_none(simulator: Simulator, fleet: Fleet, rooms: Rooms, build: Build) -> None:
    """It is watched as any job is, and followed no more."""
    job_id = submit(simulator.url, fleet.settings)
    fleet.track([job_id], children=True)

    passes = work(build(simulator.url), lambda: idle(rooms))

    assert [found for done in passes for found in done.childless] == [job_id]
    assert all_ended_once(rooms, simulator, [job_id])
    assert rooms.broods.sizes() == (0, 0)


def test_children_and_nodes_are_jobs_like_any_other(simulator: Simulator, fleet: Fleet, rooms: Rooms, build: Build) -> None:
    """Who tracks `id:index` or `id#node` by itself is told of its end; so is who waits for it."""
    parent = submit(simulator.url, fleet.settings, arrayProperties={"size": 3})
    whole = submit(simulator.url, fleet.settings, nodeOverrides={"numNodes": 2})
    ids = [*children(parent, 0, 2), f"{whole}#0", f"{whole}#1", whole]
    worker = threading.Thread(target=work, args=(build(simulator.url), lambda: len(ends(rooms)) == len(ids)))
    worker.start()

    waited = fleet.wait(ids, timeout_s=DEADLINE_S)

    worker.join()
    assert {job_id: str(status) for job_id, status in waited.reached.items()} == {
        job_id: status for job_id, (status, _) in simulator.truth(ids).items()
    }
    assert all_ended_once(rooms, simulator, ids)
    assert len({waited.reached[job_id] for job_id in ids[2:]}) == 1
    assert scheduled(rooms) == set()

"""What a worker's passes teach the fleet: real Redis, real boto3, the simulator's jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.rig import wait_until
from fleetpoll.cadence.dwell import groups_of
from fleetpoll.cycle import Cycle
from fleetpoll.jobs import JobStatus
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.cycles import Build

RUNNING = JobStatus.RUNNING
QUICK = Kind(job_definition="quick:7", share=1.0, run_s=1.0, run_sigma=0.05, wait_s=0.1, wait_sigma=0.1)
GROUPS = WHOLE, OF_THE_QUEUE, OF_QUICK = groups_of(RUNNING, "fleet", "quick:7")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator without limits, whose jobs do not fail."""
    with Simulator(SimulatorConfig(seed=23, fail_share=0.0, retry_share=0.0)) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare and wants to know at once."""
    return Settings(fleet=fleet_name, rate=200, rate_start=200, freshness=0.2)


def work_until_all_ended(rooms: Rooms, cycle: Cycle, count: int) -> None:
    """Make passes until the fleet knows that so many jobs have ended."""

    def ended() -> bool:
        cycle.run()
        return rooms.ledger.counts().get(JobStatus.SUCCEEDED, 0) == count

    wait_until(ended, 30, f"the end of {count} jobs")


def test_a_fleet_knows_in_the_end_how_long_its_jobs_ran(rooms: Rooms, simulator: Simulator, build: Build) -> None:
    """Each end is one exit of its definition, its queue and of all jobs, at the age that AWS's own times tell."""
    work_until_all_is_known(rooms, build(simulator.url), simulator.populate(40, kinds=[QUICK]))

    run = rooms.knowledge.pages([OF_QUICK])[OF_QUICK]

    assert sum(run.exits[:4]) == pytest.approx(40)  # up to two seconds
    assert 40 * 0.9 <= sum(run.at_risk_s) <= 40 * 1.2
    assert rooms.knowledge.price() is not None


def work_until_all_is_known(rooms: Rooms, cycle: Cycle, ids: list[str]) -> None:
    """Make passes until all these jobs have ended and all that they teach has been sent."""
    rooms.schedule.track(ids)
    work_until_all_ended(rooms, cycle, len(ids))
    rooms.schedule.track(make_ids(1))  # something to settle, so that the last notes go with it

    def known() -> bool:
        cycle.run()
        pages = rooms.knowledge.pages([WHOLE, OF_THE_QUEUE, OF_QUICK])
        return [round(page.known) for page in pages.values()] == 3 * [len(ids)]

    wait_until(known, 30, "all notes")


@pytest.mark.parametrize("cadence", ["elastic", "even"])
def test_who_does_not_learn_leaves_no_trace(rooms: Rooms, simulator: Simulator, build: Build, cadence: str) -> None:
    """The other cadences note nothing and know no price."""
    rooms.schedule.track(simulator.populate(10, kinds=[QUICK]))
    work_until_all_ended(rooms, build(simulator.url, cadence=cadence), 10)

    assert rooms.knowledge.pages() == {}
    assert rooms.knowledge.price() is None


def test_a_job_that_is_left_out_of_an_answer_teaches_nothing(rooms: Rooms, simulator: Simulator, build: Build) -> None:
    """Whoever was not shown was not seen in any status."""
    rooms.schedule.track(make_ids(5))
    cycle = build(simulator.url)
    wait_until(lambda: cycle.run().kept == 5, 10, "a call")

    assert rooms.knowledge.pages() == {}


def test_a_worker_that_comes_new_knows_what_the_others_have_learnt(rooms: Rooms, simulator: Simulator, build: Build) -> None:
    """It reads the pages of the jobs that it meets with its first settlements, without a call of its own."""
    work_until_all_is_known(rooms, build(simulator.url), simulator.populate(60, kinds=[QUICK]))
    rooms.schedule.track(simulator.populate(20, kinds=[QUICK]))
    newcomer = build(simulator.url)

    wait_until(lambda: bool(newcomer.run()) and round(newcomer._choice.notebook.known(GROUPS)) >= 60, 30, "pages")

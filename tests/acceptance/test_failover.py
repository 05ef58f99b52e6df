"""Whole fleets on several servers whose primary is killed under load. The simulator and two readers are the witnesses."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.rig import limited, rig
from fleetpoll.jobs import JobStatus
from tests.acceptance.failovers import calls, kill_primary, witnesses
from tests.acceptance.test_fleet import assert_all_ended_once, quick
from tests.topologies import Topology, cluster, watched

TOPOLOGIES: dict[str, Callable[[Path], AbstractContextManager[Topology]]] = {"sentinel": watched, "cluster": cluster}
RATE = 20
HURRIED = {"token_wait": 1.0, "read_timeout": 1.0, "margin": 0.5, "visibility": 4.0}
"""What was on loan when the primary died is due again so soon: a test that ends soon wants it sooner than a fleet does."""

log = logging.getLogger(__name__)


@pytest.fixture(params=TOPOLOGIES)
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    """Servers of the test's own, under Sentinels or in a Cluster."""
    with TOPOLOGIES[request.param](tmp_path) as servers:
        yield servers


def fail_over(topology: Topology, jobs: int, longest_s: float, **hurry: float) -> None:
    """Kill the primary while jobs end; every one of them is accounted for afterwards."""
    settings = quick(rate=RATE, workers=2, fleet="failing-over", **hurry)
    with rig(settings, limited(RATE, life_min_s=1.0, life_max_s=longest_s), topology.url) as fleet, fleet.workers():
        fleet.await_pollers(2)
        fleet.submit(jobs)
        with witnesses(fleet) as seen:
            recovery = kill_primary(fleet, topology)
            assert_all_ended_once(fleet, 60)
            waited = seen.waited.result(30)
        granted = fleet.rooms.buckets["DescribeJobs"].view().tokens_granted
        made = calls(fleet)
        truth = {job_id: JobStatus(status) for job_id, (status, _) in fleet.simulator.truth(fleet.ids).items()}

        log.warning("%s; %d calls, %d tokens; %d told twice", recovery, made, granted, told_twice(seen.heard))
        assert waited.reached == truth
        assert set(seen.heard) == set(fleet.ids)
        assert recovery.calls_while_down <= settings.workers
        assert recovery.after_promotion_s <= 5
        assert made <= granted + settings.workers
        assert fleet.simulator.stats()["operations"]["describe"]["throttled"] == 0


def told_twice(heard: Counter[str]) -> int:
    """How many ends a follower heard again, because the replica had not heard of them when it was promoted."""
    return sum(1 for count in heard.values() if count > 1)


def test_a_primary_that_is_killed_costs_no_job_and_no_event(topology: Topology) -> None:
    """Another takes its place; the fleet goes on within 5 s of that, and each job's end is in the stream exactly once."""
    fail_over(topology, 300, 3.0, **HURRIED)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(3))
def test_a_primary_that_is_killed_under_a_full_load(topology: Topology, run: int) -> None:
    """The same with thousands of jobs, three times."""
    log.warning("run %d", run)
    fail_over(topology, 4000, 25.0)

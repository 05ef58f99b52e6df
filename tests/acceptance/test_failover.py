"""Whole fleets on several servers whose primary is killed under load. The simulator and two readers are the witnesses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.broken import FAILOVERS
from benchmarks.machine import facts
from benchmarks.rig import limited, rig
from fleetpoll.jobs import JobStatus
from tests.acceptance.failovers import calls, kill_primary, witnesses
from tests.acceptance.test_fleet import assert_all_ended_once, quick, terminal_events
from tests.topologies import Topology, cluster, watched

TOPOLOGIES: dict[str, Callable[[Path], AbstractContextManager[Topology]]] = {"sentinel": watched, "cluster": cluster}
LABELS = {"sentinel": "Sentinel, 1 + 2 servers", "cluster": "Cluster, 3 + 3 nodes"}
RATE, JOBS = 20, 4_000
HURRIED = {"token_wait": 1.0, "read_timeout": 1.0, "margin": 0.5, "visibility": 4.0}
"""What was on loan when the primary died is due again so soon: a test that ends soon wants it sooner than a fleet does."""


def fail_over(topology: Topology, jobs: int, longest_s: float, **hurry: float) -> dict[str, float]:
    """Kill the primary while jobs end; every one of them is accounted for afterwards. Returns the figures."""
    settings = quick(rate=RATE, workers=2, fleet="failing-over", **hurry)
    with rig(settings, limited(RATE, life_min_s=1.0, life_max_s=longest_s), topology.url) as fleet, fleet.workers():
        fleet.await_pollers(2)
        fleet.submit(jobs)
        with witnesses(fleet) as seen:
            recovery = kill_primary(fleet, topology)
            assert_all_ended_once(fleet, 60)
            waited = seen.waited.result(30)
        granted = fleet.rooms.buckets["DescribeJobs"].view().tokens_granted
        made, throttled = calls(fleet), fleet.simulator.stats()["operations"]["describe"]["throttled"]
        truth = {job_id: JobStatus(status) for job_id, (status, _) in fleet.simulator.truth(fleet.ids).items()}
        stream = terminal_events(fleet)

    assert waited.reached == truth
    assert set(seen.heard) == set(fleet.ids)
    assert recovery.calls_while_down <= settings.workers
    assert recovery.after_promotion_s <= 5
    assert made <= granted + settings.workers
    assert throttled == 0
    return {
        "promoted_s": recovery.promoted_s,
        "first_call_s": recovery.first_call_s,
        "after_promotion_s": recovery.after_promotion_s,
        "ends_lost": len(set(fleet.ids) - set(stream)),
        "ends_twice": told_twice(stream),
        "told_twice": told_twice(seen.heard),
        "calls_while_down": recovery.calls_while_down,
        "throttled": throttled,
    }


def told_twice(heard: Counter[str]) -> int:
    """How many ends stand there more than once.

    A follower hears of one again if the replica had not heard of it when it was promoted.
    """
    return sum(1 for count in heard.values() if count > 1)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_primary_that_is_killed_costs_no_job_and_no_event(name: str, tmp_path: Path) -> None:
    """Another takes its place; the fleet goes on within 5 s of that, and each job's end is in the stream exactly once."""
    with TOPOLOGIES[name](tmp_path) as topology:
        fail_over(topology, 300, 3.0, **HURRIED)


@pytest.mark.soak
@pytest.mark.timeout(420)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_primary_that_is_killed_under_a_full_load(name: str, tmp_path: Path) -> None:
    """The same with thousands of jobs, three times; BENCH_RESULTS names a folder that is to have the figures."""
    machine, runs = facts({}), list[dict[str, float]]()
    for run in range(3):
        with TOPOLOGIES[name](tmp_path / str(run)) as topology:
            runs.append(fail_over(topology, JOBS, 25.0))

    if folder := os.environ.get("BENCH_RESULTS"):
        case = {"case": f"{JOBS:,} jobs, {RATE} calls/s", "contender": name, "label": LABELS[name], "method": {}}
        old = results.load(Path(folder), FAILOVERS)
        results.save(Path(folder), FAILOVERS, results.merged(old, [case | {"machine": machine, "runs": runs}]))

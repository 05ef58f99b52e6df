"""A real Airflow with real workers, a real Redis and the simulator: who polls is the fleet, and nobody else."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.rig import Rig, limited, rig
from fleetpoll.airflow.outcome import KILLED
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.settings import load
from tests.airflow.stack import Stack, stack

TASK_STATES = {JobStatus.SUCCEEDED: "success", JobStatus.FAILED: "failed"}
SETTINGS = {"rate": 5.0, "workers": 2, "freshness": 1.0, "beat": 1.0, "log_format": "json"}


@contextmanager
def airflow(home: Path, jobs: int, watched: int = 1, **life: Any) -> Iterator[tuple[Stack, Rig]]:
    """A fleet with workers, and an Airflow whose only way to it is a connection of type fleetpoll."""
    simulated = limited(5, fail_share=0.2, retry_share=0.0, **life)
    with rig(load({}, flags=SETTINGS), simulated) as fleet, fleet.workers():
        fleet.await_pollers(2)
        seen = home / "watched.json"
        early, late = (fleet.simulator.populate(watched, life_min_s=life_s, life_max_s=life_s) for life_s in (5, 75))
        seen.write_bytes(msgspec.json.encode(early + late))
        redis = {"conn_type": "fleetpoll", "extra": {"redis_url": fleet.url}}
        env = {name: value for name, value in fleet.environment().items() if not name.startswith("FLEETPOLL_")}
        env |= {"TEST_JOBS": str(jobs), "TEST_WATCHED": str(seen), "TEST_CONNECTION": "the_fleet"}
        env |= {"AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}'}
        env |= {"AIRFLOW_CONN_THE_FLEET": msgspec.json.encode(redis).decode()}
        with stack(home, env) as running:
            running.await_dag("submit")
            try:
                yield running, fleet
            except Exception as error:
                error.add_note(running.words())
                raise


def over(running: Stack, dag_id: str) -> bool:
    """Whether all tasks of a DAG are over."""
    states = running.states(dag_id)
    return bool(states) and set(states) <= {"success", "failed"}


def assert_nobody_else_polled(fleet: Rig) -> None:
    """The calls that AWS's side counted are those that the fleet's workers made."""
    describe = fleet.simulator.stats()["operations"]["describe"]
    assert describe["calls"] == fleet.rooms.ledger.totals().calls > 0


def submitted(fleet: Rig) -> int:
    """How many jobs were submitted."""
    return int(fleet.simulator.stats()["operations"]["submit"]["calls"])


def job_of(running: Stack, dag_id: str) -> str:
    """The job that a DAG's one task has a link to."""
    ((value,),) = running.rows("select value from xcom where dag_id = ? and key = 'batch_job_details'", dag_id)
    return str(json.loads(value)["job_id"])


def status_of(fleet: Rig, job_id: str) -> JobStatus:
    """The true status of a job."""
    return JobStatus(fleet.simulator.truth([job_id])[job_id][0])


def jobs_of(scene: Scene, name: str) -> list[tuple[str, Snapshot]]:
    """The jobs of that name, in the order in which they were submitted."""
    found = [(job_id, job) for job_id, job in scene.fleet.rooms.ledger.scan() if job.job_name == name]
    return sorted(found, key=lambda one: one[1].created_ms)


def ends(fleet: Rig) -> Counter[JobStatus]:
    """How the jobs of the fleet's ledger ended."""
    return Counter(snapshot.status for _, snapshot in fleet.rooms.ledger.scan())


@dataclass
class Scene:
    """A stack in which one of everything has been run and disturbed, and everything is over."""

    running: Stack
    fleet: Rig
    killed: str  # the job of the task whose process was killed
    cleared: str  # the job of the task that was cleared


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Tasks of all sorts, at once; of the jobs that are watched, half are over before anybody watches."""
    with airflow(tmp_path_factory.mktemp("airflow"), 8, 2, life_min_s=20, life_max_s=30) as (running, fleet):
        for dag_id in ("wait-here", "defer", "submit", "watch"):
            running.trigger(dag_id)
        noted = "select value from task_state_store where dag_id = 'wait-here' and value like '%job_id%'"
        running.wait(lambda: bool(running.rows(noted)), 60, "a submitted job")
        ((value,),) = running.rows(noted)
        ((pid,),) = running.rows("select pid from task_instance where dag_id = 'wait-here'")
        os.kill(int(pid), signal.SIGKILL)
        running.wait(lambda: running.triggered("defer"), 60, "a deferred task's trigger")
        cleared, ((run,),) = job_of(running, "defer"), running.rows("select run_id from dag_run where dag_id = 'defer'")
        what = {"dry_run": False, "dag_run_id": run, "only_failed": False}
        running.api("POST", "/api/v2/dags/defer/clearTaskInstances", what)
        running.wait(lambda: all(over(running, dag) for dag in ("wait-here", "defer", "submit", "watch")), 110, "the end")
        yield Scene(running, fleet, json.loads(value)["job_id"], cleared)


@pytest.mark.timeout(300)
def test_the_fleet_polls_and_nobody_else(scene: Scene) -> None:
    """Neither tasks nor the triggerer make a DescribeJobs call, whatever happens to them."""
    assert_nobody_else_polled(scene.fleet)


def test_tasks_end_as_their_jobs(scene: Scene) -> None:
    """Those of a mapped operator and a mapped sensor."""
    known = [job for _, job in scene.fleet.rooms.ledger.scan() if job.job_name not in {"wait-here", "defer"}]
    states = scene.running.states("submit") + scene.running.states("watch")
    assert states == Counter(TASK_STATES[job.status] for job in known)
    assert states.total() == 12


def test_a_task_whose_process_is_killed_goes_on_with_its_job(scene: Scene) -> None:
    """The retry finds it in Airflow's task state store, and submits nothing."""
    assert scene.running.rows("select try_number from task_instance where dag_id = 'wait-here'")[0] == (2,)
    jobs = jobs_of(scene, "wait-here")  # more than one only if the first has failed by itself
    assert jobs[0][0] == scene.killed
    assert scene.running.states("wait-here") == {TASK_STATES[jobs[-1][1].status]: 1}


def test_a_deferred_task_that_is_cleared_ends_its_job_and_runs_another(scene: Scene) -> None:
    """The triggerer lets the trigger terminate it; what the second try comes to is the end of a job of its own."""
    assert scene.fleet.rooms.ledger.get([scene.cleared])[scene.cleared].status_reason == KILLED
    other = job_of(scene.running, "defer")
    assert other != scene.cleared
    assert scene.running.states("defer") == {TASK_STATES[status_of(scene.fleet, other)]: 1}


def test_no_job_is_submitted_but_once(scene: Scene) -> None:
    """One for each task; a second one only when the first was over and had failed, be it that it was terminated."""
    several = {name: jobs_of(scene, name) for name in ("deferred", "wait-here", "defer")}
    assert len(several["deferred"]) == 8
    assert len(several["defer"]) >= 2
    for name in ("wait-here", "defer"):
        for (_, one), (_, other) in pairwise(several[name]):
            assert one.status is JobStatus.FAILED
            assert one.stopped_ms <= other.created_ms
    assert submitted(scene.fleet) == sum(map(len, several.values()))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_three_hundred_jobs_and_a_killed_triggerer(tmp_path: Path) -> None:
    """300 deferred jobs end in the right states although the triggerer is killed in between, and it never polls."""
    with airflow(tmp_path, 300, life_min_s=180, life_max_s=300) as (running, fleet):
        running.trigger("submit")
        running.wait(lambda: running.states("submit")["deferred"] >= 150, 300, "half of the tasks deferred")
        running.kill("triggerer")
        running.wait(lambda: ends(fleet).total() - fleet.rooms.ledger.sizes()[0] >= 20, 300, "jobs that end meanwhile")
        running.start("triggerer")
        running.wait(lambda: over(running, "submit"), 600, "all tasks over")

        assert running.states("submit") == {TASK_STATES[status]: count for status, count in ends(fleet).items()}
        assert submitted(fleet) == 300
        assert_nobody_else_polled(fleet)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_triggerer_that_was_frozen_ends_no_job(tmp_path: Path) -> None:
    """Another one takes its triggers over; when it wakes up Airflow tells it of kills that nobody has ordered."""
    with airflow(tmp_path, 1, life_min_s=60, life_max_s=60) as (running, fleet):
        running.trigger("defer")
        running.wait(lambda: running.triggered("defer"), 60, "a deferred task's trigger")
        frozen, whose = running.processes.pop("triggerer"), running.rows("select triggerer_id from trigger")
        os.killpg(frozen.pid, signal.SIGSTOP)
        running.env["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"] = "0"
        running.start("triggerer")
        running.wait(lambda: running.rows("select triggerer_id from trigger") != whose, 60, "a triggerer that takes over")
        os.killpg(frozen.pid, signal.SIGCONT)
        running.processes["frozen"] = frozen
        running.wait(lambda: over(running, "defer"), 120, "the end")

        job_id = job_of(running, "defer")
        assert running.states("defer") == {TASK_STATES[status_of(fleet, job_id)]: 1}
        assert fleet.rooms.ledger.get([job_id])[job_id].status_reason != KILLED
        assert submitted(fleet) == 1

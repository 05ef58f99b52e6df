"""A real Airflow with real workers, a real Redis and the simulator: who polls is the fleet, and nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.rig import Rig, limited, rig
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import load
from tests.airflow.stack import Stack, stack

SETTINGS = {"rate": 5.0, "workers": 2, "freshness": 1.0, "beat": 1.0, "log_format": "json"}


@contextmanager
def airflow(home: Path, jobs: int, watched: int = 1, **life: Any) -> Iterator[tuple[Stack, Rig]]:
    """A fleet with workers, and an Airflow whose only way to it is a connection of type fleetpoll."""
    simulated = limited(5, fail_share=0.2, retry_share=0.0, **life)
    with rig(load({}, flags=SETTINGS), simulated) as fleet, fleet.workers():
        fleet.await_pollers(2)
        seen = home / "watched.json"
        seen.write_bytes(msgspec.json.encode(fleet.simulator.populate(watched)))
        redis = {"conn_type": "fleetpoll", "extra": {"redis_url": fleet.url}}
        env = {name: value for name, value in fleet.environment().items() if not name.startswith("FLEETPOLL_")}
        env |= {"TEST_JOBS": str(jobs), "TEST_WATCHED": str(seen), "TEST_CONNECTION": "the_fleet"}
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


def ends(fleet: Rig) -> Counter[JobStatus]:
    """How the jobs of the fleet's ledger ended."""
    return Counter(snapshot.status for _, snapshot in fleet.rooms.ledger.scan())


def test_deferred_tasks_leave_the_polling_to_the_fleet(tmp_path: Path) -> None:
    """Each job of a mapped operator and a mapped sensor ends its task as it ended; neither makes a DescribeJobs call."""
    with airflow(tmp_path, 8, 4, life_min_s=5, life_max_s=12) as (running, fleet):
        for dag_id in ("submit", "watch", "wait-here"):
            running.run("dags", "trigger", dag_id)
        running.wait(lambda: all(over(running, dag) for dag in ("submit", "watch", "wait-here")), 100, "all tasks over")

        states = running.states("submit") + running.states("watch") + running.states("wait-here")
        assert states == Counter(success=ends(fleet)[JobStatus.SUCCEEDED], failed=ends(fleet)[JobStatus.FAILED])
        assert states.total() == 13
        assert fleet.simulator.stats()["operations"]["submit"]["calls"] == 9
        assert_nobody_else_polled(fleet)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_three_hundred_jobs_and_a_killed_triggerer(tmp_path: Path) -> None:
    """300 deferred jobs end in the right states although the triggerer is killed in between, and it never polls."""
    with airflow(tmp_path, 300, life_min_s=180, life_max_s=300) as (running, fleet):
        running.run("dags", "trigger", "submit")
        running.wait(lambda: running.states("submit")["deferred"] >= 150, 300, "half of the tasks deferred")
        running.kill("triggerer")
        running.wait(lambda: ends(fleet).total() - fleet.rooms.ledger.sizes()[0] >= 20, 300, "jobs that end meanwhile")
        running.start("triggerer")
        running.wait(lambda: over(running, "submit"), 600, "all tasks over")

        assert running.states("submit") == Counter(
            success=ends(fleet)[JobStatus.SUCCEEDED], failed=ends(fleet)[JobStatus.FAILED]
        )
        assert fleet.simulator.stats()["operations"]["submit"]["calls"] == 300
        assert_nobody_else_polled(fleet)

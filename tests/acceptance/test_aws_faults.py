"""Whole fleets of real processes whose AWS fails them: altogether, or at random while the limit binds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.config import Fault, Operation
from fleetpoll.state.rooms import DESCRIBE

QUICK: dict[str, Any] = {
    "connect_timeout": 1.0,
    "read_timeout": 2.0,
    "token_wait": 3.0,
    "margin": 1.0,
    "visibility": 8.0,
    "beat": 1.0,
}
QUICK |= {"freshness": 1.0, "stuck_after": 6.0, "log_format": "json"}
SHARE = 0.3
RATE, JOBS = 10.0, 6000


def quick(**given: Any) -> Settings:
    """Settings for a fleet in a hurry."""
    return load({}, flags=QUICK | given)


def tokens(fleet: Rig) -> int:
    """How many tokens of DescribeJobs were used."""
    count: Any = fleet.rooms.client.hget(fleet.rooms.keys.bucket(DESCRIBE), "c")
    return int(count or 0)


def pass_by(duration_s: float) -> None:
    """Let time pass."""
    start = time.monotonic()
    wait_until(lambda: time.monotonic() - start > duration_s, duration_s + 5, "time")


def lines(words: str, event: str) -> Counter[str]:
    """How often workers said so, by level."""
    return Counter(line["level"] for line in map(json.loads, words.splitlines()) if line["event"] == event)


@pytest.mark.soak
def test_a_fleet_that_is_refused_says_so_once_and_recovers() -> None:
    """One line in the log, `status` and `doctor` say what to do, hardly a call is made; then all go on by themselves."""
    with rig(quick(rate=20, rate_start=20, workers=4), limited(20, life_min_s=600, life_max_s=600)) as fleet:
        with fleet.workers() as workers:
            fleet.await_pollers(4)
            fleet.simulator.disturb("describe", faults={Fault.EXPIRED: 1.0})
            fleet.submit(1000)
            wait_until(lambda: fleet.rooms.troubles.count() == 4, 30, "all in trouble")
            before, since = tokens(fleet), time.monotonic()
            status, doctor = (run(fleet, name) for name in (("status",), ("doctor", "--no-aws")))
            pass_by(3.0)
            tries, watched_s = tokens(fleet) - before, time.monotonic() - since

            fleet.simulator.disturb("describe", faults={})
            recovery_s = wait_until(lambda: fleet.rooms.troubles.count() == 0, 30, "all out of trouble")

        assert tries <= 5 + watched_s / 0.7  # at first they are closer together than later
        assert recovery_s < 12
        assert "denied: 4 of 4 workers on " in status.stdout
        assert "Renew the credentials" in status.stdout
        assert (doctor.returncode, "4 of 4 workers" in doctor.stdout) == (1, True)
        assert (lines(workers.words(), "AWS fails"), lines(workers.words(), "AWS works again")["info"]) == ({"error": 1}, 1)
        assert (
            fleet.simulator.stats()["operations"]["describe"]["calls"] == tokens(fleet) == fleet.rooms.ledger.totals().calls
        )


def run(fleet: Rig, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """A command of the console script, for this fleet."""
    words = [sys.executable, "-m", "fleetpoll", *command]
    env = fleet.environment() | {"COLUMNS": "400", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=30, check=False)


def measured(share: float) -> dict[str, Any]:
    """What becomes of 6,000 jobs that end while the limit binds, with that share of faulty answers of all kinds."""
    faults = {Operation.DESCRIBE: dict.fromkeys(Fault, share / len(Fault))}
    aws = limited(RATE, faults=faults, slow_s=4.0, latency_ms=30, seed=4)
    with rig(quick(rate=RATE, rate_start=RATE, workers=8, cadence="even"), aws) as fleet, fleet.workers() as workers:
        fleet.await_pollers(8, 90)
        fleet.submit(JOBS, life_min_s=30, life_max_s=90)
        wait_until(lambda: fleet.rooms.ledger.sizes()[0] == 0, 240, "every job settled as finished")
        stats, totals = fleet.simulator.stats(), fleet.rooms.ledger.totals()
        ended: Counter[str] = Counter()
        cursor = "0-0"
        while page := fleet.rooms.events.read(cursor):
            ended.update(event.job_id for event in page if event.after.terminal)
            cursor = page[-1].cursor
        known = {job_id: snapshot.status for job_id, snapshot in fleet.rooms.ledger.scan()}
        describe = stats["operations"]["describe"]
        return {
            "lag_s": stats["completion_lag_ms"]["mean"] / 1000,
            "p99_s": stats["completion_lag_ms"]["p99"] / 1000,
            "calls": describe["calls"],
            "faults": sum(describe["faults"].values()),
            "throttled": describe["throttled"],
            "lasted_s": (describe["last_call_ms"] - describe["first_call_ms"]) / 1000,
            "tokens": tokens(fleet),
            "counted": (totals.calls, totals.failed, sum(totals.failures.values())),
            "errors": lines(workers.words(), "AWS fails"),
            "once": ended == Counter(fleet.ids),
            "true": known == {i: JobStatus(status) for i, (status, _) in fleet.simulator.truth(fleet.ids).items()},
        }


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_faulty_answers_cost_lag_in_proportion() -> None:
    """With 30 % of all answers faulty the fleet has 70 % of its looks: lag grows by that, and nothing is lost or doubled."""
    good, faulty = measured(0.0), measured(SHARE)
    sys.stdout.write(json.dumps({"good": good, "faulty": faulty, "ratio": faulty["lag_s"] / good["lag_s"]}) + "\n")

    for run_ in (good, faulty):
        assert (run_["once"], run_["true"], run_["throttled"]) == (True, True, 0)
        assert run_["calls"] == run_["tokens"]
        assert run_["calls"] <= RATE * run_["lasted_s"] + RATE
    assert 0.25 < faulty["faults"] / faulty["calls"] < 0.35
    assert faulty["counted"] == (faulty["calls"], faulty["faults"], faulty["faults"])
    assert faulty["lag_s"] <= good["lag_s"] / (1 - SHARE) * 1.25 + 1.0
    assert faulty["errors"]["error"] <= 5 * (1 + faulty["lasted_s"] / 60)

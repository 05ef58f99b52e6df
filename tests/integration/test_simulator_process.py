"""The simulator as a process: how it starts, waits and goes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fleetpoll.errors import FleetpollError
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.simulator.config import Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator

ROOT = Path(__file__).parents[2]
PARENT = """
import os
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.simulator.process import Simulator
simulator = Simulator()
print(simulator.process.pid, simulator.url, flush=True)
input()
os.kill(os.getpid(), 9)
"""


def answers(url: str) -> bool:
    """Whether somebody takes connections there."""
    try:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
            connection.connect()
    except OSError:
        return False
    return True


def describe(url: str, ids: list[str]) -> Any:
    """The described jobs."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.request("POST", Operation.DESCRIBE.path, json.dumps({"jobs": ids}))
        return json.loads(connection.getresponse().read())["jobs"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """SIGTERM and SIGINT end it in silence with exit code 0, while one client is connected and another waits."""
    with (
        Simulator(SimulatorConfig(latency_ms=60_000)) as simulator,
        closing(http.client.HTTPConnection(urlsplit(simulator.url).netloc)) as idle,
        closing(http.client.HTTPConnection(urlsplit(simulator.url).netloc)) as waiting,
    ):
        waiting.request("POST", Operation.LIST.path, b"{}")
        idle.request("GET", "/_simulator/live")
        assert idle.getresponse().read() == b"0"
        simulator.process.send_signal(number)
        assert simulator.process.wait(10) == 0
    assert capfd.readouterr().err == ""


def test_close_leaves_nothing_behind() -> None:
    """After the block the process is gone with exit code 0; closing again is harmless."""
    with Simulator() as simulator:
        assert answers(simulator.url)
    assert simulator.process.returncode == 0
    assert simulator.close() == 0
    assert not answers(simulator.url)


def test_it_goes_when_its_parent_is_killed() -> None:
    """A parent that had no chance to clean up leaves no simulator behind."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        _, url = parent.stdout.readline().split()
        assert answers(url)
        parent.communicate("\n", timeout=10)
    deadline, pause = time.monotonic() + 10, threading.Event()
    while answers(url):
        assert time.monotonic() < deadline, "the simulator outlived its parent"
        pause.wait(0.02)


def test_a_simulator_that_cannot_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is an error at once, not a hanging start."""
    with Simulator() as simulator:
        port = urlsplit(simulator.url).port or 0
        with pytest.raises(FleetpollError, match="did not start"):
            Simulator(SimulatorConfig(port=port))
    assert f"cannot listen on 127.0.0.1:{port}" in capfd.readouterr().err


def test_latency_of_one_call_does_not_hold_up_another() -> None:
    """Ten calls that take 300 ms each take 300 ms together."""
    with Simulator(SimulatorConfig(latency_ms=300)) as simulator, ThreadPoolExecutor(10) as pool:
        ids = simulator.populate(1)
        began = time.monotonic()
        assert all(pool.map(lambda _: describe(simulator.url, ids), range(10)))
        assert 0.3 <= time.monotonic() - began < 1.5


def test_a_new_job_is_invisible_for_its_window() -> None:
    """Describe leaves a new job out at first, and shows it later."""
    with Simulator(SimulatorConfig(invisible_s=0.5)) as simulator:
        ids = simulator.populate(1)
        assert describe(simulator.url, ids) == []
        deadline, pause = time.monotonic() + 10, threading.Event()
        while not describe(simulator.url, ids):
            assert time.monotonic() < deadline, "the job was never shown"
            pause.wait(0.02)


def test_kinds_and_steady_go_through_the_control_client() -> None:
    """Jobs of a definition that are met amid their lives run already, and are described under that definition."""
    kinds = [Kind(job_definition="slow", job_queue="night", run_s=3_600, run_sigma=0.5)]
    with Simulator() as simulator:
        ids = simulator.populate(50, kinds=kinds, steady=True)
        jobs = describe(simulator.url, ids)
        assert {job["jobDefinition"].rpartition("/")[2] for job in jobs} == {"slow:1"}
        assert {job["jobQueue"].rpartition("/")[2] for job in jobs} == {"night"}
        assert sum(job["status"] == "RUNNING" for job in jobs) > 40
        assert simulator.stats()["start_lag_ms"] == {"count": 0, "mean": 0.0}
        with pytest.raises(FleetpollError, match="run_s is 0: give a median above 0"):
            simulator.populate(1, kinds=[{"job_definition": "slow", "run_s": 0}])


def test_a_large_population_is_made_in_seconds() -> None:
    """20,000 jobs are there at once, with as many different ids, and calls are answered meanwhile."""
    with Simulator() as simulator, ThreadPoolExecutor(1) as pool:
        making = pool.submit(simulator.populate, 20_000, spread_s=600)
        calls = 0
        while not making.done():
            assert describe(simulator.url, ["x"]) == []
            calls += 1
        assert len(set(making.result())) == 20_000
        assert simulator.live() > 19_000
        assert calls > 2

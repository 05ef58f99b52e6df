"""How soon a worker works, what each poller takes of the memory, and what one more client for AWS costs a process.

Run as a program (`python -m benchmarks.starting`) it is the process that makes clients, and prints what they cost.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.cpu import TICKS_PER_S, seconds_of
from benchmarks.look import PACKAGES, run
from benchmarks.memory import memory_mb
from benchmarks.rig import Rig, Workers, environment, limited, rig, wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.settings import Settings

CLIENTS = 20
ENDPOINT = "http://127.0.0.1:9"
STARTED = 19
"""The field of /proc/PID/stat behind the name: when the process began, in ticks since the machine did."""


@dataclass(frozen=True, slots=True)
class Starting:
    """So many pollers under one supervisor, which have made some calls when their memory is measured."""

    pollers: int = 4
    live: int = 2_000
    calls: int = 400
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.pollers} pollers"

    def quick(self) -> Starting:
        """The same in seconds."""
        return replace(self, calls=40)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}


def measure(case: Starting, contender: str, seed: int) -> dict[str, Any]:
    """One start of a fleet whose jobs are due."""
    del contender
    settings = Settings(workers=case.pollers, rate=200.0, rate_start=200.0, freshness=0.5, beat=1.0, log_format="json")
    with rig(settings, limited(400.0, life_min_s=300.0, seed=seed)) as stage:
        stage.submit(case.live)
        figures = started(stage, case)
    return run(seed, figures | clients())


def started(stage: Rig, case: Starting) -> dict[str, float]:
    """From the command to READY, from a fork to the first claim, and the memory of pollers that work."""
    path = stage.directory / "notify"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(path))
        began = time.monotonic()
        env = environment(stage.settings, stage.url, stage.simulator.url) | {"NOTIFY_SOCKET": str(path)}
        with Workers(env, stage.directory / "workers.log"):
            wait_until(lambda: claims(stage) > 0, 60, "the first claim")
            claimed = time.clock_gettime(time.CLOCK_BOOTTIME)
            while manager.recv(100) != b"READY=1":
                pass
            ready_s, pids = time.monotonic() - began, stage.await_pollers(case.pollers)
            cpu_s = statistics.fmean(map(seconds_of, pids))
            wait_until(lambda: stage.simulator.stats()["operations"]["describe"]["calls"] >= case.calls, 120, "calls")
            memory = [memory_mb(pid) for pid in pids]
            return {
                "start_s": claimed - min(map(started_at, pids)),
                "start_cpu_s": cpu_s,
                "ready_s": ready_s,
                "rss_mb": statistics.fmean(rss for rss, _ in memory),
                "pss_mb": statistics.fmean(pss for _, pss in memory),
            }


def claims(stage: Rig) -> int:
    """How many leases were asked for and given."""
    found: Any = stage.rooms.client.hget(stage.rooms.keys.totals, "claims")
    return int(found or 0)


def started_at(pid: int) -> float:
    """When a process began, in seconds since the machine did."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[STARTED]) / TICKS_PER_S


def clients() -> dict[str, float]:
    """What each further client costs a fresh process, CPU and memory."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.starting"], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def made() -> dict[str, float]:
    """Make clients of many fleets in this process."""
    kept = [BatchApi(Settings(endpoint_url=ENDPOINT, region="us-east-1"))]
    cpu_s, mb = time.process_time(), memory_mb("self")[0]
    kept += [BatchApi(Settings(endpoint_url=ENDPOINT, region="us-east-1")) for _ in range(CLIENTS)]
    spent_s, grown_mb = time.process_time() - cpu_s, memory_mb("self")[0] - mb
    return {"client_ms": 1e3 * spent_s / (len(kept) - 1), "client_mb": grown_mb / (len(kept) - 1)}


SCENARIO = Scenario(
    "start",
    "How a worker starts",
    (Starting(),),
    {"fleetpoll": Ours("`fleetpoll worker` with its pollers, by /proc and by what it tells systemd", PACKAGES)},
    ("start_s", "start_cpu_s", "ready_s", "rss_mb", "pss_mb", "client_ms", "client_mb"),
    measure,
)


if __name__ == "__main__":
    print(json.dumps(made()))

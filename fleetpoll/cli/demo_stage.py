"""What the demo plays on: a private Redis server, a pretend AWS Batch and real workers, all gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.embedded.private import private_server
from fleetpoll.settings import load
from fleetpoll.simulator.config import Limit, Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.simulator.surroundings import NO_AWS
from fleetpoll.sources import PREFIX

FRESHNESS_S = 0.25  # so short that the allowance is the bottleneck: that is what the demo is about
LATENCY_MS, LATENCY_JITTER_MS = 20.0, 20.0
DRAIN_S = 5.0
LOG_LINES = 15
NOT_INHERITED = (PREFIX, "AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: how many jobs, how long they live, how many workers, how many DescribeJobs calls a second."""

    jobs: int
    workers: int
    life_s: tuple[float, float]
    limit: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    fleet: Fleet
    simulator: Simulator
    worker: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """The end of the workers' log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


@contextlib.contextmanager
def staged(script: Script, redis_server: str | None) -> Iterator[Stage]:
    """Build everything, and take it down again in the reverse order, however the block ends."""
    config = SimulatorConfig(
        life_min_s=script.life_s[0],
        life_max_s=script.life_s[1],
        limits={Operation.DESCRIBE: Limit(script.limit, max(1.0, script.limit))},
        latency_ms=LATENCY_MS,
        latency_jitter_ms=LATENCY_JITTER_MS,
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetpoll-demo-")))
        url = stack.enter_context(private_server(redis_server, folder))
        simulator = stack.enter_context(Simulator(config))
        flags = {
            "redis_url": url,
            "fleet": "demo",
            "endpoint_url": simulator.url,
            "rate": script.limit,
            "rate_start": script.limit,  # it is known here: nothing has to be found out
            "freshness": FRESHNESS_S,
            "workers": script.workers,
            "beat": 1.0,
            "drain_timeout": DRAIN_S,
            "log_format": "console",
        }
        log = folder / "workers.log"
        worker = stack.enter_context(worker_process({PREFIX + name.upper(): str(flags[name]) for name in flags}, log))
        fleet = stack.enter_context(open_fleet(load({}, flags=flags)))
        yield Stage(fleet, simulator, worker, log)


@contextlib.contextmanager
def worker_process(settings: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`fleetpoll worker`, as a user would start it, in a session of its own: Ctrl-C is for us, and we tell it."""
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(NOT_INHERITED)}
    env |= NO_AWS | settings | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleetpoll", "worker"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(DRAIN_S + 5.0)
        with contextlib.suppress(ProcessLookupError):  # the whole session: no poller may outlive its supervisor
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

"""A whole fleet on this machine: a server, a simulated AWS with a hard limit, worker processes, and jobs.

The acceptance tests use it as well: what they ask and what the benchmarks measure is the same thing at another size.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec

from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Limit, Operation, SimulatorConfig
from fleetpoll.simulator.control import ControlClient
from fleetpoll.simulator.process import Simulator
from fleetpoll.simulator.surroundings import NO_AWS
from fleetpoll.state.rooms import Rooms, open_rooms

LEAVE_S = 40.0


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait until `condition` holds. Returns how many seconds that took; raises TimeoutError that says what was awaited."""
    start, pause = time.monotonic(), threading.Event()
    while not condition():
        if time.monotonic() - start > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        pause.wait(0.02)
    return time.monotonic() - start


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def environment(settings: Settings, url: str, endpoint: str) -> dict[str, str]:
    """What a process needs to find the server, the API and the settings; nothing in it leads to the real AWS."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("FLEETPOLL_", "AWS_"))}
    given = {
        f"FLEETPOLL_{name.upper()}": str(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value is not None and value != getattr(Settings(), name)
    }
    return plain | NO_AWS | given | {"FLEETPOLL_REDIS_URL": url, "AWS_ENDPOINT_URL_BATCH": endpoint}


class Workers:
    """`fleetpoll worker` as a process, with its pollers as children."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as stream:
            command = [sys.executable, "-m", "fleetpoll", "worker"]
            self.process = subprocess.Popen(command, env=env, stdout=stream, stderr=stream, start_new_session=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the supervisor and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LEAVE_S)

    def words(self) -> str:
        """What supervisor and pollers have logged."""
        return self.log.read_text(encoding="utf-8")

    def __enter__(self) -> Self:
        """Itself; it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drain, and kill what does not leave."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Rig:
    """One fleet and everything around it."""

    url: str
    directory: Path
    simulator: ControlClient
    settings: Settings
    rooms: Rooms
    ids: list[str] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What a worker needs to find the server, the simulator and the settings."""
        return environment(self.settings, self.url, self.simulator.url)

    def workers(self) -> Workers:
        """Start a supervisor with its pollers."""
        return Workers(self.environment(), self.directory / "workers.log")

    def submit(self, count: int, **life: Any) -> list[str]:
        """Make jobs in the simulator and track them."""
        ids = self.simulator.populate(count, **life)
        self.rooms.schedule.track(ids)
        self.ids += ids
        return ids

    def poller_pids(self) -> list[int]:
        """The pollers on the roster whose processes are there (the roster remembers a killed one for a while)."""
        return [pid for beat in self.rooms.roster.workers() if alive(pid := beat.facts.pid)]

    def await_pollers(self, count: int, timeout_s: float = 30.0) -> list[int]:
        """Wait until that many pollers are on the roster; returns their pids."""
        wait_until(lambda: len(self.poller_pids()) >= count, timeout_s, f"{count} pollers on the roster")
        return self.poller_pids()


@contextmanager
def rig(settings: Settings, simulator: SimulatorConfig, url: str | None = None) -> Iterator[Rig]:
    """A server, unless there is one at `url`, and a simulator of its own, for as long as the block lasts. No workers yet."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetpoll-rig-")))
        if url is None:
            url = stack.enter_context(private_server(os.environ.get("TEST_REDIS_SERVER"), directory))
        aws = stack.enter_context(Simulator(simulator))
        rooms = open_rooms(url, settings)
        stack.callback(rooms.close)
        yield Rig(url, directory, aws, settings, rooms)


def limited(rate: float, burst: float | None = None, **knobs: Any) -> SimulatorConfig:
    """A simulated account with a hard limit on DescribeJobs."""
    limits = {Operation.DESCRIBE: Limit(rate, max(1.0, rate) if burst is None else burst)}
    return SimulatorConfig(limits=limits, **knobs)

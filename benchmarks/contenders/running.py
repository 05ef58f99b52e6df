"""A contender that runs: processes that are told which jobs to poll, and whose CPU seconds are counted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import IO, Protocol

from benchmarks.contenders.environments import python_of
from benchmarks.cpu import seconds_of_sessions
from benchmarks.rig import Rig, Workers

ROOT = Path(__file__).parents[2]
LINE_IDS = 100
LEAVE_S = 10.0
QUIET = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


class Running(Protocol):
    """What the harness does with a contender, whichever it is."""

    def prepare(self, count: int) -> None:
        """Wait until it can take so many jobs at once."""

    def watch(self, ids: Sequence[str]) -> None:
        """These jobs are to be polled as well."""

    def go(self) -> None:
        """It begins."""

    def cpu_s(self) -> float:
        """The CPU seconds of its processes so far."""

    def finish(self) -> int:
        """It stops. Returns how many polls it gave up."""


class Fleet:
    """fleetpoll's workers on a rig."""

    def __init__(self, fleet: Rig, workers: Workers) -> None:
        self._fleet, self._workers = fleet, workers
        self._waiting: list[str] | None = []

    def prepare(self, count: int) -> None:
        """The pollers are on the roster; the number of jobs is all the same to them."""
        del count
        self._fleet.await_pollers(self._fleet.settings.workers)

    def watch(self, ids: Sequence[str]) -> None:
        """Track them, or remember them until `go`."""
        if self._waiting is None:
            self._fleet.rooms.schedule.track(ids)
        else:
            self._waiting += ids

    def go(self) -> None:
        """Track what waits."""
        ids, self._waiting = self._waiting or [], None
        self._fleet.rooms.schedule.track(ids)

    def cpu_s(self) -> float:
        """The supervisor and its pollers."""
        return seconds_of_sessions({self._workers.process.pid})

    def finish(self) -> int:
        """Nothing is given up: a call that fails is made again."""
        self._workers.stop()
        return 0


class Peers:
    """Processes that follow the orders of `contenders.feed`."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes
        self._next = cycle(processes)

    def prepare(self, count: int) -> None:
        """Each prepares for its share, all at once."""
        share = -(-count // len(self._processes))
        for process in self._processes:
            tell(process, f"prepare {share}")
        for process in self._processes:
            if answer(process) != "ready":
                raise RuntimeError(f"{process.args!r} did not get ready; its words are in the log")

    def watch(self, ids: Sequence[str]) -> None:
        """Deal them out, a hundred at a time, so that each can make full calls."""
        for start in range(0, len(ids), LINE_IDS):
            tell(next(self._next), " ".join(["watch", *ids[start : start + LINE_IDS]]))

    def go(self) -> None:
        """All begin."""
        for process in self._processes:
            tell(process, "go")

    def cpu_s(self) -> float:
        """All of them; each has a session of its own."""
        return seconds_of_sessions({process.pid for process in self._processes})

    def finish(self) -> int:
        """Close their inputs, upon which they report and leave."""
        for process in self._processes:
            pipe(process.stdin).close()
        return sum(json.loads(answer(process))["given_up"] for process in self._processes)


@contextmanager
def fleet(rig: Rig) -> Iterator[Running]:
    """Start fleetpoll as the rig's settings say."""
    with rig.workers() as workers:
        yield Fleet(rig, workers)


@contextmanager
def peers(rig: Rig, words: Sequence[str], count: int, environment: str = "") -> Iterator[Running]:
    """Start so many processes of a program with these arguments."""
    command = [str(python_of(environment)), "-m", *words]
    env = rig.environment() | QUIET | {"PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(rig.directory / "airflow")}
    with ExitStack() as stack:
        log = stack.enter_context((rig.directory / "peers.log").open("ab"))
        processes = []
        for _ in range(count):
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                cwd=rig.directory,
            )
            stack.callback(end, process)
            processes.append(process)
        yield Peers(processes)


def end(process: subprocess.Popen[str]) -> None:
    """Wait for a process whose input is closed, and kill it if it does not leave."""
    pipe(process.stdin).close()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    pipe(process.stdout).close()


def tell(process: subprocess.Popen[str], order: str) -> None:
    """Send one order."""
    print(order, file=pipe(process.stdin), flush=True)


def answer(process: subprocess.Popen[str]) -> str:
    """The next line that it says; empty when it has left."""
    return pipe(process.stdout).readline().strip()


def pipe(stream: IO[str] | None) -> IO[str]:
    """The stream, which is there because we asked for a pipe."""
    if stream is None:
        raise RuntimeError("the process has no pipe")
    return stream

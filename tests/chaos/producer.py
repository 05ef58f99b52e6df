"""A program that makes jobs and has them tracked, in bursts, by the library or by the command line.

    python -m tests.chaos.producer --simulator URL --notes FILE --jobs N --seconds S --seed S --how library|command

A track that returned is a promise. One that raised, or ended with another exit code than 0, may or may not have happened;
most are tried again until they return, as a real program would, and some are left at that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import RedisUnavailable
from fleetpoll.settings import load
from fleetpoll.simulator.control import ControlClient
from tests.chaos.notes import Burst, Notebook

BURST = (5, 60)
FIRST_SHARE = 0.3
"""Of the jobs are there from the start."""
GIVES_UP_SHARE = 0.2
RETRY_S = 0.5

Track = Callable[[list[str]], bool]


def by_library(ids: list[str]) -> bool:
    """Whether `Fleet.track` returned."""
    try:
        with open_fleet(load(os.environ)) as fleet:
            fleet.track(ids)
    except RedisUnavailable:
        return False
    return True


def by_command(ids: list[str]) -> bool:
    """Whether `fleetpoll track -f -` ended well."""
    command = [sys.executable, "-m", "fleetpoll", "track", "-f", "-"]
    return subprocess.run(command, input="\n".join(ids), text=True, check=False, stdout=sys.stderr).returncode == 0


class Producer:
    """Makes so many jobs over so many seconds."""

    def __init__(self, simulator: ControlClient, notes: Notebook, track: Track, rng: Random) -> None:
        self._simulator, self._notes, self._track, self._rng = simulator, notes, track, rng
        self._pause = threading.Event()

    def run(self, jobs: int, seconds: float) -> None:
        """All of them."""
        begun = time.monotonic()
        self._burst(max(1, round(FIRST_SHARE * jobs)))
        left = jobs - max(1, round(FIRST_SHARE * jobs))
        while left > 0:
            size = min(left, self._rng.randint(*BURST))
            left -= size
            self._pause.wait(max(0.0, begun + seconds * (1 - left / jobs) * 0.95 - time.monotonic()))
            self._burst(size)

    def _burst(self, size: int) -> None:
        ids = self._simulator.populate(size)
        self._notes.write(Burst(ids, acknowledged=False))
        patient = self._rng.random() > GIVES_UP_SHARE
        while not (done := self._track(ids)) and patient:
            self._pause.wait(RETRY_S)
        if done:
            self._notes.write(Burst(ids, acknowledged=True))


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    for name, kind in (("simulator", str), ("notes", Path), ("jobs", int), ("seconds", float), ("seed", str), ("how", str)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    given = parser.parse_args()
    track = {"library": by_library, "command": by_command}[given.how]
    Producer(ControlClient(given.simulator), Notebook(given.notes), track, Random(given.seed)).run(given.jobs, given.seconds)


if __name__ == "__main__":
    main()

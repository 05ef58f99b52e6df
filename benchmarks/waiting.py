"""What waits cost while nothing happens, and what a busy fleet costs a wait that is not concerned."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.following import consumers, counted, told, turn
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms, open_rooms

THOUSAND = 1_000
TRANSITIONS = 20_000
JOBS = 1_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many waits of one job each in one process: `tasks` of asyncio, or `threads`."""

    kind: str
    waits: int
    seconds: float = 20.0
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.waits:,} {self.kind}"

    def quick(self) -> Waiting:
        """The same in a moment."""
        return replace(self, seconds=3.0)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name == "seconds"}


def commands(rooms: Rooms) -> int:
    """How many commands the server was sent so far."""
    return int(dict(rooms.client.info("stats"))["total_commands_processed"])


def measure(case: Waiting, contender: str, seed: int) -> dict[str, Any]:
    """What the waits cost their process and the server; and one that reads what others do."""
    del contender
    settings = Settings(fleet="bench")
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        rooms = open_rooms(url, settings)
        with consumers(url, settings.fleet, case.kind, case.waits, case.seconds) as process:
            before, sent = counted(rooms), commands(rooms)
            spent = told(process)
            after, sent = counted(rooms), commands(rooms) - sent
        busy_us = cost_of_others(rooms)
        rooms.close()
    figures = {
        "wait_cpu_ms": spent["cpu_s"] / case.seconds * 1000 / (case.waits / THOUSAND),
        "wait_commands": sent / case.seconds,
        "wait_redis_ms": (after["cpu_s"] - before["cpu_s"]) / case.seconds * 1000,
        "busy_us": busy_us,
    }
    return {"seed": seed, "phases": {"all": {"figures": figures}}}


def cost_of_others(rooms: Rooms) -> float:
    """CPU microseconds of a wait for each transition of a job that it does not wait for."""
    rooms.schedule.track(f"{n:08x}-1111-4000-8000-000000000000" for n in range(JOBS))
    start_ms = round(time.time() * 1000)
    for number in range(TRANSITIONS // 100):
        turn(rooms, 100, start_ms + (number + 1) * HOUR_MS)
    cursor, began = BEGINNING, time.process_time()
    while (reached := rooms.events.read_for((), cursor)[0]) != cursor:
        cursor = reached
    return (time.process_time() - began) / TRANSITIONS * 1e6


SCENARIO = Scenario(
    "waits",
    "What waits cost while nothing happens to them",
    (Waiting("tasks", THOUSAND), Waiting("tasks", 10 * THOUSAND), Waiting("threads", THOUSAND)),
    {"fleetpoll": Ours(about="waits of one job each, in one process")},
    ("wait_cpu_ms", "wait_commands", "wait_redis_ms", "busy_us"),
    measure,
)

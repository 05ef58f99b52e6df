"""Everything that a run consists of: Redis, the simulator, the fleet, and the programs that use it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from benchmarks.rig import environment, limited, wait_until
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.config import Fault, Operation
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms, open_rooms
from tests.chaos.processes import Program
from tests.servers import DURABLE, Server

HOUSE = Path(__file__).resolve().parents[2]
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
HURRY = {
    "fleet": "chaos",
    "connect_timeout": 1.0,
    "read_timeout": 3.0,
    "token_wait": 4.0,
    "margin": 2.0,
    "visibility": 12.0,
    "beat": 1.0,
    "freshness": 0.25,
    "stuck_after": 25.0,  # those that are frozen beyond their leases are to come back
    "drain_timeout": 10.0,
    "log_format": "json",
}
MIXED = (
    Fault.RESET,
    Fault.LOST,
    Fault.SERVER,
    Fault.UNAVAILABLE,
    Fault.HTML,
    Fault.CUT,
    Fault.TRUNCATED,
    Fault.SLOW,
    Fault.HANG,
)
LIFE = {"life_min_s": 15.0, "life_max_s": 60.0, "latency_ms": 30.0, "latency_jitter_ms": 120.0, "slow_s": 2.0}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    minutes: float = 2.0
    jobs: int = 1500
    rate: float = 4.0
    faults: float = 0.1
    supervisors: int = 3
    pollers: int = 2
    everysec: bool = False
    beside: str = ""

    @property
    def seconds(self) -> float:
        """How long harm is done."""
        return self.minutes * 60

    def settings(self) -> Settings:
        """The fleet's settings."""
        return load({}, flags=HURRY | {"rate": self.rate, "rate_start": self.rate, "workers": self.pollers})

    def burst(self) -> float:
        """What AWS lets through at once: the fleet's own burst, and a token in the hand of every poller that stood still."""
        return max(1.0, self.rate / 4) + self.supervisors * self.pollers + 1


@dataclass
class Stage:
    """What acts may harm."""

    folder: Path
    size: Size
    seed: int
    server: Server
    simulator: Simulator
    rooms: Rooms
    settings: Settings
    other_house: Path | None
    supervisors: list[Program] = field(default_factory=list)
    crowd: list[Program] = field(default_factory=list)  # more supervisors, for a while
    producers: list[Program] = field(default_factory=list)
    consumers: list[Program] = field(default_factory=list)

    def env(self) -> dict[str, str]:
        """What every process of the run is given."""
        return environment(self.settings, self.server.url, self.simulator.url)

    def supervise(self, name: str, pollers: int | None = None) -> Program:
        """Start a supervisor; those of every other name run from the other release, if there is one."""
        number = int(name.rpartition("-")[2])
        house = self.other_house if self.other_house is not None and number % 2 else HOUSE
        env = self.env() | {"PYTHONPATH": str(house)}
        if pollers is not None:
            env["FLEETPOLL_WORKERS"] = str(pollers)
        return Program.start(name, ["fleetpoll", "worker"], env, self.folder / f"{name}.log", house)

    def open_programs(self) -> None:
        """Start the fleet and all who use it."""
        self.supervisors += [self.supervise(f"supervisor-{n}") for n in range(self.size.supervisors)]
        half = self.size.jobs // 2
        for how, jobs in (("library", half), ("command", self.size.jobs - half)):
            words = ["tests.chaos.producer", "--simulator", self.simulator.url, "--notes", str(self.notes(how))]
            words += ["--jobs", str(jobs), "--seconds", str(self.size.seconds), "--seed", f"{self.seed}/{how}", "--how", how]
            self.producers.append(self._program(f"producer-{how}", words))
        bursts = [str(self.notes(how)) for how in ("library", "command")]
        for name, more in (("reader", []), ("member-1", ["one"]), ("member-2", ["two"]), ("waiter", bursts)):
            words = ["tests.chaos.consumer", name.partition("-")[0], str(self.notes(name)), *more]
            self.consumers.append(self._program(name, words))

    def notes(self, name: str) -> Path:
        """Where a program writes down what it saw."""
        return self.folder / f"{name}.jsonl"

    def calls(self) -> int:
        """How many DescribeJobs calls have come."""
        return int(self.simulator.stats()["operations"]["describe"]["calls"])

    def close(self) -> None:
        """End what still runs."""
        for program in (*self.producers, *self.consumers, *self.supervisors, *self.crowd):
            program.kill(whole=True)

    def _program(self, name: str, words: list[str]) -> Program:
        return Program.start(name, words, self.env(), self.folder / f"{name}.log", HOUSE)


@contextmanager
def stage(folder: Path, size: Size, seed: int) -> Iterator[Stage]:
    """A stage for as long as the block lasts."""
    with ExitStack() as stack:
        server = Server(folder / "redis", *(EVERYSEC if size.everysec else DURABLE))
        stack.callback(server.kill)
        settings = size.settings()
        faults = {Operation.DESCRIBE: mixed(size.faults)}
        simulator = stack.enter_context(Simulator(limited(size.rate, size.burst(), seed=seed, faults=faults, **LIFE)))
        rooms = open_rooms(server.url, settings)
        stack.callback(rooms.close)
        other = release(size.beside, folder / "beside") if size.beside else None
        one = Stage(folder, size, seed, server, simulator, rooms, settings, other)
        stack.callback(one.close)
        yield one


def release(what: str, folder: Path) -> Path:
    """Another release of the house: a folder that is there, or a revision that git knows, which is unpacked into `folder`.

    Raises SystemExit with a sentence where there is neither.
    """
    if Path(what).is_dir():
        return Path(what).resolve()
    git = shutil.which("git") or "git"
    words = [git, "archive", what, "fleetpoll", "workers"]
    try:
        packed = subprocess.run(words, cwd=HOUSE, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(f"chaos: --beside {what}: no such folder, and no git here that knows such a revision.") from None
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def mixed(share: float) -> dict[Fault, float]:
    """Such a share of the answers are bad, in all the ways that say nothing of credentials."""
    return dict.fromkeys(MIXED, share / len(MIXED))


def await_work(stage: Stage) -> None:
    """Wait for the fleet to be there, so that the first acts find something to harm."""
    wait_until(lambda: stage.calls() > 0, 60, "a first call")

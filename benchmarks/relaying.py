"""How much a relay delivers: to a receiver on this machine that takes everything, or to a command that does nothing."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.following import counted, turn
from benchmarks.rig import wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.embedded.private import private_server
from fleetpoll.logs import configure
from fleetpoll.relay.command import Command
from fleetpoll.relay.parcels import Sink
from fleetpoll.relay.relay import Plan, Relay
from fleetpoll.relay.webhook import Webhook
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import open_rooms
from fleetpoll.webhook import new_secret

JOBS = 1_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Relaying:
    """Deliveries of `batch` transitions each, `parallel` at once."""

    sink: str
    batch: int
    parallel: int
    transitions: int
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.sink}, {'one by one' if self.batch == 1 else f'{self.batch} together'}"

    def quick(self) -> Relaying:
        """The same with fewer."""
        return replace(self, transitions=self.transitions // 10)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name in {"parallel", "transitions"}}


class Taker(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it, and say yes."""
        self.rfile.read(int(self.headers["content-length"]))
        self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def take(line: Connection) -> None:
    """Be a receiver until the end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        line.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def sink_of(case: Relaying) -> Iterator[Sink]:
    """Where to."""
    if case.sink == "--exec":
        yield Command("true", 10.0)
        return
    ours, theirs = Pipe()
    process = Process(target=take, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Webhook(f"http://127.0.0.1:{ours.recv()}/hook", [new_secret()], 10.0, case.parallel)
    finally:
        process.terminate()
        process.join()


def measure(case: Relaying, contender: str, seed: int) -> dict[str, Any]:
    """Deliveries, and the CPU of the relay with its commands, and of the server."""
    del contender
    configure("json", "error")
    settings = Settings(fleet="bench")
    with (
        tempfile.TemporaryDirectory() as directory,
        private_server(None, Path(directory)) as url,
        sink_of(case) as sink,
    ):
        rooms = open_rooms(url, settings)
        rooms.schedule.track(f"{n:08x}-0000-4000-8000-000000000000" for n in range(JOBS))
        start_ms = round(time.time() * 1000)
        for number in range(case.transitions // 100):
            turn(rooms, 100, start_ms + (number + 1) * HOUR_MS)
        relay, over = Relay(rooms, Plan(since=BEGINNING, batch=case.batch, parallel=case.parallel), sink), threading.Event()
        before, cpu, began = counted(rooms), cpu_s(), time.monotonic()
        thread = threading.Thread(target=relay.run, args=(over.is_set,))
        thread.start()
        wait_until(lambda: relay.tally.delivered >= case.transitions, 300, "all are delivered")
        took_s, spent_s, after = time.monotonic() - began, cpu_s() - cpu, counted(rooms)
        over.set()
        thread.join()
        rooms.close()
    deliveries = case.transitions / case.batch
    figures = {
        "deliveries_per_s": deliveries / took_s,
        "delivery_cpu_ms": spent_s / deliveries * 1000,
        "delivery_redis_us": (after["cpu_s"] - before["cpu_s"]) / deliveries * 1e6,
    }
    return {"seed": seed, "phases": {"all": {"figures": figures}}}


def cpu_s() -> float:
    """CPU seconds of this process, and of its children that have ended."""
    return sum(os.times()[:4])


SCENARIO = Scenario(
    "relays",
    "What a relay delivers",
    (
        Relaying("--to", 1, 4, 10_000),
        Relaying("--to", 100, 4, 50_000),
        Relaying("--exec", 1, 4, 1_000),
        Relaying("--exec", 100, 4, 20_000),
    ),
    {"fleetpoll": Ours(about="one relay, signed; the receiver answers at once, the command is `true`")},
    ("deliveries_per_s", "delivery_cpu_ms", "delivery_redis_us"),
    measure,
)

"""Redis servers that a test may break: real processes on loopback, killed, frozen and started again in their folders."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.rig import wait_until
from fleetpoll.embedded.binary import find_server

START_S = 20.0
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process. `arguments` are its command line's, beside port and folder."""

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.folder, self.port, self.arguments = folder, port or free_port(), arguments
        self.binary = find_server(os.environ.get("TEST_REDIS_SERVER"), os.environ.get("PATH", os.defpath)).path
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """A plain client, to give orders that fleetpoll never gives. It says at once that nobody answers."""
        return Redis(port=self.port, decode_responses=True, socket_timeout=START_S, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(  # a limit on files is then a full disk to it, not its end
                self.words(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, restore_signals=False
            )
        try:
            wait_until(self.answers, START_S, f"an answer from the server in {self.folder}")
        except TimeoutError:
            self.kill()
            raise

    def words(self) -> list[str]:
        """The command that starts it."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [str(self.binary), *place, *self.arguments]

    def answers(self) -> bool:
        """Whether it serves; while it loads its data it does not."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except Exception:  # noqa: BLE001 - whatever it is, it is not there yet
                return False

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT thaws it."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Kill -9, and start it in the same folder on the same port."""
        self.kill()
        self.start()


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    one = Server(folder, *arguments)
    try:
        yield one
    finally:
        one.kill()

"""What the dashboard is shown on: a real server, a simulated AWS, jobs, workers, and `fleetpoll dashboard` as a process."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.settings import Settings
from tests.servers import DURABLE, Server, free_port, server

START_S = 30.0
TOKEN = secrets.token_hex(16)
FIELDS = ("align", "call-variants", "qc", "merge", "annotate")


class Dashboard:
    """`fleetpoll dashboard` on a free port, unless one is given; `env` says which fleet it shows."""

    def __init__(self, env: Mapping[str, str], log: Path, *words: str, port: int | None = None) -> None:
        self.port, self.log = port or free_port(), log
        command = [sys.executable, "-m", "fleetpoll", "dashboard", "--port", str(self.port), *words]
        with log.open("ab") as stream:
            self.process = subprocess.Popen(command, env=dict(env), stdout=stream, stderr=stream)
        wait_until(self._serves, START_S, f"the dashboard: {self.words()}")

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    def words(self) -> str:
        """What it has said."""
        return self.log.read_text(encoding="utf-8")

    def _serves(self) -> bool:
        assert self.process.poll() is None, self.words()
        try:
            with urlopen(f"{self.url}healthz", timeout=5) as answer:  # noqa: S310 - http, on loopback
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def __enter__(self) -> Self:
        """Itself; it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Stage:
    """A fleet at work, and the server that may be killed under it."""

    rig: Rig
    server: Server
    folder: Path

    def dashboard(self, *words: str, token: str | None = None, port: int | None = None) -> Dashboard:
        """Another dashboard on this fleet. It asks no AWS, so it need not know that this one is a simulator."""
        env = self.rig.environment() | ({"FLEETPOLL_DASHBOARD_TOKEN": token} if token else {})
        del env["AWS_ENDPOINT_URL_BATCH"]
        return Dashboard(env, self.folder / f"dashboard-{secrets.token_hex(3)}.log", *words, port=port)

    def submit(self, count: int, name: str, **life: Any) -> list[str]:
        """Jobs of that name, tracked."""
        return self.rig.submit(count, job_name=name, job_definition=f"{name.partition('-')[0]}:3", **life)


@contextmanager
def stage(folder: Path, settings: Settings, *, jobs: int = 0, workers: bool = True) -> Iterator[Stage]:
    """A fleet with so many jobs, some of which end every second. The simulator allows no more than is configured."""
    with ExitStack() as stack:
        redis = stack.enter_context(server(folder / "redis", *DURABLE))
        one = stack.enter_context(
            rig(settings, limited(settings.rate, seed=7, fail_share=0.08, retry_share=0.05), redis.url)
        )
        built = Stage(one, redis, folder)
        for number, name in enumerate(FIELDS if jobs else ()):
            lives = {"life_min_s": 20.0 + 10 * number, "life_max_s": 240.0 + 60 * number}
            built.submit(jobs // len(FIELDS), f"{name}-sample", job_queue=f"queue-{number % 2}", steady=True, **lives)
        if workers:
            stack.enter_context(one.workers())
            one.await_pollers(settings.workers)
        yield built


def chromium() -> str | None:
    """The system's own Chromium, None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    places = (Path(folder) / name for name in names for folder in folders)
    return next((str(place) for place in places if os.access(place, os.X_OK)), None)

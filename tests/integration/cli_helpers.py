"""The real console script in a process of its own, and jobs that have moved without a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look

SCRIPT = str(Path(sys.executable).with_name("fleetpoll"))
PATIENCE_S = 30.0


class Started(subprocess.Popen[str]):
    """A command that runs. A test that fails while it does ends it, or it would wait for it, and hide why it failed."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End what is left of it."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


class Cli:
    """`fleetpoll` for one fleet on one server."""

    def __init__(self, redis_url: str, fleet: str) -> None:
        self.env = {"FLEETPOLL_REDIS_URL": redis_url, "FLEETPOLL_FLEET": fleet}

    def __call__(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [SCRIPT, *words],
            input=stdin,
            env=os.environ | self.env | env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *words: str, **env: str) -> Started:
        """Start a command."""
        return Started(
            [SCRIPT, *words],
            env=os.environ | self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def objects(self, *words: str, **env: str) -> list[dict[str, Any]]:
        """What a command that must succeed prints with --json; every line must be an object."""
        done = self(*words, "--json", **env)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]


def move(rooms: Rooms, statuses: dict[str, JobStatus], **facts: Any) -> None:
    """Let tracked jobs be seen in these statuses."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=rooms.roster.now_ms() + 3_600_000)
    assert isinstance(lease, Lease)
    looks = []
    for job_id, known in lease.jobs.items():
        if job_id not in statuses:
            looks.append(Look(job_id, 1.0))
            continue
        status, now_ms = statuses[job_id], rooms.roster.now_ms()
        record = msgspec.structs.replace(known, status=status, changed_ms=now_ms, **facts)
        delay_s = None if status.terminal else 1.0
        looks.append(Look(job_id, delay_s, record, Transition.between(job_id, known, record)))
    rooms.schedule.settle(lease, looks, events_kept=1000, asked=len(looks))


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds."""
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        pause.wait(0.02)


def serves(rooms: Rooms) -> bool:
    """Whether Redis is there, and has read its data: until then it tells no more than the time."""
    try:
        return rooms.ledger.sizes() >= (0, 0)
    except RedisUnavailable:
        return False

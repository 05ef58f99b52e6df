"""What followers cost Redis, what they notice when, and whether the fleet is hurt: claims and settlements go on as ever.

A process publishes at an even pace by claiming and settling; all followers are in another one. Redis' own counts are the
witness: CPU of the server with so many followers, less that without any, over transitions and followers.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.rig import wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.embedded.private import private_server
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.schedule import Lease, Look

JOBS = 1_000
HOUR_MS = 3_600_000
EVENTS_KEPT = 1_000_000
READS = ("xread", "xreadgroup", "xack", "xrange", "xinfo|groups", "xinfo|stream", "xautoclaim")
STOPPED = 100
PACES = ((1, 20), (10, 10), (STOPPED, 2))
"""Followers, and turns a second: so many that it can be seen what one costs, and so few that Python has time for all."""


@dataclass(frozen=True, slots=True)
class Following:
    """So many followers, each of which is given all: `plain` by a cursor of its own, `group` as the only one of a group."""

    kind: str
    followers: int
    turns_per_s: int = 4
    moved: int = 10
    seconds: int = 15
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.followers} {self.kind}" if self.followers else "nobody"

    @property
    def transitions(self) -> int:
        """How many are published while it is measured."""
        return self.turns_per_s * self.moved * self.seconds

    def quick(self) -> Following:
        """The same in two seconds."""
        return replace(self, seconds=2)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name in {"moved", "seconds"}}


@contextmanager
def consumers(url: str, fleet: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """A process of follower.py, once all of it is ready."""
    command = [sys.executable, "-m", "benchmarks.follower", url, fleet, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{' '.join(command)} did not begin")
        try:
            yield process
        finally:
            process.kill()  # it may stand still


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it says at its end."""
    out, _ = process.communicate(timeout=120)
    found: dict[str, Any] = json.loads(out)
    return found


def turn(rooms: Rooms, moved: int, now_ms: int) -> None:
    """One claim and its settlement, in which so many jobs have moved."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=now_ms)
    if not isinstance(lease, Lease):
        return
    looks, stamp_ms = [], round(time.time() * 1000)
    for number, (job_id, known) in enumerate(lease.jobs.items()):
        if number >= moved:
            looks.append(Look(job_id, 1.0))
            continue
        status = JobStatus.RUNNABLE if known.status is JobStatus.RUNNING else JobStatus.RUNNING
        record = msgspec.structs.replace(known, status=status, changed_ms=stamp_ms, job_name="job", job_queue="queue")
        looks.append(Look(job_id, 1.0, record, Transition.between(job_id, known, record)))
    rooms.schedule.settle(lease, looks, events_kept=EVENTS_KEPT, asked=len(looks))


def publish(rooms: Rooms, case: Following) -> None:
    """All turns at their pace."""
    began, now_ms = time.monotonic(), round(time.time() * 1000)
    for number in range(case.turns_per_s * case.seconds):
        due = began + number / case.turns_per_s
        wait_until(lambda at=due: time.monotonic() >= at, 60, "the next turn")  # type: ignore[misc]
        turn(rooms, case.moved, now_ms + (number + 1) * HOUR_MS)


def counted(rooms: Rooms) -> dict[str, float]:
    """CPU seconds of the server, and its microseconds in reads of the stream, in scripts, and how many scripts."""
    cpu: Any = rooms.client.info("cpu")
    stats: Any = rooms.client.info("commandstats")
    usec = {name: stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in (*READS, "evalsha")}
    return {
        "cpu_s": cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        "reads_us": sum(usec[name] for name in READS),
        "scripts_us": usec["evalsha"],
        "scripts": stats.get("cmdstat_evalsha", {}).get("calls", 0),
    }


def measure(case: Following, contender: str, seed: int) -> dict[str, Any]:
    """What the followers cost, beside the same without any."""
    del contender
    alone, _, _ = measured(replace(case, followers=0))
    spent, heard, memory = measured(case) if case.followers else (alone, {}, 0.0)
    given = case.transitions * case.followers
    figures = {
        "claim_settle_us": spent["scripts_us"] / (spent["scripts"] / 2),
        "cpu_us_per_given": (spent["cpu_s"] - alone["cpu_s"]) / given * 1e6 if given else None,
        "read_us_per_given": spent["reads_us"] / given if given else None,
        "lag_p50_ms": heard["lag_p50_s"] * 1000 if heard else None,
        "lag_p99_ms": heard["lag_p99_s"] * 1000 if heard else None,
        "stopped_kb": memory / 1024 if given else None,
    }
    return {"seed": seed, "phases": {"all": {"figures": figures}}}


def measured(case: Following) -> tuple[dict[str, float], dict[str, Any], float]:
    """What the server has spent on a publisher and its followers, what these noticed, and what stopped ones hold."""
    settings = Settings(fleet="bench")
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        rooms = open_rooms(url, settings)
        rooms.schedule.track(f"{n:08x}-0000-4000-8000-000000000000" for n in range(JOBS))
        turn(rooms, 0, round(time.time() * 1000) - HOUR_MS)  # the scripts are loaded
        heard: dict[str, Any] = {}
        if case.followers:
            with consumers(url, settings.fleet, case.kind, case.followers, case.transitions) as process:
                before = counted(rooms)
                publish(rooms, case)
                heard = told(process)
                after = counted(rooms)
        else:
            before = counted(rooms)
            publish(rooms, case)
            after = counted(rooms)
        memory = stopped(rooms, url, case) if case.followers == STOPPED else 0.0
        rooms.close()
    return {name: after[name] - before[name] for name in after}, heard, memory


def stopped(rooms: Rooms, url: str, case: Following) -> float:
    """Bytes that the server holds for each follower that has asked, and reads nothing while much is published."""
    with consumers(url, "bench", case.kind, STOPPED, 10**9) as process:
        wait_until(lambda: blocked(rooms) >= STOPPED, 30, "all followers wait for news")
        process.send_signal(signal.SIGSTOP)
        for number in range(50):
            turn(rooms, 100, round(time.time() * 1000) + (1_000 + number) * HOUR_MS)
        buffers = sum(int(client["omem"]) for client in list(rooms.client.client_list()))
        process.send_signal(signal.SIGCONT)
    return buffers / STOPPED


def blocked(rooms: Rooms) -> int:
    """How many clients wait for something."""
    return int(dict(rooms.client.info("clients"))["blocked_clients"])


SCENARIO = Scenario(
    "consumers",
    "What followers cost, and what they notice",
    (Following("plain", 0), *(Following(kind, *pace) for kind in ("plain", "group") for pace in PACES)),
    {"fleetpoll": Ours("followers of the stream in one asyncio process, each on a connection of its own")},
    ("claim_settle_us", "cpu_us_per_given", "read_us_per_given", "lag_p50_ms", "lag_p99_ms", "stopped_kb"),
    measure,
)

"""A fleet of so many jobs that are like real ones: tracked by the real command, then described, then over."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from benchmarks.rig import environment
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.settings import Settings
from fleetpoll.state.records import USUAL, packed
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.scripts import chunks

EPOCH_MS = 1_800_000_000_000
SPAN_MS = 1_000_000
"""The first looks are planned over so many ms."""
DEFINITIONS = ("nightly-etl-transform", "align-reads-hg38", "train-embedding-model", "render-frames", "export-parquet-daily")
QUEUE = "prod-high-priority"


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the command took: seconds, and the most memory it had, in MB."""

    seconds: float
    peak_mb: float


def make_ids(count: int, rng: Random) -> list[str]:
    """So many job ids."""
    return [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(count)]


def track(ids: Sequence[str], url: str) -> Tracked:
    """`fleetpoll track -f -`, with the ids on its standard input. Raises RuntimeError if it fails."""
    env, begun = environment(Settings(), url, "http://127.0.0.1:9"), time.monotonic()
    command = [sys.executable, "-m", "fleetpoll", "track", "-f", "-"]
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stdin is not None  # noqa: S101 - it was asked for
    for chunk in chunks(ids):
        process.stdin.write("\n".join(chunk) + "\n")
    process.stdin.close()
    peak_mb, pause = 0.0, threading.Event()
    while process.poll() is None:
        peak_mb = max(peak_mb, high_water_mb(process.pid))
        pause.wait(0.01)
    if process.returncode:
        raise RuntimeError(f"fleetpoll track ended with {process.returncode}")
    return Tracked(time.monotonic() - begun, peak_mb)


def high_water_mb(pid: int) -> float:
    """The most memory a process had since it began; what wait4 tells counts its parent's as well. 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def snapshot(rng: Random, status: JobStatus, now_ms: int) -> Snapshot:
    """What is known of a job that has come so far: a name of 30 to 50 characters, a log stream, AWS's usual words."""
    definition, over = rng.choice(DEFINITIONS), status.terminal
    name = f"{definition}-{UUID(int=rng.getrandbits(128)).hex}"[: rng.randint(30, 50)]
    return Snapshot(
        status=status,
        tracked_ms=now_ms - 90_000,
        changed_ms=now_ms,
        job_name=name,
        job_queue=QUEUE,
        job_definition=f"{definition}:12",
        status_reason=USUAL if over else "",
        attempt=1,
        exit_code=0 if over else None,
        log_stream=f"{definition}/default/{UUID(int=rng.getrandbits(128)).hex}",
        created_ms=now_ms - 60_000,
        started_ms=now_ms - 30_000,
        stopped_ms=now_ms if over else 0,
    )


def describe_all(rooms: Rooms, ids: Sequence[str], rng: Random) -> None:
    """All jobs run, and are due one after the other from EPOCH_MS on, as if they had been looked at."""

    def running(chunk: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        yield "ZADD", rooms.keys.schedule, *flat(chunk, lambda: EPOCH_MS + rng.randrange(SPAN_MS) + 400 / 4096)

    _write(rooms, ids, rng, JobStatus.RUNNING, running)


def end_all(rooms: Rooms, ids: Sequence[str], rng: Random) -> None:
    """All jobs are over, one after the other."""
    moments = iter(range(EPOCH_MS, EPOCH_MS + len(ids)))

    def ended(chunk: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        yield "ZREM", rooms.keys.schedule, *chunk
        yield "ZADD", rooms.keys.finished, *flat(chunk, lambda: next(moments))

    _write(rooms, ids, rng, JobStatus.SUCCEEDED, ended)


def _write(
    rooms: Rooms,
    ids: Sequence[str],
    rng: Random,
    status: JobStatus,
    more: Callable[[Sequence[str]], Iterator[tuple[Any, ...]]],
) -> None:
    """The records by the thousand; what a million settlements would leave, without their two calls for each hundred."""
    k = rooms.keys
    for chunk in chunks(ids):
        records = [word for job_id in chunk for word in (job_id, packed(snapshot(rng, status, EPOCH_MS)))]
        rooms.client.execute_together(("HSET", k.ledger, *records), *more(chunk))
    rooms.client.execute_together(("DEL", k.counts), ("HSET", k.counts, status, len(ids)))


def flat(members: Sequence[str], score: Callable[[], float]) -> list[float | str]:
    """Scores and members, alternating."""
    return [word for member in members for word in (score(), member)]

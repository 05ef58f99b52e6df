"""Many processes on one bucket: how exact, how fair, and how many Redis calls it takes.

Run as a program (`python -m benchmarks.sharing URL FLEET RATE SECONDS`) it is one of those processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.state.limiter import FleetLimiter
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms

PROCESSES, RATE, SECONDS = 16, 50.0, 12.0


def run() -> dict[str, Any]:
    """Sixteen processes ask as fast as they can."""
    settings = Settings(rate=RATE)
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        rooms = open_rooms(url, settings)
        words = [sys.executable, "-m", "benchmarks.sharing", url, settings.fleet, str(RATE), str(SECONDS)]
        before = script_calls(rooms)
        children = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
        moments = [json.loads(child.communicate()[0]) for child in children]
        commands = script_calls(rooms) - before
        rooms.close()
    shares, grants = [len(own) for own in moments], sorted(moment for own in moments for moment in own)
    burst = max(1.0, RATE / 4)
    return {
        "grants": len(grants),
        "grants_per_s": (len(grants) - 1) / (grants[-1] - grants[0]),
        "excess_over_burst_and_rate": excess(grants, RATE) - burst,
        "redis_calls_per_grant": commands / len(grants),
        "share_min_over_max": min(shares) / max(shares),
    }


def script_calls(rooms: Rooms) -> int:
    """How many scripts the server has run."""
    stats: Any = rooms.client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha", "eval"))


def excess(moments: list[float], rate: float) -> float:
    """The most grants in any window [a, b], both ends included, less rate · (b - a)."""
    most = lowest = 0.0
    for index, moment in enumerate(moments):
        level = index - rate * moment
        lowest = level if index == 0 else min(lowest, level)
        most = max(most, level - lowest + 1)
    return most


def grab(url: str, fleet: str, rate: float, seconds: float) -> list[float]:
    """Take tokens through pyrate-limiter for so long; the moments at which each could be used."""
    rooms = open_rooms(url, Settings(fleet=fleet, rate=rate))
    limiter, until, moments = FleetLimiter(rooms.buckets[DESCRIBE]), time.monotonic() + seconds, []
    while time.monotonic() < until:
        if limiter.try_acquire():
            moments.append(time.monotonic())
    rooms.close()
    return moments


if __name__ == "__main__":
    print(json.dumps(grab(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))))

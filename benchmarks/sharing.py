"""Many processes on one bucket: how exact, how fair, and how many Redis calls it takes.

Run as a program (`python -m benchmarks.sharing TAKER URL RATE SECONDS`) it is one of those processes: it takes tokens as
fast as it gets them and prints the moments at which each could be used.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contenders.environments import versions
from benchmarks.contenders.gates import Gate, limits_moving, pyrate_log, pyrate_token
from benchmarks.fairness import jain, overshoot
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.state.connection import Connection, connect
from fleetpoll.state.limiter import FleetLimiter
from fleetpoll.state.rooms import DESCRIBE, open_rooms

RATE, SECONDS = 50.0, 12.0
QUICK_S = 4.0


def fleet_gate(redis_url: str, rate: float) -> Gate:
    """The fleet's bucket behind its pyrate-limiter Limiter."""
    settings = Settings(rate=rate, rate_start=rate)  # the limit is known: nothing is to be found out
    limiter = FleetLimiter(open_rooms(redis_url, settings).buckets[DESCRIBE])

    def take() -> None:
        while not limiter.try_acquire():
            pass

    return take


@dataclass(frozen=True, slots=True)
class Taker:
    """A limiter. `burst_s` is what it may let through at once, in seconds' worth of its rate."""

    label: str
    about: str
    gate: Callable[[str, float], Gate]
    burst_s: float
    packages: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """The packages that matter."""
        return versions("", self.packages)


PYRATE, LIMITS = ("pyrate-limiter", "redis", "hiredis"), ("limits", "redis", "hiredis")
TAKERS = {
    "fleetpoll": Taker("**fleetpoll**", "its bucket through FleetLimiter", fleet_gate, 0.25, PYRATE),
    "pyrate-log": Taker("pyrate-limiter RedisBucket", "the stock sliding log", pyrate_log, 1.0, PYRATE),
    "pyrate-token": Taker("pyrate-limiter TokenBucket", "on RedisStateStore", pyrate_token, 1.0, PYRATE),
    "limits-moving": Taker("limits, moving window", "sleeping until its reset time", limits_moving, 1.0, LIMITS),
}


@dataclass(frozen=True, slots=True)
class Sharing:
    """So many processes that want tokens of one bucket of `rate` a second, for so many seconds."""

    processes: int
    rate: float = RATE
    seconds: float = SECONDS
    contenders: tuple[str, ...] = tuple(TAKERS)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.processes} processes"

    def quick(self) -> Sharing:
        """The same in a few seconds."""
        return replace(self, seconds=QUICK_S)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}


def measure(case: Sharing, taker: str, seed: int) -> dict[str, Any]:
    """All processes take as fast as they can."""
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        client = connect(url)
        words = [sys.executable, "-m", "benchmarks.sharing", taker, url, repr(case.rate), repr(case.seconds)]
        before = script_calls(client)
        children = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(case.processes)]
        moments = [json.loads(child.communicate()[0]) for child in children]
        calls = script_calls(client) - before
        client.close()
    found = sharing_figures(moments, calls, case.rate, max(1.0, TAKERS[taker].burst_s * case.rate))
    return {"seed": seed, "phases": {"all": {"figures": found}}}


def sharing_figures(moments: Sequence[Sequence[float]], calls: int, rate: float, burst: float) -> dict[str, Any]:
    """The figures of processes that took tokens at these moments, with so many Redis calls in all."""
    shares, grants = [len(own) for own in moments], sorted(moment for own in moments for moment in own)
    spent_s = grants[-1] - grants[0] if len(grants) > 1 else 0.0
    return {
        "grants": len(grants),
        "grants_per_s": (len(grants) - 1) / spent_s if spent_s else 0.0,
        "overshoot": overshoot(grants, rate, burst),
        "redis_calls_per_grant": calls / len(grants) if grants else None,
        "jain": jain(shares),
        "share_min": min(shares),
        "share_max": max(shares),
    }


def script_calls(client: Connection) -> int:
    """How many scripts the server has run."""
    stats: Any = client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha", "eval"))


def grab(gate: Gate, seconds: float) -> list[float]:
    """Take tokens for so long; the moments at which each could be used."""
    until, moments = time.monotonic() + seconds, []
    while time.monotonic() < until:
        gate()
        moments.append(time.monotonic())
    return moments


SCENARIO = Scenario(
    "bucket",
    f"Processes on one bucket of {RATE:.0f} calls/s",
    (Sharing(8), Sharing(16)),
    TAKERS,
    ("grants_per_s", "overshoot", "redis_calls_per_grant", "jain", "share_min", "share_max"),
    measure,
)

if __name__ == "__main__":
    name, redis_url, tokens_per_s, for_s = sys.argv[1:]
    print(json.dumps(grab(TAKERS[name].gate(redis_url, float(tokens_per_s)), float(for_s))))

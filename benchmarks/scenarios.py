"""Fleets that are measured: a number of live jobs, kept up by new ones, on an API with a hard limit.

The witness is the API side: calls, ids per call and lags are what the simulator counted, not what fleetpoll says of itself.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.rig import Rig, limited, rig
from fleetpoll.settings import Settings

TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fleet. `limit` and `burst` are AWS's side, `rate` is what the fleet is told."""

    name: str
    title: str
    live: int
    limit: float
    burst: float
    rate: float
    workers: int
    life_s: tuple[float, float]
    warm_s: float
    measure_s: float

    @property
    def bound_s(self) -> float:
        """The mean lag of a perfectly even sweep, J/(2·100·R), in seconds."""
        return self.live / (200 * self.limit)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("bottleneck", "8,000 live jobs, 4 calls/s allowed", 8000, 4, 4, 4, 4, (100, 500), 40, 120),
        Scenario("frugal", "500 live jobs, 20 calls/s allowed, freshness 5 s", 500, 20, 20, 20, 4, (60, 300), 20, 60),
    )
}


def run(scenario: Scenario) -> dict[str, Any]:
    """Measure a scenario once. Returns its figures as the API side saw them."""
    settings = Settings(rate=scenario.rate, workers=scenario.workers, log_format="json")
    low, high = scenario.life_s
    aws = limited(scenario.limit, scenario.burst, life_min_s=low, life_max_s=high)
    with rig(settings, aws) as fleet, fleet.workers():
        fleet.await_pollers(scenario.workers)
        fleet.submit(scenario.live, spread_s=high)
        keep_up(fleet, scenario.live, scenario.warm_s)
        fleet.simulator.reset_stats()
        keep_up(fleet, scenario.live, scenario.measure_s)
        return figures(scenario, fleet.simulator.stats())


def keep_up(fleet: Rig, live: int, for_s: float) -> None:
    """Replace jobs that end, for so many seconds."""
    over = threading.Event()
    timer = threading.Timer(for_s, over.set)
    timer.start()
    while not over.wait(TICK_S):
        fleet.replenish(live)
    timer.join()


def figures(scenario: Scenario, stats: dict[str, Any]) -> dict[str, Any]:
    """What matters of the simulator's stats."""
    describe, lag = stats["operations"]["describe"], stats["completion_lag_ms"]
    return {
        "calls": describe["calls"],
        "calls_per_s": describe["accepted_per_s"],
        "throttled": describe["throttled"],
        "use_of_limit": describe["accepted_per_s"] / scenario.limit,
        "fill": describe["mean_ids"],
        "live_mean": stats["live_mean"],
        "completions": lag["count"],
        "lag_mean_s": lag["mean"] / 1000,
        "lag_p50_s": lag["p50"] / 1000,
        "lag_p99_s": lag["p99"] / 1000,
        "lag_mean_over_bound": lag["mean"] / 1000 / scenario.bound_s,
        "lag_p99_over_bound": lag["p99"] / 1000 / scenario.bound_s,
        "asked_after_terminal": stats["asked_after_terminal"]["count"],
        "calls_with_duplicates": describe["calls_with_duplicates"],
        "max_ids": describe["max_ids"],
    }


def described(scenario: Scenario) -> dict[str, Any]:
    """The scenario itself, as JSON."""
    return asdict(scenario) | {"bound_s": scenario.bound_s}

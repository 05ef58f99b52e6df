"""A case: one simulated account under one limit, the jobs in it, and the phases in which it is measured."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.rig import limited
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Operation, SimulatorConfig

QUICK_S = 6.0
QUICK_LIVE_MIN = 500


@dataclass(frozen=True, slots=True)
class Phase:
    """So many seconds; a `limit` in calls/s holds from its beginning on. Only a phase that is `shown` stands in tables."""

    name: str
    seconds: float
    limit: float | None = None
    shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of conditions. `limit` and `burst` are AWS's side, `rate` is what the contenders are told."""

    name: str
    contenders: tuple[str, ...]
    phases: tuple[Phase, ...]
    live: int
    limit: float
    rate: float
    burst: float | None = None  # None: one second's worth
    life_s: tuple[float, float] = (60, 300)
    replaced: bool = True  # whether a new job comes for each that ends
    processes: int = 4
    freshness: float = 0.5  # of fleetpoll: so low that the allowance decides, because the others know nothing like it
    reject_share: float = 0.0
    tenant_rate: float = 0.0
    redis_rtt_ms: float | None = None  # None: no proxy stands before Redis

    def settings(self) -> Settings:
        """The settings of fleetpoll in this case."""
        return Settings(rate=self.rate, workers=self.processes, freshness=self.freshness, log_format="json")

    def account(self, seed: int) -> SimulatorConfig:
        """The simulated account: the same seed has the same jobs for every contender."""
        low, high = self.life_s
        tenants = {Operation.DESCRIBE: self.tenant_rate} if self.tenant_rate else {}
        disturbed = {"reject_share": self.reject_share, "tenants": tenants}
        return limited(self.limit, self.burst, seed=seed, life_min_s=low, life_max_s=high, **disturbed)

    def limit_in(self, phase: Phase) -> float:
        """The limit that holds in a phase."""
        limit = self.limit
        for earlier in self.phases[: self.phases.index(phase) + 1]:
            limit = earlier.limit or limit
        return limit

    def jobs_expected(self) -> int:
        """How many jobs there will be from first to last, about."""
        seconds = sum(phase.seconds for phase in self.phases) if self.replaced else 0.0
        return round(self.live * (1 + seconds / statistics.fmean(self.life_s)))

    def quick(self) -> Case:
        """The same with fewer jobs and short phases: it shows that everything works, its figures mean nothing."""
        phases = tuple(replace(phase, seconds=min(phase.seconds, QUICK_S)) for phase in self.phases)
        return replace(self, phases=phases, live=min(self.live, max(QUICK_LIVE_MIN, self.live // 5)))

    def described(self) -> dict[str, Any]:
        """The method, as JSON; the list of contenders is no part of it."""
        return {name: value for name, value in asdict(self).items() if name not in {"name", "contenders"}}

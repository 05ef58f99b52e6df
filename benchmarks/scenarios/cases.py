"""A case: one simulated account under one limit, the jobs in it, and the phases in which it is measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from benchmarks.rig import limited
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Operation, SimulatorConfig

QUICK_S = 6.0
QUICK_LIVE_MIN = 500


@dataclass(frozen=True, slots=True)
class Phase:
    """So many seconds. A `limit` in calls/s, and `kinds` of new jobs, hold from its beginning on.

    Only a phase that is `shown` stands in tables.
    """

    name: str
    seconds: float
    limit: float | None = None
    shown: bool = True
    kinds: tuple[Kind, ...] | None = None


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
    kinds: tuple[Kind, ...] = ()  # instead of lives that are all drawn alike
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
        return next((earlier.limit for earlier in self._back_from(phase) if earlier.limit is not None), self.limit)

    def crowd(self) -> dict[str, Any]:
        """The jobs that are there at first, as a simulator is told: met at random moments of their lives."""
        return {"kinds": self.kinds, "steady": True} if self.kinds else {"spread_s": self.life_s[1]}

    def newcomers(self, phase: Phase) -> dict[str, Any]:
        """The jobs that come in a phase, as a simulator is told."""
        kinds = next((earlier.kinds for earlier in self._back_from(phase) if earlier.kinds is not None), self.kinds)
        return {"kinds": kinds} if kinds else {}

    def jobs_expected(self) -> int:
        """How many jobs there will be from first to last, about."""
        seconds = sum(phase.seconds for phase in self.phases) if self.replaced else 0.0
        life_s = mean_life_s(self.kinds) if self.kinds else statistics.fmean(self.life_s)
        return round(self.live * (1 + seconds / life_s))

    def quick(self) -> Case:
        """The same with fewer jobs and short phases: it shows that everything works, its figures mean nothing."""
        phases = tuple(replace(phase, seconds=min(phase.seconds, QUICK_S)) for phase in self.phases)
        return replace(self, phases=phases, live=min(self.live, max(QUICK_LIVE_MIN, self.live // 5)))

    def described(self) -> dict[str, Any]:
        """The method, as JSON; the list of contenders is no part of it, nor is what does not apply."""
        idle = {"name", "contenders"} | ({"life_s"} if self.kinds else set())
        method = told(self) | {"phases": [told(phase) for phase in self.phases]}
        return {name: value for name, value in method.items() if name not in idle}

    def _back_from(self, phase: Phase) -> Sequence[Phase]:
        """The phase and those before it, the latest first."""
        return self.phases[self.phases.index(phase) :: -1]


def mean_life_s(kinds: Sequence[Kind]) -> float:
    """The mean life of the arrivals, if none is tried again."""
    return sum(kind.share * kind.mean_ms(1) for kind in kinds) / sum(kind.share for kind in kinds) / 1000


def told(record: Case | Phase) -> dict[str, Any]:
    """The record as JSON. Kinds are told field by field: two hundred of them are a few lines of a result file."""
    method: dict[str, Any] = msgspec.to_builtins(record)
    kinds = method.pop("kinds") or ()
    return method | {"kinds": {name: [kind[name] for kind in kinds] for name in kinds[0]}} if kinds else method

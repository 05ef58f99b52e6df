"""Lives by stages: how long jobs wait and run, each drawn by itself, so that one foretells nothing of the other."""

from __future__ import annotations

from typing import Final

import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.lifetimes.laws import LogNormal, Uniform

HANDOVER_MS: Final = (200.0, 1_500.0)  # SUBMITTED, and PENDING; less for short jobs
HANDOVER_FULL_S: Final = 60.0  # jobs that run for so long have all of it
STARTING_SHARE: Final = (0.02, 0.06)  # of the median run: a share of the run itself would foretell it
STARTING_MAX_MS: Final = 60_000  # an image is pulled within a minute
MEDIAN_MAX_S: Final = 365 * 86_400.0
SIGMA_MAX: Final = 2.0  # a run in a hundred is then a hundred times the median


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """How long an attempt runs and waits for it: log-normal, by median in seconds and sigma."""

    run_s: float
    run_sigma: float = 0.0
    wait_s: float = 0.0
    wait_sigma: float = 0.0

    def __post_init__(self) -> None:
        """Refuse times that are none, and spreads that nobody could mean."""
        if not 0 < self.run_s <= MEDIAN_MAX_S:
            raise SettingsError(f"run_s is {self.run_s:g}: give a median above 0 and up to {MEDIAN_MAX_S:.0f}, in seconds")
        if not 0 <= self.wait_s <= MEDIAN_MAX_S:
            raise SettingsError(f"wait_s is {self.wait_s:g}: give a median from 0 to {MEDIAN_MAX_S:.0f}, in seconds")
        for name in ("run_sigma", "wait_sigma"):
            if not 0 <= getattr(self, name) <= SIGMA_MAX:
                raise SettingsError(f"{name} is {getattr(self, name):g}: give 0 to {SIGMA_MAX:g}")

    def lead(self) -> tuple[Uniform, ...]:
        """The lengths in ms of SUBMITTED and PENDING."""
        share = min(1.0, self.run_s / HANDOVER_FULL_S)
        return (Uniform(*(share * edge_ms for edge_ms in HANDOVER_MS)),) * 2

    def turn(self) -> tuple[Uniform | LogNormal, ...]:
        """The lengths in ms of an attempt's RUNNABLE, STARTING and RUNNING."""
        run_ms = self.run_s * 1000
        starting = Uniform(*(min(STARTING_MAX_MS, share * run_ms) for share in STARTING_SHARE))
        return LogNormal(self.wait_s * 1000, self.wait_sigma), starting, LogNormal(run_ms, self.run_sigma)

    def laws_s(self) -> tuple[Uniform | LogNormal, ...]:
        """The lengths in seconds of the five statuses of a job that makes one attempt."""
        return tuple(law.times(1e-3) for law in (*self.lead(), *self.turn()))

    def mean_ms(self, attempts: float) -> float:
        """The mean life of jobs that make so many attempts."""
        return sum(law.mean for law in self.lead()) + attempts * sum(law.mean for law in self.turn())

"""What the jobs of a population are: several kinds side by side, each with a definition and lives of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.laws import draws, pick
from fleetpoll.simulator.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpoll.simulator.descriptions import Look
    from fleetpoll.simulator.lifecycle import Life

KIND_DRAW: Final = -2  # the part of a job's draws that says of which sort it is


class Kind(Stages, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The jobs of one definition in one queue. `share` is their part of the arrivals, beside the shares of other kinds."""

    job_definition: str
    job_queue: str = "fleet"
    share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a share of nothing."""
        Stages.__post_init__(self)
        if not 0 < self.share < math.inf:
            raise SettingsError(f"share is {self.share:g}: give a number above 0")


@dataclass(frozen=True, slots=True)
class Sort:
    """Jobs that look alike and whose lives are drawn alike."""

    look: Look
    life: Life


class Mix:
    """Some sorts of jobs, by their shares of the arrivals; all lives have the same seed."""

    def __init__(self, sorts: Sequence[Sort], shares: Sequence[float]) -> None:
        self._sorts = sorts
        self.seed = sorts[0].life.seed
        self._arriving = list(accumulate(shares))
        # Little's law: those who live longer are more numerous among the living.
        self._living = list(accumulate(share * sort.life.mean_ms() for share, sort in zip(shares, sorts, strict=True)))

    def sort_of(self, job_id: str, *, met: bool = False) -> Sort:
        """Of which sort a job is that is new, or is met amid its life."""
        sums = self._living if met else self._arriving
        return self._sorts[pick(sums, draws(self.seed, job_id, KIND_DRAW)[0])]

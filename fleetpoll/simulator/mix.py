"""What the jobs of a population are: several sorts side by side, each with a look and lives of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from fleetpoll.lifetimes.laws import pick
from fleetpoll.simulator.draws import draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpoll.simulator.descriptions import Look
    from fleetpoll.simulator.lifecycle import Life

KIND_DRAW: Final = -2  # the part of a job's draws that says of which sort it is


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

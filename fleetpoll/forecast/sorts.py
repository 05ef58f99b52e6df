"""Populations of several definitions side by side, with lives that are drawn by stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from fleetpoll.forecast.lives import RUNNING, Job, met, submitted
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.lifetimes.laws import Law, drawn, pick


@dataclass(frozen=True, slots=True)
class Staged:
    """The jobs of one definition. `laws` are of how long they are in each status, in seconds; `share` is of the arrivals."""

    queue: str
    definition: str
    laws: Sequence[Law]
    share: float = 1.0

    @classmethod
    def of(cls, kind: Kind) -> Staged:
        """Such jobs as the simulator makes of that kind."""
        return cls(kind.job_queue, kind.job_definition, kind.laws_s(), kind.share)

    @property
    def run(self) -> Law:
        """How long they run, in seconds."""
        return self.laws[RUNNING]

    @property
    def mean_s(self) -> float:
        """How long they live on average."""
        return sum(law.mean for law in self.laws)


class Sorts:
    """Some sorts of jobs, by their shares of the arrivals."""

    def __init__(self, sorts: Sequence[Staged]) -> None:
        self.sorts = sorts
        self._arriving = list(accumulate(sort.share for sort in sorts))
        # Little's law: those who live longer are more numerous among the living.
        self._living = list(accumulate(sort.share * sort.mean_s for sort in sorts))

    @classmethod
    def of(cls, *kinds: Kind) -> Sorts:
        """Such jobs as the simulator makes of these kinds."""
        return cls([Staged.of(kind) for kind in kinds])

    def born(self, now_s: float, rng: Random) -> Job:
        """A job that is submitted and tracked now."""
        sort = self.sorts[pick(self._arriving, drawn(rng))]
        return submitted(sort, [law.at(drawn(rng)) for law in sort.laws], now_s)

    def amid(self, now_s: float, rng: Random) -> Job:
        """A job met now, at a random moment of its life: likely in a long stage, longer than usual."""
        sort = self.sorts[pick(self._living, drawn(rng))]
        lengths_s = [law.at(drawn(rng)) for law in sort.laws]
        stage = pick(list(accumulate(law.mean for law in sort.laws)), drawn(rng))
        lengths_s[stage] = sort.laws[stage].met_at(drawn(rng))
        return met(sort, lengths_s, sum(lengths_s[:stage]) + drawn(rng) * lengths_s[stage], now_s)

"""The jobs of a fleet as it has come to know them: a population from its pages of dwell times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from fleetpoll.cadence.ages import BUCKETS, EDGES_S, WIDTHS_S
from fleetpoll.cadence.dwell import ALL, DEFINITION, Dwell, Group, hazards
from fleetpoll.cadence.hazard import quantile_s
from fleetpoll.errors import SettingsError
from fleetpoll.forecast.lives import LONGEST_S
from fleetpoll.forecast.sorts import Sorts, Staged
from fleetpoll.jobs import JobStatus
from fleetpoll.lifetimes.laws import Law, Uniform

ENDS_MIN = 3.0
"""A definition is known by so many ends of runs."""
HALVINGS = 30
AT_ONCE = Uniform(0.0, 0.0)


class Dwelling:
    """How long jobs stay in a status, in seconds, by the chance of leaving it in each age bucket: a law."""

    def __init__(self, by_bucket: Sequence[float]) -> None:
        self._hazards = by_bucket
        # At each edge: how many are still there, and for how long all have been there, together, up to then.
        self._there, self._stayed_s = [1.0], [0.0]
        for hazard, width_s in zip(by_bucket, WIDTHS_S, strict=True):
            left = -math.expm1(-hazard * width_s) * self._there[-1]
            self._stayed_s.append(self._stayed_s[-1] + left / hazard)
            self._there.append(self._there[-1] - left)
        whole_s = [self._short_s(edge_s) for edge_s in EDGES_S[:-1]]
        self._met = [stayed_s / self.mean for stayed_s in whole_s]

    @property
    def mean(self) -> float:
        """The mean length of what begins."""
        return self._stayed_s[-1]

    def at(self, drawn: float) -> float:
        """A length of what begins."""
        return min(LONGEST_S, quantile_s(self._hazards, 0.0, drawn))

    def met_at(self, drawn: float) -> float:
        """A length of what is under way."""
        bucket = bisect_right(self._met, drawn) - 1
        low_s, high_s = EDGES_S[bucket], min(EDGES_S[bucket + 1], LONGEST_S)
        for _ in range(HALVINGS):
            middle_s = (low_s + high_s) / 2
            low_s, high_s = (middle_s, high_s) if self._short_s(middle_s) < drawn * self.mean else (low_s, middle_s)
        return high_s

    def share(self, length: float) -> float:
        """How much of what begins lasts no longer than this."""
        return 1.0 - self._at(length)[0]

    def _short_s(self, length_s: float) -> float:
        """For how long those have been there, together, that stay no longer than this: of the mean length its part."""
        there, stayed_s = self._at(length_s)
        return stayed_s - length_s * there

    def _at(self, length_s: float) -> tuple[float, float]:
        """What the tables hold for edges, at any length."""
        bucket = min(BUCKETS - 1, bisect_right(EDGES_S, length_s) - 1)
        hazard, there = self._hazards[bucket], self._there[bucket]
        left = -math.expm1(-hazard * (length_s - EDGES_S[bucket])) * there
        return there - left, self._stayed_s[bucket] + left / hazard


def learnt(pages: Mapping[Group, Dwell], live: Mapping[str, float] | None = None) -> Sorts:
    """The definitions that a fleet knows, with their waits and runs as they are known, and the parts that they have.

    `live` is how many jobs of each definition there are. Without it as many arrive of each as ends of it are remembered: of
    definitions with more than the memory holds, the same number. Raises SettingsError if nothing is known.
    """
    names = sorted(group.name for group, dwell in pages.items() if _runs(group) and dwell.known >= ENDS_MIN)
    sorts = [sort for name in names if (sort := _sort(pages, name, live)).share > 0]
    if not sorts:
        raise SettingsError("The fleet has learnt nothing yet that a plan could be made of: give --jobs and --life.")
    return Sorts(sorts)


def _runs(group: Group) -> bool:
    return group.level == DEFINITION and group.status is JobStatus.RUNNING


def _sort(pages: Mapping[Group, Dwell], name: str, live: Mapping[str, float] | None) -> Staged:
    # RUNNABLE is counted from the creation of a job on, so it stands for all that comes before as well.
    waiting, starting, running = (
        law_of(pages, status, name) for status in (JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING)
    )
    laws = (AT_ONCE, AT_ONCE, waiting, starting, running)
    ends = pages[Group(JobStatus.RUNNING, DEFINITION, name)].known
    share = ends if live is None else live.get(name, 0.0) / sum(law.mean for law in laws)
    return Staged("", name, laws, share)


def law_of(pages: Mapping[Group, Dwell], status: JobStatus, definition: str) -> Law:
    """How long jobs of a definition stay in a status; not at all, if nobody was seen in it."""
    levels = [pages.get(group) for group in (Group(status, ALL), Group(status, DEFINITION, definition))]
    known = [level for level in levels if level is not None]
    return Dwelling(hazards(known)) if any(level.known for level in known) else AT_ONCE

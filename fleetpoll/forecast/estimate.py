"""From a number of jobs and an allowance to calls and lags, and from a wanted lag to the allowance that it needs.

What decides is the sweep, J/(100 · R), and a fleet of a hundred times the jobs at a hundred times the rate does the same:
so a large one is forecast from a small one with the same sweep, in a fraction of a second.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random
from typing import NamedTuple

from fleetpoll.cadence.policy import IDS_PER_CALL
from fleetpoll.errors import SettingsError
from fleetpoll.forecast.experience import experienced, settled
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.lives import LONGEST_S
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.tally import Gap, Tally
from fleetpoll.forecast.tokens import KnownRate

RATE_MIN = 0.001
"""A slower fleet is none: workers do not wait for hours for a token."""
ENOUGH = 30.0
"""So many gaps, if all were alike, must tell of the same number of ends to speak for themselves."""
QUANTILES = 100
NEAR = 1.03
"""How near a needed rate is found."""
ASIDE = 0.4
"""So much of that is aimed beside it, so that two tries enclose it."""
AMPLE = 50.0
"""At so many sweeps within `freshness`, more calls make nothing fresher."""
FRESHER = 0.9
"""How much fresher than needed is planned, so that the allowance is what decides."""
SOONEST_S = 0.5
"""Fleets that notice ends sooner on average are not planned: calls themselves take as long."""


@dataclass(frozen=True, slots=True)
class Question:
    """A fleet of `jobs` live jobs at `rate` calls/s, replaced as they end."""

    jobs: int
    rate: float
    habits: Habits

    def __post_init__(self) -> None:
        """Refuse what is no fleet."""
        if self.jobs < 1:
            raise SettingsError(f"{self.jobs:,} jobs need no plan: give 1 or more.")
        if not self.rate >= RATE_MIN:
            raise SettingsError(f"{self.rate:g} calls/s cannot be planned with: give {RATE_MIN:g} or more.")
        if not self.rhythm_s <= LONGEST_S:
            raise SettingsError(
                f"At {self.rate:g} calls/s and a freshness of {self.habits.freshness_s:g} s nobody alive sees"
                f" {self.jobs:,} jobs twice: raise the rate or lower the freshness."
            )

    @property
    def sweep_s(self) -> float:
        """How long the allowance needs to look once at every job: J / (100 · R), or one call."""
        return sweep_s(self.jobs, self.rate)

    @property
    def reach(self) -> float:
        """The calls/s that the workers can make of the rate, with one call in flight each."""
        return min(self.rate, self.habits.workers / self.habits.latency_s)

    @property
    def rhythm_s(self) -> float:
        """About how long it takes until every job has been looked at once."""
        return max(sweep_s(self.jobs, self.reach), self.habits.freshness_s, self.habits.latency_s)

    @property
    def experienced(self) -> Question:
        """The same of a fleet that has known such jobs for long."""
        return replace(self, habits=experienced(self.habits))


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a forecast is worth: the most jobs that are run as they are, looks, sweeps before and of each run."""

    jobs: int
    looks: int
    before: int
    sweeps: int
    runs: int = 200


THOROUGH, COARSE = Effort(2_000, 16_000, 3, 8), Effort(1_000, 6_000, 3, 6)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect. Lags are from the end of a job to its detection; `bound_s` is the mean of a perfectly even sweep."""

    calls_per_s: float
    fill: float
    share_used: float
    sweep_s: float
    bound_s: float
    lag_mean_s: float
    lag_p50_s: float
    lag_p99_s: float
    lag_max_s: float
    lag_cdf_s: tuple[float, ...]  # the quantiles 0 %, 1 %, … 100 %


@dataclass(frozen=True, slots=True)
class Need:
    """What a wanted mean lag needs, about: calls/s, workers, and a freshness that does not stand in the way."""

    rate: float
    workers: int
    freshness_s: float


def sweep_s(jobs: int, rate: float) -> float:
    """How long it takes to look once at every job; a call is the least."""
    return max(1.0, jobs / IDS_PER_CALL) / rate


def forecast(question: Question, effort: Effort = THOROUGH, kind: type[Fleet] = Fleet) -> Forecast:
    """What a fleet will do. The same question always has the same answer."""
    tallies, seconds, times = runs(question, effort, kind)
    calls = sum(tally.calls for tally in tallies)
    calls_per_s = calls / seconds * times
    lags = weighted_lags([gap for tally in tallies for gap in tally.gaps])
    cdf = quantiles(lags)
    return Forecast(
        calls_per_s=calls_per_s,
        fill=sum(tally.ids for tally in tallies) / calls,
        share_used=calls_per_s / question.rate,
        sweep_s=question.sweep_s,
        bound_s=question.sweep_s / 2,
        lag_mean_s=sum(lag_s * weight for lag_s, weight in lags) / sum(weight for _, weight in lags),
        lag_p50_s=cdf[50],
        lag_p99_s=cdf[99],
        lag_max_s=cdf[100],
        lag_cdf_s=cdf,
    )


def runs(question: Question, effort: Effort, kind: type[Fleet]) -> tuple[list[Tally], float, float]:
    """Let fleets find their rhythm and count what they do then; small ones several times, to see enough.

    Returns the counts, the seconds that they are of, and how many times as large the fleet in question is.
    """
    times = max(1.0, question.jobs / effort.jobs)
    jobs = round(question.jobs / times)
    most = 2 * math.ceil(jobs / IDS_PER_CALL)  # more find nothing left to claim
    habits = experienced(question.habits)
    if habits.cadence == "learned":
        habits = replace(habits, price=settled(habits, question.jobs, question.rate, question.rhythm_s))
    habits = replace(habits, workers=min(most, max(1, round(habits.workers / times))))
    span_s = effort.sweeps * question.rhythm_s
    tallies = []
    for seed in range(min(effort.runs, max(1, round(effort.looks / (jobs * effort.sweeps))))):
        loop, tokens = Loop(), KnownRate(question.reach / times, question.rate / times)
        fleet = kind(habits, tokens, loop, Random(seed))
        fleet.inherit(jobs, question.rate / times)
        loop.run(effort.before * question.rhythm_s)
        fleet.recount()
        loop.run(loop.now_s + span_s)
        tallies.append(fleet.tally)
    return tallies, span_s * len(tallies), times


def weighted_lags(gaps: Sequence[Gap]) -> list[tuple[float, float]]:
    """The lags of the ends that may have fallen into these gaps, with their weights.

    Where hardly any can have, because lives are long or all alike, an end is taken to be as likely at any moment.
    """
    by_chance = [(gap.lag_s, gap.chance) for gap in gaps if gap.chance > 0]
    if sum(chance for _, chance in by_chance) ** 2 > ENOUGH * sum(chance**2 for _, chance in by_chance):
        return by_chance
    return [(gap.lag_s, gap.length_s) for gap in gaps]


def quantiles(weighted: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """The quantiles 0 %, 1 %, … 100 % of values with weights."""
    ordered = sorted(weighted)
    sums = list(accumulate(weight for _, weight in ordered))
    places = (bisect_left(sums, sums[-1] * percent / QUANTILES) for percent in range(QUANTILES + 1))
    return tuple(ordered[min(place, len(ordered) - 1)][0] for place in places)


def needed(question: Question, lag_s: float) -> Need:
    """What a mean lag of `lag_s` needs, to about 3 %, for a fleet that is otherwise as in question."""
    if not SOONEST_S <= lag_s <= LONGEST_S:
        raise SettingsError(f"A mean lag of {lag_s:g} s cannot be planned: give {SOONEST_S:g} s or more.")
    question = question.experienced  # once, not for each rate that is tried
    freshness_s = needed_freshness_s(question, lag_s)

    def tried(rate: float) -> Tried:
        return Tried(max(RATE_MIN, rate), mean_lag_s(question, max(RATE_MIN, rate), freshness_s) / lag_s)

    high, ample = tried(even_rate(question.jobs, lag_s)), ample_rate(question.jobs, freshness_s)
    while high.missed and high.rate < ample:
        high = tried(min(2 * high.rate, ample))
    low = tried(high.rate / 2)
    while not low.missed and low.rate > RATE_MIN:
        high, low = low, tried(low.rate / 2)
    while high.rate / low.rate > NEAR:
        middle = tried(between(low, high))
        low, high = (middle, high) if middle.missed else (low, middle)
    return Need(high.rate, workers_for(high.rate, question.habits), freshness_s)


class Tried(NamedTuple):
    """A rate, and its mean lag over the one that is wanted."""

    rate: float
    lag: float

    @property
    def missed(self) -> bool:
        """Whether the rate is not enough."""
        return self.lag > 1


def between(low: Tried, high: Tried) -> float:
    """The rate to try next: just beside the one at which a power law through both has the lag, on its farther side."""
    span = math.log(high.rate / low.rate)
    place = span * math.log(low.lag) / math.log(low.lag / high.lag)
    aside = ASIDE * math.log(NEAR)
    place += aside if place < span / 2 else -aside
    return low.rate * math.exp(min(max(place, ASIDE**2 * span), (1 - ASIDE**2) * span))


def needed_freshness_s(question: Question, lag_s: float) -> float:
    """The freshness of the question, or the one at which calls without end would bring such a lag, and a bit to spare."""
    freshness_s, call_s = max(question.habits.freshness_s, SOONEST_S / 2), question.habits.latency_s
    while (freshest_s := mean_lag_s(question, ample_rate(question.jobs, freshness_s), freshness_s)) > lag_s:
        freshness_s *= FRESHER * (lag_s - call_s) / (freshest_s - call_s)
    return freshness_s


def even_rate(jobs: int, lag_s: float) -> float:
    """The rate at which a perfectly even sweep has that mean lag."""
    return sweep_s(jobs, 1.0) / (2 * lag_s)


def ample_rate(jobs: int, freshness_s: float) -> float:
    """A rate beyond which nothing gets fresher."""
    return max(RATE_MIN, AMPLE * sweep_s(jobs, 1.0) / freshness_s)


def mean_lag_s(question: Question, rate: float, freshness_s: float) -> float:
    """The mean lag at another rate and freshness, with as many workers as that takes."""
    habits = question.habits
    habits = replace(habits, freshness_s=freshness_s, workers=max(habits.workers, workers_for(rate, habits)))
    return forecast(Question(question.jobs, rate, habits), COARSE).lag_mean_s


def workers_for(rate: float, habits: Habits) -> int:
    """How many workers it takes to make so many calls a second, with one call in flight each."""
    return math.ceil(rate * habits.latency_s)

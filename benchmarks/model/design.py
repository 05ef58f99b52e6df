"""The elastic ceiling beside the hook's own back-off: what each makes of the same allowance.

Jobs run for U(300, 3600) s, after waiting for 5 to 25 % of as long; they are replaced as they end. The limit is known, so
that none is throttled. `hook` is the same fleet with full calls, whose jobs each back off by Airflow's curve alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import Any

from fleetpoll.backoff import exponential_delay
from fleetpoll.cadence.policy import Cadence
from fleetpoll.forecast.estimate import Effort, Forecast, Question, forecast
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.lives import Job, Lives
from fleetpoll.settings import Settings

CASES = ((500, 5.0), (2_000, 5.0), (10_000, 10.0), (50_000, 10.0))
LIVES = Lives(300.0, 3_600.0)
HABITS = Habits(5.0, 4, LIVES, freshness_s_by_status=Settings().freshness_by_status, cadence="elastic")
JOBS_MAX, BEFORE_S, SPAN_S = 2_000, 1_800.0, 3_600.0
"""The hook's delays are up to ten minutes long: a run has to hold many of them."""

HEAD = "  jobs  limit policy   | calls/s   fill | mean lag    p50    p99    max |  bound  mean/bound"


class HookFleet(Fleet):
    """Each job backs off by itself, by the looks since its last transition, whatever the allowance."""

    def delay_s(self, job: Job, cadence: Cadence) -> float:
        """Airflow's curve, for any rate."""
        del cadence
        return exponential_delay(job.looks, self.rng)


POLICIES: dict[str, type[Fleet]] = {"elastic": Fleet, "hook": HookFleet}


def effort(question: Question) -> Effort:
    """An hour of virtual time, after half an hour to find the rhythm."""
    before, sweeps = (math.ceil(span_s / question.rhythm_s) for span_s in (BEFORE_S, SPAN_S))
    return Effort(JOBS_MAX, looks=1, before=before, sweeps=sweeps)


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    del options
    for jobs, rate in CASES:
        question = Question(jobs, rate, HABITS)
        for policy, kind in POLICIES.items():
            found = forecast(question, effort(question), kind)
            yield line(question, policy, found), as_json(question, policy, found)


def line(question: Question, policy: str, found: Forecast) -> str:
    """One line of the table."""
    lags = f"{found.lag_mean_s:8.2f} {found.lag_p50_s:6.1f} {found.lag_p99_s:6.1f} {found.lag_max_s:6.1f}"
    calls = f"{found.calls_per_s:7.2f} {found.fill:6.1f}"
    bound = f"{found.bound_s:6.2f} {found.lag_mean_s / found.bound_s:11.2f}"
    return f"{question.jobs:6} {question.rate:6g} {policy:8} | {calls} | {lags} | {bound}"


def as_json(question: Question, policy: str, found: Forecast) -> dict[str, Any]:
    """One line as JSON."""
    figures = {name: getattr(found, name) for name in found.__slots__}
    return {"jobs": question.jobs, "limit": question.rate, "policy": policy, "life_s": [LIVES.min_s, LIVES.max_s], **figures}

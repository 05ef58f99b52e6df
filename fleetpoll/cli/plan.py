"""`fleetpoll plan`: what an allowance will do, and what a wanted lag needs, before anything is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.cli.options import Asked, as_json, pass_asked, setting
from fleetpoll.cli.render import emit, plural, span
from fleetpoll.cli.simulate import life_option
from fleetpoll.cli.tables import console, facts
from fleetpoll.forecast.estimate import SOONEST_S, Forecast, Need, Question, forecast, needed
from fleetpoll.forecast.fleet import Habits
from fleetpoll.forecast.lives import Lives, Population

if TYPE_CHECKING:
    from rich.table import Table

EPILOG = """\b
Examples:
  fleetpoll plan --jobs 50000
  fleetpoll plan --jobs 50000 --rate 10 --lag 5 --life 600:7200
"""
LIFE_S = (300.0, 3_600.0)
CADENCES = {
    "learned": "learned, of a fleet that has seen enough of these jobs to know how long they run",
    "elastic": "elastic, which need not know how long jobs run",
    "even": "even, all jobs alike",
}


@click.command(epilog=EPILOG)
@click.option("--jobs", type=int, required=True, metavar="N", help="Live jobs at any time; they are replaced as they end.")
@setting("rate", metavar="RATE", help="DescribeJobs calls a second of the whole fleet, at most.")
@setting("cadence", metavar="NAME", help="What decides when a job is looked at again: learned, elastic or even.")
@setting("freshness", metavar="S", help="Fresh enough: no calls are spent to know sooner than this.")
@setting("workers", "-n", "--workers", metavar="N", help="Worker processes.")
@life_option(f"How long jobs run, in seconds.  [default: {LIFE_S[0]:g}:{LIFE_S[1]:g}]")
@click.option("--lag", type=float, metavar="S", help="The mean lag of completions that is wanted.  [default: the freshness]")
@as_json
@pass_asked
def plan(asked: Asked, jobs: int, life: tuple[float, float] | None, lag: float | None, *, as_json: bool) -> None:
    """Forecast calls and lags for a number of jobs, and the rate that a lag needs.

    A model in virtual time that runs the workers' own policy; neither Redis nor AWS is asked. Lag is from the moment AWS
    stops a job to its detection. No throttles are assumed.
    """
    settings = asked.settings()
    wanted_s = max(settings.freshness, SOONEST_S) if lag is None else lag
    wanted = alike(jobs, life or LIFE_S)
    habits = Habits(
        settings.freshness,
        settings.workers,
        wanted.population,
        freshness_s_by_status=settings.freshness_by_status,
        cadence=settings.cadence,
        weights=settings.weights,
        pages=wanted.pages,
    )
    question = Question(wanted.jobs, settings.rate, habits).experienced
    expected, need = forecast(question), needed(question, wanted_s)
    if as_json:
        emit(public(question, wanted.about, expected, wanted_s, need))
    else:
        console().print(overview(question, wanted.words, expected))
        click.echo(advice(question, wanted_s, need))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The jobs that are planned for, in words and as JSON, and what is known of them."""

    jobs: int
    population: Population
    words: str
    about: dict[str, Any]
    pages: Mapping[Group, Dwell] = field(default_factory=dict)


def alike(jobs: int, life: tuple[float, float]) -> Wanted:
    """So many jobs whose runs are as long as each other's, between two bounds."""
    shortest_s, longest_s = life
    words = f"running for {span(shortest_s)} to {span(longest_s)} each"
    return Wanted(jobs, Lives(shortest_s, longest_s), words, {"life_s": [shortest_s, longest_s]})


def public(question: Question, about: dict[str, Any], expected: Forecast, wanted_s: float, need: Need) -> dict[str, Any]:
    """All of it as JSON."""
    habits = question.habits
    return {
        "jobs": question.jobs,
        "rate": question.rate,
        "cadence": habits.cadence,
        "freshness_s": habits.freshness_s,
        "freshness_s_by_status": habits.freshness_s_by_status,
        "workers": habits.workers,
        **about,
        **asdict(expected),
        "wanted_lag_s": wanted_s,
        "needed": asdict(need),
        "advice": advice(question, wanted_s, need),
    }


def overview(question: Question, words: str, expected: Forecast) -> Table:
    """What to expect as names and values, one pair a line."""
    habits, e = question.habits, expected
    workers, lag = plural(habits.workers, "worker"), f"{span(e.lag_mean_s)} mean, {span(e.lag_p50_s)} median"
    return facts(
        [
            ("jobs", f"{question.jobs:,} live, {words}"),
            ("cadence", CADENCES[habits.cadence]),
            ("allowance", f"{question.rate:g} calls/s, fresh enough at {span(habits.freshness_s)}, {workers}"),
            ("calls", f"{figure(e.calls_per_s)}/s, {e.share_used:.0%} of the allowance, {e.fill:.1f} ids a call"),
            ("sweep", f"{span(e.sweep_s)} for a look at every job; an even one has a mean lag of {span(e.bound_s)}"),
            ("lag", f"{lag}, {span(e.lag_p99_s)} p99, {span(e.lag_max_s)} at most"),
        ]
    )


def advice(question: Question, wanted_s: float, need: Need) -> str:
    """What to set for the lag that is wanted, in one line."""
    habits = question.habits
    said = f"For a mean lag of {span(wanted_s)} you need about {figure(need.rate)} calls/s"
    if need.freshness_s < habits.freshness_s:
        said += f" and a freshness of {figure(need.freshness_s)} s or less"
    if need.workers > habits.workers:
        said += f" and {plural(need.workers, 'worker')}"
    return f"{said}."


def figure(value: float) -> str:
    """A number in two or three figures: '0.52', '9.8', '48', '980', '1,200'."""
    return f"{value:.2g}" if value < 10 else f"{float(f'{value:.3g}'):,.0f}"  # noqa: PLR2004 - as many as matter

"""`fleetpoll plan`: what an allowance will do, and what a wanted lag needs, before anything is set up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from fleetpoll.cadence.dwell import Dwell, Group, groups_of
from fleetpoll.cli.options import Asked, as_json, pass_asked, setting
from fleetpoll.cli.render import emit, plural, span
from fleetpoll.cli.simulate import life_option
from fleetpoll.cli.tables import console, facts
from fleetpoll.client.fleet import open_fleet
from fleetpoll.forecast.estimate import SOONEST_S, Forecast, Need, Question, forecast, needed
from fleetpoll.forecast.fleet import Habits
from fleetpoll.forecast.learnt import learnt as of_pages
from fleetpoll.forecast.lives import Lives, Population
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

EPILOG = """\b
Examples:
  fleetpoll plan --jobs 50000
  fleetpoll plan --jobs 50000 --rate 10 --lag 5 --life 600:7200
  fleetpoll plan --learnt --rate 25
"""
LIFE_S = (300.0, 3_600.0)
LIVE = [status for status in JobStatus if not status.terminal]
CADENCES = {
    "learned": "learned, of a fleet that has seen enough of these jobs to know how long they run",
    "elastic": "elastic, which need not know how long jobs run",
    "even": "even, all jobs alike",
}


@click.command(epilog=EPILOG)
@click.option("--jobs", type=int, metavar="N", help="Live jobs at any time; they are replaced as they end.")
@click.option("--learnt", is_flag=True, help="For the jobs of the fleet: as many, of the definitions that it has learnt.")
@setting("rate", metavar="RATE", help="DescribeJobs calls a second of the whole fleet, at most.")
@setting("cadence", metavar="NAME", help="What decides when a job is looked at again: learned, elastic or even.")
@setting("freshness", metavar="S", help="Fresh enough: no calls are spent to know sooner than this.")
@setting("workers", "-n", "--workers", metavar="N", help="Worker processes.")
@life_option(f"How long jobs run, in seconds.  [default: {LIFE_S[0]:g}:{LIFE_S[1]:g}]")
@click.option("--lag", type=float, metavar="S", help="The mean lag of completions that is wanted.  [default: the freshness]")
@as_json
@pass_asked
def plan(
    asked: Asked,
    jobs: int | None,
    life: tuple[float, float] | None,
    lag: float | None,
    *,
    learnt: bool,
    as_json: bool,
) -> None:
    """Forecast calls and lags for a number of jobs, and the rate that a lag needs.

    A model in virtual time that runs the workers' own policy; AWS is not asked, nor is Redis without --learnt. Lag is from
    the moment AWS stops a job to its detection. No throttles are assumed.
    """
    if jobs is None and not learnt:
        raise click.UsageError("Give --jobs N, or --learnt for those of the fleet.")
    if learnt and life is not None:
        raise click.UsageError("Give --life or --learnt: both say how long jobs run.")
    settings = asked.settings()
    wanted_s = max(settings.freshness, SOONEST_S) if lag is None else lag
    wanted = alike(jobs or 0, life or LIFE_S) if not learnt else of_the_fleet(settings, jobs)
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


def of_the_fleet(settings: Settings, jobs: int | None) -> Wanted:
    """The live jobs of the fleet, or so many like them, by what it has learnt."""
    with open_fleet(settings) as fleet:
        pages = fleet.learnt()
        live = Counter(job.job_definition for _, job in fleet.jobs(LIVE))
    shares = Counter[str]()
    for definition, count in live.items():
        shares[groups_of(JobStatus.RUNNING, "", definition)[-1].name] += count
    population = of_pages(pages, shares or None)
    names = [sort.definition for sort in population.sorts]
    words = f"of {plural(len(names), 'definition')}, running for as long as was learnt"
    return Wanted(live.total() if jobs is None else jobs, population, words, {"definitions": names}, pages)


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

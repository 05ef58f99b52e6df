"""A fleet in virtual time that learns how long its jobs run."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import fmean

import pytest

from fleetpoll.cadence.dwell import DEFINITION, Dwell, Group, groups_of, hazards
from fleetpoll.cadence.hazard import quantile_s
from fleetpoll.cadence.policy import IDS_PER_CALL
from fleetpoll.errors import SettingsError
from fleetpoll.forecast.estimate import COARSE, Question, forecast
from fleetpoll.forecast.experience import experience, settled
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.learnt import Dwelling, learnt
from fleetpoll.forecast.lives import Lives, Population
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.schedule import Lease, Schedule
from fleetpoll.forecast.sorts import Sorts
from fleetpoll.forecast.tally import Tally
from fleetpoll.forecast.tokens import KnownRate
from fleetpoll.jobs import JobStatus
from fleetpoll.lifetimes.kinds import Kind

QUICK = Kind(job_definition="quick:1", share=3.0, run_s=18.0, run_sigma=0.2, wait_s=8.0, wait_sigma=1.0)
LONG = Kind(job_definition="long:7", share=1.0, run_s=240.0, run_sigma=0.15, wait_s=8.0, wait_sigma=1.0)
MIX = Sorts.of(QUICK, LONG)
GRID = [(number + 0.5) / 2_000 for number in range(2_000)]


def seen(habits: Habits, warm_s: float, seconds: float, jobs: int = 1_000, rate: float = 2.0) -> tuple[Fleet, Tally]:
    """What a fleet counts after it has warmed up."""
    loop = Loop()
    fleet = Fleet(habits, KnownRate(rate, rate), loop, Random(5))
    fleet.inherit(jobs, rate)
    loop.run(warm_s)
    fleet.recount()
    loop.run(warm_s + seconds)
    return fleet, fleet.tally


def mean_lag_s(tally: Tally) -> float:
    """The mean lag of the ends."""
    return fmean(end.lag_s for end in tally.ends)


def test_what_a_fleet_learns_from_its_looks_pays() -> None:
    """With as many calls as an even sweep, the ends of regular jobs are noticed twice as soon after a minute of learning."""
    tallies = {
        cadence: seen(Habits(0.5, 4, MIX, cadence=cadence), 60.0, 60.0)[1] for cadence in ("learned", "elastic", "even")
    }

    assert tallies["learned"].calls == tallies["even"].calls == pytest.approx(120, abs=2)
    assert mean_lag_s(tallies["learned"]) < 0.5 * mean_lag_s(tallies["even"])
    assert mean_lag_s(tallies["elastic"]) == pytest.approx(mean_lag_s(tallies["even"]), rel=0.15)


def test_experience_stands_for_a_long_warm_up() -> None:
    """A fleet that is told what it would have learnt does from the start what one that has learnt it does."""
    habits = Habits(0.5, 4, MIX)
    old, slow = seen(habits, 120.0, 60.0)
    told = replace(habits, pages=experience(MIX, Random(1)), price=old.price)
    _, quick = seen(told, 5.0, 60.0)

    assert mean_lag_s(quick) == pytest.approx(mean_lag_s(slow), rel=0.15)
    assert quick.calls == pytest.approx(slow.calls, rel=0.01)


@pytest.mark.parametrize(("jobs", "rate"), [(1_000, 2.0), (500, 20.0)], ids=["scarce", "ample"])
def test_a_price_that_is_reckoned_is_the_one_that_is_found(jobs: int, rate: float) -> None:
    """The price at which the looks that are asked for are affordable is near the one that a fleet settles on by itself."""
    habits = Habits(5.0, 4, MIX, pages=experience(MIX, Random(1)))
    fleet, _ = seen(habits, 120.0, 30.0, jobs, rate)

    assert fleet.price == pytest.approx(settled(habits, jobs, rate, 5.0), abs=0.6)


def test_experience_is_that_of_the_population() -> None:
    """The hazards that are learnt have the medians that jobs are drawn with, by definition, whatever its revision."""
    pages = experience(MIX, Random(2))
    for kind in (QUICK, LONG):
        groups = groups_of(JobStatus.RUNNING, kind.job_queue, kind.job_definition)
        assert quantile_s(hazards([pages[group] for group in groups]), 0.0, 0.5) == pytest.approx(kind.run_s, rel=0.1)
        assert 50 < pages[groups[2]].known <= 300


def test_a_call_is_topped_up_with_those_whose_delay_is_over_most_nearly() -> None:
    """Not with those that are due soonest: a second of a long delay is worth less than one of a short delay."""
    schedule, rng = Schedule(), Random(3)
    jobs = [MIX.born(0.0, rng) for _ in range(3 + IDS_PER_CALL)]
    schedule.add(jobs[0], 10.0, 5.0)
    schedule.add(jobs[1], 10.5, 1.0)  # half of its delay is left
    schedule.add(jobs[2], 11.0, 100.0)  # a hundredth
    for job in jobs[3:]:
        schedule.add(job, 13.0, 30.0)  # a tenth

    assert schedule.claim(9.0, 0.25) == pytest.approx(1.25)
    assert schedule.claim(10.0, 0.25) == pytest.approx(0.25)
    lease = schedule.claim(10.25, 0.25)
    assert isinstance(lease, Lease)
    taken = [entry.job for entry in lease.entries]
    assert len(taken) == IDS_PER_CALL
    assert [taken[0], taken[1]] == [jobs[0], jobs[2]]
    assert jobs[1] not in taken
    assert lease.overdue_s == pytest.approx(0.25)
    rest = schedule.claim(20.0, 0.0)
    assert isinstance(rest, Lease)
    assert rest.entries[0].job is jobs[1]
    assert len(rest.entries) == 3
    assert schedule.claim(20.0, 0.0) == float("inf")


def test_arrivals_and_living_have_different_shares() -> None:
    """Three quarters of the jobs that come are quick; of those that live most are long."""
    rng = Random(4)
    born = [MIX.born(0.0, rng) for _ in range(2_000)]
    met = [MIX.amid(100.0, rng) for _ in range(2_000)]
    quick, long = MIX.sorts

    assert fmean(job.sort is quick for job in born) == pytest.approx(0.75, abs=0.03)
    living = long.mean_s / (long.mean_s + 3 * quick.mean_s)
    assert fmean(job.sort is long for job in met) == pytest.approx(living, abs=0.03)
    assert all(job.created_s <= 100.0 < job.ended_s for job in met)
    assert {job.known.status for job in met} >= {JobStatus.RUNNABLE, JobStatus.RUNNING}


def test_jobs_come_and_go() -> None:
    """Children that are not replaced leave, the others stay as many as they were; what is not tracked is forgotten."""
    loop = Loop()
    fleet = Fleet(Habits(0.5, 4, MIX, cadence="even"), KnownRate(4.0, 4.0), loop, Random(6))
    fleet.meet(1_000)
    fleet.track(200, Sorts.of(QUICK), replaced=False)
    assert fleet.live == 1_200
    loop.run(300.0)
    assert fleet.live == 1_000
    assert len(fleet.tally.ends) > 2_000
    assert all(0 < start.lag_s < 10.0 for start in fleet.tally.starts)
    fleet.untrack(400)
    assert fleet.live == 600


def test_a_law_that_was_learnt_is_drawn_from_like_any_other() -> None:
    """Its mean is that of its draws, what is met is longer in proportion to its length, shares are those of draws."""
    page = Dwell()
    for draw in GRID[::20]:
        page.note(0.0, Lives(30.0, 300.0).run.at(draw), left=True)
    law = Dwelling(hazards([page]))
    lengths, met = [law.at(draw) for draw in GRID], [law.met_at(draw) for draw in GRID]

    assert law.mean == pytest.approx(165.0, rel=0.1)
    assert fmean(lengths) == pytest.approx(law.mean, rel=0.01)
    assert fmean(met) == pytest.approx(fmean(length**2 for length in lengths) / law.mean, rel=0.02)
    assert [law.share(length) for length in lengths] == pytest.approx(GRID)


@pytest.mark.parametrize("lives", [MIX, Lives(60.0, 300.0)], ids=["mix", "uniform"])
def test_a_plan_can_be_made_of_what_was_learnt(lives: Population) -> None:
    """A fleet of the jobs that another has known does what that one does."""
    pages = experience(lives, Random(7), 1_000)
    there = forecast(Question(4_000, 8.0, Habits(5.0, 4, lives)), COARSE)
    here = forecast(Question(4_000, 8.0, Habits(5.0, 4, learnt(pages), pages=pages)), COARSE)

    assert here.calls_per_s == pytest.approx(there.calls_per_s, rel=0.05)
    assert here.lag_mean_s == pytest.approx(there.lag_mean_s, rel=0.25)


def test_live_jobs_tell_the_shares() -> None:
    """As many jobs of each definition live in the population as in the fleet; one without any is left out."""
    pages = experience(Sorts.of(QUICK, LONG, Kind(job_definition="gone:2", run_s=60.0)), Random(8))
    population = learnt(pages, {"quick": 300.0, "long": 100.0})
    rng = Random(9)
    met = [population.amid(0.0, rng).sort.definition for _ in range(2_000)]

    assert {sort.definition for sort in population.sorts} == {"quick", "long"}
    assert fmean(name == "quick" for name in met) == pytest.approx(0.75, abs=0.03)


def test_nothing_learnt_is_no_plan() -> None:
    """Without a definition whose runs have been seen to end, somebody has to say how long jobs run."""
    few = Dwell()
    few.note(0.0, 5.0, left=True)
    for pages in ({}, {Group(JobStatus.RUNNING, DEFINITION, "rare"): few}):
        with pytest.raises(SettingsError, match="learnt nothing yet"):
            learnt(pages)

"""What a fleet will do with its allowance, forecast in virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from statistics import fmean

import pytest

from fleetpoll.cadence.policy import IDS_PER_CALL, Cadence
from fleetpoll.errors import SettingsError
from fleetpoll.forecast.estimate import (
    COARSE,
    SOONEST_S,
    Effort,
    Question,
    forecast,
    needed,
    quantiles,
    runs,
    weighted_lags,
)
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.lives import Job, Lives, wall_ms
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.tally import Gap, end_between
from fleetpoll.forecast.tokens import Grant, Known, KnownRate, Tokens
from fleetpoll.lifetimes.laws import Law, LogNormal, Uniform

LIVES = Lives(300.0, 3_600.0)
HABITS = Habits(freshness_s=5.0, workers=4, lives=LIVES, cadence="elastic")
QUICK = Effort(jobs=2_000, looks=1, before=4, sweeps=8)
BUSY = Question(10_000, 10.0, HABITS)


def test_what_is_asked_for_happens_in_order() -> None:
    """By time, and at the same time in the order of asking; what is due later than the end does not happen."""
    loop, seen = Loop(), list[tuple[float, str]]()

    def note(word: str) -> None:
        seen.append((loop.now_s, word))

    loop.at(2.0, note, "second")
    loop.after(1.0, note, "first")
    loop.at(2.0, note, "third")
    loop.at(3.1, note, "never")
    loop.run(3.0)

    assert seen == [(1.0, "first"), (2.0, "second"), (2.0, "third")]
    assert loop.now_s == 3.0


@pytest.mark.parametrize("run", [LIVES.run, Uniform(60.0, 60.0), LogNormal(600.0, 1.0), LogNormal(60.0, 0.0)], ids=str)
def test_the_chances_of_all_gaps_make_one_end(run: Law) -> None:
    """However the looks fall, a job that is looked at until it must have ended has ended once."""
    rng = Random(1)
    looks = [0.0, *sorted(rng.uniform(0.0, 3_600.0) for _ in range(50)), 1e9]
    alive, ended = 1.0, 0.0
    for before, after in pairwise(looks):
        chance, end_s = end_between(run, before, after, rng)
        alive, ended = alive * (1 - chance), ended + alive * chance
        assert before <= end_s <= after

    assert ended == pytest.approx(1.0, abs=1e-5)


def test_a_moment_meets_the_long_lives_more_often() -> None:
    """Of lives that are half short and half long, the jobs that live at a moment are mostly long ones."""
    rng, lives = Random(2), Lives(1.0, 999.0)
    met = [lives.amid(0.0, rng) for _ in range(4_000)]
    ran_s = [job.ended_s - job.started_s for job in met]

    assert fmean(ran_s) == pytest.approx(2 / 3 * 1_000, rel=0.04)  # E[L²]/E[L] of U(0, 1000), roughly
    assert all(job.ended_s > 0 and job.known.changed_ms <= wall_ms(0.0) for job in met)
    assert all(job.described(0.0, 0.0) is job.known for job in met)
    assert not any(job.known.status.terminal for job in met)


def test_a_known_rate_is_kept_to_the_token() -> None:
    """The first token is waited for, the k-th k times as long, and rest saves up no more than the burst."""
    tokens = KnownRate(10.0, 10.0)

    assert [tokens.reserve(0.0).wait_s for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    assert [tokens.reserve(100.0).wait_s for _ in range(4)] == pytest.approx([0.0, 0.0, 0.05, 0.15])


def test_a_busy_fleet_comes_near_the_bound() -> None:
    """Where the allowance decides, all of it is used for full calls, and the mean lag is that of an even sweep."""
    found = forecast(BUSY, QUICK)

    assert (found.sweep_s, found.bound_s) == (10.0, 5.0)
    assert found.calls_per_s == pytest.approx(10.0, rel=0.01)
    assert found.share_used == pytest.approx(1.0, rel=0.01)
    assert found.fill == IDS_PER_CALL
    assert 0.9 <= found.lag_mean_s / found.bound_s <= 1.05
    assert found.lag_p50_s <= found.lag_p99_s <= 2.4 * found.bound_s
    assert found.lag_max_s == found.lag_cdf_s[100]
    assert list(found.lag_cdf_s) == sorted(found.lag_cdf_s)


def test_a_fleet_with_time_to_spare_saves_calls() -> None:
    """As fresh as is fresh enough, for a fraction of the allowance."""
    found = forecast(Question(500, 20.0, HABITS), QUICK)

    assert found.share_used < 0.1
    assert 2.0 < found.lag_mean_s < 3.2


def test_overload_is_fair() -> None:
    """Asked for five times what the allowance affords, the fleet forgets nobody: no job waits for two sweeps."""
    question = Question(25_000, 10.0, HABITS)
    tallies, _, _ = runs(question, QUICK, Fleet)

    assert question.sweep_s == 5 * HABITS.freshness_s
    assert max(gap.length_s for gap in tallies[0].gaps) < 2 * question.sweep_s
    assert forecast(question, QUICK).lag_p99_s <= 2.4 * question.sweep_s / 2


@pytest.mark.parametrize("question", [BUSY, Question(10_000, 100.0, HABITS)], ids=["busy", "time to spare"])
def test_only_the_sweep_counts(question: Question) -> None:
    """A tenth of the jobs at a tenth of the rate has the same lags, and a tenth of the calls."""
    whole, tenth = (forecast(question, replace(QUICK, jobs=jobs)) for jobs in (10_000, 1_000))

    assert tenth.calls_per_s == pytest.approx(whole.calls_per_s, rel=0.05)
    assert tenth.lag_mean_s == pytest.approx(whole.lag_mean_s, rel=0.06)
    assert tenth.lag_p50_s == pytest.approx(whole.lag_p50_s, rel=0.08)
    assert tenth.lag_p99_s == pytest.approx(whole.lag_p99_s, rel=0.06)


class Witness(Fleet):
    """Remembers its jobs, and those whose end was seen."""

    def __init__(self, habits: Habits, tokens: Tokens, loop: Loop, rng: Random) -> None:
        super().__init__(habits, tokens, loop, rng)
        self.watched: dict[int, Job] = {}
        self.over: list[Job] = []

    def _look(self, job: Job, arrived_s: float, cadence: Cadence) -> None:
        ends = len(self.tally.ends)
        super()._look(job, arrived_s, cadence)
        self.watched[id(job)] = job
        if len(self.tally.ends) > ends:
            self.over.append(self.watched.pop(id(job)))


class Moody(KnownRate):
    """Every third call is throttled."""

    calls = 0

    def accepts(self, now_s: float) -> bool:
        """Two yes, one no."""
        del now_s
        self.calls += 1
        return self.calls % 3 != 0


@pytest.mark.parametrize("tokens", [KnownRate(5.0, 5.0), Moody(5.0, 5.0)], ids=["accepted", "some throttled"])
def test_every_end_is_seen_exactly_once(tokens: Tokens) -> None:
    """No job is lost or counted twice, whatever its calls met; each that ended is replaced."""
    loop = Loop()
    fleet = Witness(replace(HABITS, lives=Lives(30.0, 90.0)), tokens, loop, Random(3))
    fleet.inherit(600, 5.0)
    fleet.track(200)
    loop.run(250.0)

    assert len(fleet.over) == len(fleet.tally.ends) > 1_000
    assert len({id(job) for job in fleet.over}) == len(fleet.over)
    assert all(end.lag_s > 0 for end in fleet.tally.ends)
    assert fleet.live == 800
    assert len(fleet.watched) == pytest.approx(800, abs=100)  # the others are new and were not looked at yet
    assert min(job.ended_s for job in fleet.watched.values()) > loop.now_s - 20.0  # none ended long ago, unseen
    assert bool(fleet.tally.throttled) == isinstance(tokens, Moody)


def test_ends_that_may_have_been_say_the_same_as_ends_that_were() -> None:
    """Weighing each gap by its chance of an end counts as many ends, with the same lags, as waiting for them."""
    question = Question(2_000, 1.0, replace(HABITS, lives=Lives(100.0, 500.0)))
    (tally,), _, _ = runs(question, Effort(2_000, looks=1, before=4, sweeps=60), Fleet)
    lags = weighted_lags(tally.gaps)
    weight = sum(chance for _, chance in lags)

    assert len(tally.ends) > 2_500
    assert weight == pytest.approx(len(tally.ends), rel=0.05)
    lag_s = sum(lag * chance for lag, chance in lags) / weight
    assert lag_s == pytest.approx(fmean(end.lag_s for end in tally.ends), rel=0.05)


def test_long_lives_are_forecast_without_waiting_for_their_ends() -> None:
    """Where no end falls into the run, any moment of running stands for it."""
    found = forecast(Question(2_000, 5.0, replace(HABITS, lives=Lives(1e7, 1e7))), COARSE)

    assert 2.0 < found.lag_mean_s < 3.2
    assert weighted_lags([Gap(0.0, 3.0, 0.0, 1.5)]) == [(1.5, 3.0)]


def test_too_few_workers_are_the_bottleneck() -> None:
    """One worker with one call in flight makes 12.5 calls/s, whatever the rate, in a small fleet and in a large one."""
    alone = replace(HABITS, freshness_s=0.5, workers=1)
    for jobs in (1_500, 50_000):
        found = forecast(Question(jobs, 50.0, alone), QUICK)
        assert found.calls_per_s == pytest.approx(12.5, rel=0.03)
        assert found.share_used == pytest.approx(0.25, rel=0.03)


@pytest.mark.parametrize(("jobs", "lag_s"), [(50_000, 5.0), (500, 4.0), (500, 1.0), (5, 5.0), (20, SOONEST_S)])
def test_a_needed_rate_is_enough_and_not_much_more(jobs: int, lag_s: float) -> None:
    """At the rate, freshness and workers that a lag is said to need it is had, and a fifth less would not do."""
    need = needed(Question(jobs, 10.0, HABITS), lag_s)
    habits = replace(HABITS, freshness_s=need.freshness_s, workers=max(4, need.workers))

    assert forecast(Question(jobs, need.rate, habits), COARSE).lag_mean_s <= lag_s
    assert forecast(Question(jobs, need.rate / 1.2, habits), COARSE).lag_mean_s > lag_s
    assert (need.freshness_s < HABITS.freshness_s) == (lag_s <= 1.0)


def test_who_learns_needs_fewer_calls() -> None:
    """A lag needs a lower rate of a fleet that knows how long its jobs run, and is had at it."""
    lives, wanted_s = Lives(200.0, 300.0), 5.0
    elastic, learned = (
        Question(10_000, 10.0, replace(HABITS, lives=lives, freshness_s=1.0, cadence=cadence))
        for cadence in ("elastic", "learned")
    )
    need = needed(learned, wanted_s)

    assert need.rate < 0.8 * needed(elastic, wanted_s).rate
    assert forecast(replace(learned, rate=need.rate), COARSE).lag_mean_s <= wanted_s


def test_a_fast_fleet_needs_more_workers() -> None:
    """A lag that takes 250 calls/s takes 20 workers, for each has one call in flight."""
    need = needed(Question(50_000, 10.0, HABITS), 1.0)

    assert 200 < need.rate < 300
    assert need.workers == pytest.approx(need.rate * HABITS.latency_s, abs=1.0)


def test_the_same_question_has_the_same_answer() -> None:
    """A forecast is no matter of luck."""
    assert forecast(BUSY, COARSE) == forecast(BUSY, COARSE)


NO_FLEETS = [(0, 10.0, 5.0), (-3, 10.0, 5.0), (1, 0.0, 5.0), (1, 1e-9, 5.0), (10**15, 1e-3, 5.0), (1, 1.0, 1e300)]


@pytest.mark.parametrize(("jobs", "rate", "freshness_s"), NO_FLEETS)
def test_what_is_no_fleet_is_refused(jobs: int, rate: float, freshness_s: float) -> None:
    """No jobs, no rate, and sweeps that outlast everybody end with a sentence."""
    with pytest.raises(SettingsError):
        forecast(Question(jobs, rate, replace(HABITS, freshness_s=freshness_s)), COARSE)


@pytest.mark.parametrize("lag_s", [0.0, -1.0, SOONEST_S / 2, float("nan"), float("inf")])
def test_a_lag_that_no_fleet_has_is_refused(lag_s: float) -> None:
    """A mean lag below what a call takes cannot be bought."""
    with pytest.raises(SettingsError, match="cannot be planned"):
        needed(BUSY, lag_s)


@pytest.mark.parametrize("bounds", [(0.0, 5.0), (5.0, 2.0), (-1.0, 3.0), (1.0, float("inf")), (float("nan"), 3.0)])
def test_lives_that_are_none_are_refused(bounds: tuple[float, float]) -> None:
    """A life has a length, and the longest is not shorter than the shortest."""
    with pytest.raises(SettingsError, match="give 0 < MIN <= MAX"):
        Lives(*bounds)


def test_quantiles_go_by_weight() -> None:
    """A value that weighs nine times as much as the other is nine tenths of the quantiles."""
    cdf = quantiles([(7.0, 1.0), (2.0, 9.0)])

    assert (cdf[0], cdf[50], cdf[90], cdf[91], cdf[100]) == (2.0, 2.0, 2.0, 7.0, 7.0)


def test_a_grant_that_is_held_is_reconsidered() -> None:
    """A source whose tokens come sooner or later than promised is asked again at its pace, and its word counts."""

    class Fickle(Tokens):
        """Promises 10 s, and has the token after two paces."""

        pace_s = 0.5
        asked = 0

        def reserve(self, now_s: float) -> Grant:
            del now_s
            return Known(10.0, 1.0)

        def reconsider(self, grant: Grant, now_s: float) -> Grant:
            self.asked += 1
            return Known(0.0, 1.0) if self.asked % 2 == 0 else super().reconsider(grant, now_s)

    loop, tokens = Loop(), Fickle()
    fleet = Fleet(replace(HABITS, workers=1), tokens, loop, Random(4))
    fleet.inherit(5_000, 500.0)
    loop.run(20.0)

    assert fleet.tally.calls == pytest.approx(20.0 / (1.0 + HABITS.latency_s), abs=2)
    assert tokens.asked == pytest.approx(2 * fleet.tally.calls, abs=2)

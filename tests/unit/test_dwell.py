"""Counts of exits and time at risk: what they come to, and whose word counts."""

from __future__ import annotations

from random import Random

import pytest

from fleetpoll.cadence.ages import BUCKETS, bucket_at
from fleetpoll.cadence.dwell import (
    ALL,
    BLIND_EXITS,
    BLIND_S,
    DEFINITION,
    EXITS_KEPT,
    QUEUE,
    STEP,
    Dwell,
    Group,
    groups_of,
    hazards,
)
from fleetpoll.jobs import JobStatus


def exponential(count: int, mean_s: float, seed: int = 1) -> Dwell:
    """Jobs that were watched from their start to their end."""
    rng, dwell = Random(seed), Dwell()
    for _ in range(count):
        dwell.note(0.0, rng.expovariate(1 / mean_s), left=True)
    return dwell


@pytest.mark.parametrize("mean_s", [5.0, 90.0, 2_000.0])
def test_jobs_met_midway_and_lost_sight_of_give_back_their_rate(mean_s: float) -> None:
    """Tracked at any age, looked at now and then, untracked before the end: exits over time at risk are the hazard."""
    rng, dwell = Random(7), Dwell()
    for _ in range(8_000):
        ends_s, age_s = rng.expovariate(1 / mean_s), rng.expovariate(1 / mean_s)
        untracked_s = age_s + rng.expovariate(1 / (2 * mean_s))
        while age_s < min(ends_s, untracked_s):
            looked_s = age_s + rng.expovariate(10 / mean_s)
            dwell.note(age_s, min(looked_s, ends_s), left=looked_s >= ends_s)
            age_s = looked_s

    assert dwell.known / sum(dwell.at_risk_s) == pytest.approx(1 / mean_s, rel=0.05)
    for age_s in (mean_s / 4, mean_s, 2 * mean_s):
        around = range(bucket_at(age_s) - 2, bucket_at(age_s) + 3)
        rate = sum(dwell.exits[b] for b in around) / sum(dwell.at_risk_s[b] for b in around)
        assert rate == pytest.approx(1 / mean_s, rel=0.15)


def test_where_nothing_is_known_all_ages_are_alike() -> None:
    """One exit in two minutes is believed of everything."""
    assert hazards([Dwell(), Dwell(), Dwell()]) == pytest.approx((BLIND_EXITS / BLIND_S,) * BUCKETS)


def test_a_definition_that_is_not_known_is_taken_for_what_is_above_it() -> None:
    """The word of the level above counts until there is an own one."""
    general = exponential(3_000, 30.0)
    assert hazards([general, Dwell()]) == pytest.approx(hazards([general]))


def test_the_more_is_known_of_a_definition_the_less_counts_what_is_above_it() -> None:
    """From the general hazard to the own one, as exits come in."""
    general, bucket, rates = exponential(3_000, 30.0), bucket_at(25.0), []
    for share in (0.0, 0.001, 0.01, 0.1, 1.0):
        own = exponential(10_000, 300.0)
        own.fade(share)
        rates.append(hazards([general, own])[bucket])
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1 / 30, rel=0.15)
    assert rates[-1] == pytest.approx(1 / 300, rel=0.2)


def test_who_believes_less_of_the_level_above_hears_less_of_it() -> None:
    """How many exits its word is worth is for who asks to say."""
    general, own, bucket = exponential(3_000, 30.0), exponential(30, 300.0), bucket_at(25.0)
    rates = [hazards([general, own], worth)[bucket] for worth in (0.01, 0.1, 1.0)]
    assert rates == sorted(rates)


def test_years_without_exits_above_do_not_outweigh_a_definition_that_is_shorter() -> None:
    """Jobs of two hours by the ten thousand say nothing against twenty that ended after 20 s each."""
    above, own = Dwell(), Dwell()
    for _ in range(30_000):
        above.note(0.0, 7_200.0, left=True)
    for _ in range(20):
        own.note(0.0, 20.0, left=True)
    bucket = bucket_at(20.0)

    alone = own.exits[bucket] / own.at_risk_s[bucket]
    assert hazards([above])[bucket] < 1e-5
    assert 0.5 * alone <= hazards([above, own])[bucket] <= alone


@pytest.mark.parametrize("share", [0.98, 1.0, 1.02])
def test_a_hazard_does_not_jump_where_it_meets_that_of_the_level_above(share: float) -> None:
    """Just above and just below, both ways to the mean say about the same."""
    above, own = Dwell(), Dwell()
    for dwell, exits in ((above, 1_000.0), (own, 10.0 * share)):
        dwell.exits, dwell.at_risk_s = [exits] * BUCKETS, [10_000.0 if dwell is above else 100.0] * BUCKETS

    assert hazards([above, own])[30] == pytest.approx(hazards([above])[30] * share, rel=0.003)


def test_time_at_risk_without_an_exit_lowers_the_hazard() -> None:
    """Jobs that are still there say something, too."""
    dwell = Dwell()
    dwell.note(0.0, 10_000.0, left=False)
    assert hazards([dwell])[bucket_at(3_000.0)] < BLIND_EXITS / BLIND_S / 10
    assert dwell.known == 0


def test_of_more_exits_than_are_kept_the_rest_is_forgotten_in_steps() -> None:
    """Everything is believed less in the same proportion, so that the hazard stays; and not at every single exit."""
    dwell, more = exponential(295, 60.0), exponential(10, 60.0, seed=2)
    dwell.learn(more, 300.0)
    assert dwell.known == 305

    before = dwell.known / sum(dwell.at_risk_s)
    dwell.learn(Dwell(), 300.0 * STEP)
    assert dwell.known == pytest.approx(300.0 * STEP)
    assert dwell.known / sum(dwell.at_risk_s) == pytest.approx(before)


def test_a_copy_goes_its_own_way() -> None:
    """What is added to it is not added to what it was taken from."""
    dwell = exponential(3, 60.0)
    dwell.copy().add(exponential(3, 60.0))
    assert dwell.known == 3


def test_a_job_belongs_to_three_groups() -> None:
    """All jobs, its queue, and its definition whatever the revision; a name that only looks like one stays whole."""
    status = JobStatus.RUNNING
    assert groups_of(status, "q", "align:7") == (
        Group(status, ALL),
        Group(status, QUEUE, "q"),
        Group(status, DEFINITION, "align"),
    )
    for definition in ("align", "align:latest", ":7"):
        assert groups_of(status, "q", definition)[2].name == definition


@pytest.mark.parametrize("group", [Group(JobStatus.RUNNING, ALL), Group(JobStatus.PENDING, DEFINITION, "a b: c")])
def test_a_group_has_one_spelling(group: Group) -> None:
    """It is read back as it was, spaces and all, and knows how much is remembered of it."""
    assert Group.read(str(group)) == group
    assert group.exits_kept == EXITS_KEPT[group.level]


@pytest.mark.parametrize("text", ["", "RUNNING", "RUNNING all", "RUNNING some name"])
def test_what_is_no_group_is_none(text: str) -> None:
    """A word of another release is told, not guessed at."""
    with pytest.raises(ValueError, match=r"group|values"):
        Group.read(text)

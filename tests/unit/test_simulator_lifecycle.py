"""The simulated life of a job is a pure function of seed, id and age."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, median

import msgspec
import pytest

from fleetpoll.jobs import JobStatus
from fleetpoll.lifetimes.stages import Stages
from fleetpoll.simulator.lifecycle import PHASES, Life, Plan, cut, gather, plan_life, summary

LIFE = Life(seed=7, min_ms=60_000, max_ms=600_000, fail_share=0.3, retry_share=0.3, attempts=3)
STAGED = Life(seed=7, stages=Stages(run_s=60, run_sigma=0.5, wait_s=20, wait_sigma=1.0))
IDS = [f"job-{number}" for number in range(500)]
KNOWN = Plan((5000, 10000, 135768, 166839, 553115), succeeds=True, cause=9177)
TWO_ATTEMPTS = Plan((10, 20, 30, 40, 50, 60, 70, 80))


def test_the_same_seed_and_id_give_the_same_life() -> None:
    """A plan depends on seed and id and on nothing else."""
    assert [plan_life(LIFE, job_id) for job_id in IDS] == [plan_life(LIFE, job_id) for job_id in IDS]
    assert plan_life(LIFE, "a") != plan_life(msgspec.structs.replace(LIFE, seed=8), "a")
    assert plan_life(LIFE, "a") != plan_life(LIFE, "b")


def test_a_known_id_has_a_known_life() -> None:
    """The draws do not change between machines, Pythons and releases, so that a seed can be quoted."""
    assert plan_life(LIFE, "job-0") == KNOWN


def test_lives_are_within_their_bounds_and_phases_in_order() -> None:
    """A life ends between MIN and MAX after birth, and no phase ends before it begins."""
    for plan in (plan_life(LIFE, job_id) for job_id in IDS):
        assert 60_000 <= plan.ends_ms[-1] <= 600_000
        assert all(before <= after for before, after in pairwise((0, *plan.ends_ms)))


@pytest.mark.parametrize("life", [LIFE, msgspec.structs.replace(LIFE, stages=STAGED.stages)], ids=["whole", "staged"])
def test_shares_of_failures_and_retries_are_as_asked(life: Life) -> None:
    """About 30 % of the jobs fail after three attempts each; of the others about 30 % were retried."""
    plans = [plan_life(life, job_id) for job_id in IDS]
    failed = [plan for plan in plans if not plan.succeeds]
    others = [plan for plan in plans if plan.succeeds]
    retried = [plan for plan in others if plan.attempts_ended(len(plan.ends_ms)) > 1]
    assert 0.24 < len(failed) / len(plans) < 0.36
    assert all(len(plan.ends_ms) == 11 for plan in failed)
    assert 0.24 < len(retried) / len(others) < 0.36


def test_a_job_passes_through_all_statuses_in_order() -> None:
    """Without retries the statuses follow one another as AWS lists them, and the last one stays."""
    plan = plan_life(msgspec.structs.replace(LIFE, min_ms=6_000, max_ms=6_000, fail_share=0, attempts=1), "a")
    seen = [plan.status(age_ms) for age_ms in range(plan.ends_ms[-1] + 10)]
    assert list(dict.fromkeys(seen)) == [*PHASES[:5], JobStatus.SUCCEEDED]
    assert all(list(JobStatus).index(a) <= list(JobStatus).index(b) for a, b in pairwise(seen))


def test_a_failed_attempt_goes_back_to_runnable() -> None:
    """Between two attempts the status moves from RUNNING to RUNNABLE."""
    assert TWO_ATTEMPTS.status(49) is JobStatus.RUNNING
    assert TWO_ATTEMPTS.status(50) is JobStatus.RUNNABLE
    assert TWO_ATTEMPTS.status(79) is JobStatus.RUNNING
    assert TWO_ATTEMPTS.status(80) is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("age_ms", "started_ms", "ended"),
    [(0, None, 0), (39, None, 0), (40, 40, 0), (49, 40, 0), (50, None, 1), (70, 70, 1), (80, 70, 2), (10**9, 70, 2)],
)
def test_attempts_and_start_follow_from_the_phase(age_ms: int, started_ms: int | None, ended: int) -> None:
    """The start is that of the attempt that runs or ran last, and an attempt counts when it is over."""
    phase = TWO_ATTEMPTS.phase(age_ms)
    assert TWO_ATTEMPTS.started_age_ms(phase) == started_ms
    assert TWO_ATTEMPTS.attempts_ended(phase) == ended


def test_a_cut_plan_ends_failed_at_that_moment() -> None:
    """A job that is ended is FAILED from that very millisecond on, and keeps its past."""
    plan = cut(TWO_ATTEMPTS, 45, "terminate", "enough")
    assert plan.status(44) is JobStatus.RUNNING
    assert plan.status(45) is JobStatus.FAILED
    assert plan.ends_ms == (10, 20, 30, 40, 45)
    assert plan.attempts_ended(plan.phase(45)) == 1
    assert plan.started_age_ms(plan.phase(45)) == 40


def test_a_job_cut_before_it_ran_never_started() -> None:
    """A job that was ended in the queue has neither a start nor an attempt."""
    plan = cut(TWO_ATTEMPTS, 25, "cancel", "enough")
    phase = plan.phase(99)
    assert (plan.status(99), plan.started_age_ms(phase), plan.attempts_ended(phase)) == (JobStatus.FAILED, None, 0)


def test_a_finished_plan_cannot_be_cut() -> None:
    """Ending a finished job changes nothing."""
    assert cut(TWO_ATTEMPTS, 80, "terminate", "late") is TWO_ATTEMPTS


def test_an_array_lives_as_long_as_its_children() -> None:
    """A parent is PENDING from its first RUNNABLE child to the end of its last, and FAILED if one child is."""
    children = [Plan((10, 20, 30, 40, 50)), Plan((5, 12, 30, 40, 90), succeeds=False)]
    parent = gather(children)
    assert [parent.status(age_ms) for age_ms in (11, 12, 89, 90)] == ["SUBMITTED", "PENDING", "PENDING", "FAILED"]
    assert summary(children, 50) == {JobStatus.SUCCEEDED: 1, JobStatus.RUNNING: 1}
    assert gather(children[:1]).status(50) is JobStatus.SUCCEEDED


def stage_lengths_ms(life: Life, phase: int) -> list[int]:
    """How long one phase lasts in each of many lives."""
    plans = [plan_life(life, f"job-{number}") for number in range(4_000)]
    return [plan.ends_ms[phase] - plan.ends_ms[phase - 1] for plan in plans]


def test_stages_have_their_own_medians() -> None:
    """Half of the waits are shorter than 20 s and half of the runs than 60 s, and a life is the sum of its stages."""
    assert median(stage_lengths_ms(STAGED, 2)) == pytest.approx(20_000, rel=0.05)
    assert median(stage_lengths_ms(STAGED, 4)) == pytest.approx(60_000, rel=0.03)
    assert fmean(plan_life(STAGED, job_id).ends_ms[-1] for job_id in IDS) == pytest.approx(STAGED.mean_ms(), rel=0.05)


def test_a_wait_foretells_nothing_of_the_run() -> None:
    """Jobs that waited longer than usual run as long as those that did not."""
    pairs = sorted(zip(stage_lengths_ms(STAGED, 2), stage_lengths_ms(STAGED, 4), strict=True))
    early, late = ([run_ms for _, run_ms in half] for half in (pairs[:2_000], pairs[2_000:]))
    assert median(early) == pytest.approx(median(late), rel=0.05)


def test_each_attempt_waits_and_runs_anew() -> None:
    """A second attempt is no copy of the first, and its own stages are in order."""
    plan = plan_life(msgspec.structs.replace(STAGED, attempts=2, fail_share=1.0), "a")
    lengths = [after - before for before, after in pairwise((0, *plan.ends_ms))]
    assert len(lengths) == 8
    assert min(lengths) >= 0
    assert len(set(lengths)) == 8


@pytest.mark.parametrize(
    "life", [LIFE, STAGED, msgspec.structs.replace(STAGED, fail_share=0.2, retry_share=0.3, attempts=3)], ids=repr
)
def test_a_life_that_is_met_is_as_likely_as_it_is_long(life: Life) -> None:
    """Over the lives that are met, the mean of 1/length is 1 over the mean life of new jobs, retries and all."""
    met = [plan_life(life, f"job-{number}", met=True).ends_ms[-1] for number in range(4_000)]
    assert 1 / fmean(1 / length_ms for length_ms in met) == pytest.approx(life.mean_ms(), rel=0.03)
    assert fmean(met) > 1.1 * life.mean_ms()


def test_failures_use_up_more_of_the_time_than_of_the_jobs() -> None:
    """A fifth of the new jobs fail, after three attempts each; among those under way they are three in seven."""
    life = msgspec.structs.replace(STAGED, fail_share=0.2, attempts=3)
    new, met = ([plan_life(life, job_id, met=met).succeeds for job_id in IDS] for met in (False, True))
    assert new.count(False) / len(new) == pytest.approx(0.2, abs=0.05)
    assert met.count(False) / len(met) == pytest.approx(3 / 7, abs=0.06)

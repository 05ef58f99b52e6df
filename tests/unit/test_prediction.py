"""When a job will end: held against distributions that are known, and against chance itself with a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist, fmean

import msgspec
import pytest

from fleetpoll.cadence.dwell import QUEUE, Dwell, Group, groups_of
from fleetpoll.cadence.prediction import FEW, MIDPOINTS, SHARES, Oracle, Prediction, quantile, summed, thinned
from fleetpoll.jobs import TERMINAL, JobStatus, Snapshot

NOW = 1_800_000_000_000
RUNNABLE, STARTING, RUNNING = JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING
NAME, JOBS_QUEUE = "align:3", "q"
MANY = 6_000
NEAR = 0.1
"""An age bucket is a quarter wide, and all of it has one hazard."""

Draw = Callable[[Random], float]
Pages = dict[Group, Dwell]


def log_normal(median_s: float, sigma: float) -> Draw:
    """Times with this median."""
    return lambda rng: rng.lognormvariate(math.log(median_s), sigma)


WAIT, START, RUN = log_normal(40.0, 0.8), log_normal(12.0, 0.4), log_normal(90.0, 0.5)


def learn(pages: Pages, status: JobStatus, draw: Draw, count: int = MANY, name: str = NAME) -> None:
    """Let so many jobs have been watched through this status."""
    rng = Random(11)
    for _ in range(count):
        dwell_s = draw(rng)
        for group in groups_of(status, JOBS_QUEUE, name):
            pages.setdefault(group, Dwell()).note(0.0, dwell_s, left=True)


def job(status: JobStatus, age_s: float, name: str = NAME) -> Snapshot:
    """A job that has been in its status for so long."""
    since_ms = NOW - round(age_s * 1000)
    times = {"created_ms": since_ms} if status is RUNNABLE else {"started_ms": since_ms} if status is RUNNING else {}
    known = Snapshot(status=status, changed_ms=since_ms, job_queue=JOBS_QUEUE, job_definition=name)
    return msgspec.structs.replace(known, **times)


def lefts_s(pages: Pages, known: Snapshot) -> tuple[float, ...]:
    """The three quantiles of what is left."""
    end = Oracle(pages, NOW).end_of(known)
    assert end is not None
    return tuple(math.inf if at_ms is None else (at_ms - NOW) / 1000 for at_ms in end[:3])


def drawn_s(parts: list[Draw], age_s: float, count: int = 40_000) -> list[float]:
    """The same quantiles by chance: the first part is known to last longer than `age_s`, and the others follow."""
    rng, ends = Random(5), list[float]()
    while len(ends) < count:
        first_s = parts[0](rng)
        if first_s > age_s:
            ends.append(first_s - age_s + sum(part(rng) for part in parts[1:]))
    ends.sort()
    return [ends[int(share * count)] for share in SHARES]


@pytest.mark.parametrize("age_s", [0.0, 40.0, 200.0])
def test_a_run_without_memory_has_always_as_long_to_go(age_s: float) -> None:
    """Of exponential runs, what is left does not depend on the age."""
    pages: Pages = {}
    learn(pages, RUNNING, lambda rng: rng.expovariate(1 / 100))
    expected = [-100 * math.log(1 - share) for share in SHARES]
    assert lefts_s(pages, job(RUNNING, age_s)) == pytest.approx(expected, rel=NEAR)


@pytest.mark.parametrize("age_s", [0.0, 60.0, 150.0])
def test_a_regular_run_ends_when_such_runs_do(age_s: float) -> None:
    """Of log-normal runs, what is left is that of the runs that have lasted as long."""
    pages: Pages = {}
    learn(pages, RUNNING, RUN)
    assert lefts_s(pages, job(RUNNING, age_s)) == pytest.approx(drawn_s([RUN], age_s), rel=NEAR, abs=1.5)


@pytest.mark.parametrize("age_s", [0.0, 30.0, 120.0])
def test_a_job_that_waits_has_its_start_and_its_run_to_come(age_s: float) -> None:
    """The stages are added as independent times are: the quantiles are those of sums drawn by chance."""
    pages: Pages = {}
    for status, draw in ((RUNNABLE, WAIT), (STARTING, START), (RUNNING, RUN)):
        learn(pages, status, draw)
    assert lefts_s(pages, job(RUNNABLE, age_s)) == pytest.approx(drawn_s([WAIT, START, RUN], age_s), rel=NEAR)
    assert lefts_s(pages, job(STARTING, age_s / 10)) == pytest.approx(drawn_s([START, RUN], age_s / 10), rel=NEAR)


def test_a_job_that_was_just_submitted_is_taken_for_one_that_waits() -> None:
    """Both are counted from the creation."""
    pages: Pages = {}
    for status, draw in ((RUNNABLE, WAIT), (RUNNING, RUN)):
        learn(pages, status, draw)
    waiting = job(RUNNABLE, 2.0)
    submitted = msgspec.structs.replace(waiting, status=JobStatus.SUBMITTED)
    assert lefts_s(pages, submitted) == lefts_s(pages, waiting)


def test_a_stage_that_is_seldom_seen_is_seldom_added() -> None:
    """Where a quarter of the jobs was seen STARTING, the wait of the others has lasted until their start."""
    pages: Pages = {}
    for status, draw, count in ((RUNNABLE, WAIT, MANY), (STARTING, log_normal(300.0, 0.1), MANY // 4), (RUNNING, RUN, MANY)):
        learn(pages, status, draw, count)

    def sometimes(rng: Random) -> float:
        return log_normal(300.0, 0.1)(rng) if rng.random() < 0.25 else 0.0

    assert lefts_s(pages, job(RUNNABLE, 0.0)) == pytest.approx(drawn_s([WAIT, sometimes, RUN], 0.0), rel=NEAR)


def test_sums_of_quantiles_are_quantiles_of_sums() -> None:
    """Twenty midpoints of each part are enough for the middle and for both ends."""
    rng = Random(9)
    one, other = ([-mean_s * math.log(1 - share) for share in MIDPOINTS] for mean_s in (10.0, 30.0))
    drawn = sorted(rng.expovariate(1 / 10) + rng.expovariate(1 / 30) for _ in range(50_000))
    found = summed(one, other)
    assert [quantile(found, share) for share in SHARES] == pytest.approx([drawn[int(s * 50_000)] for s in SHARES], rel=0.04)
    assert [quantile(thinned(found), share) for share in SHARES] == pytest.approx(
        [quantile(found, s) for s in SHARES], rel=0.02
    )


def test_a_quantile_beside_one_that_is_not_known_is_not_known() -> None:
    """Between a number and infinity lies no number."""
    assert quantile([1.0, 2.0, math.inf, math.inf], 0.25) == 1.5
    assert quantile([1.0, 2.0, math.inf, math.inf], 0.5) == math.inf
    assert quantile([7.0], 0.9) == 7.0


def test_the_same_job_is_always_told_the_same() -> None:
    """There is no chance in it, and what an oracle keeps for the next job changes nothing."""
    pages: Pages = {}
    for status, draw in ((RUNNABLE, WAIT), (STARTING, START), (RUNNING, RUN)):
        learn(pages, status, draw, 200)
    oracle = Oracle(pages, NOW)
    first = oracle.end_of(job(RUNNABLE, 9.0))
    oracle.end_of(job(RUNNABLE, 70.0))
    assert oracle.end_of(job(RUNNABLE, 9.0)) == first == Oracle(pages, NOW).end_of(job(RUNNABLE, 9.0))


@pytest.mark.parametrize(("median_s", "sigma"), [(60.0, 0.5), (200.0, 1.0), (900.0, 0.2)])
def test_a_handful_of_runs_tells_as_much_as_it_can(median_s: float, sigma: float) -> None:
    """Of thirty runs in a fleet of other ones, as many end by the quantiles as these say, on average over definitions."""
    others: Pages = {}
    learn(others, RUNNING, log_normal(18.0, 0.2), 1_000, "short")
    learn(others, RUNNING, log_normal(120.0, 1.0), 600, "mixed")
    truth, rng, ended = NormalDist(), Random(13), list[list[float]]()
    for _ in range(30):
        pages = {group: dwell.copy() for group, dwell in others.items()}
        learn(pages, RUNNING, lambda _: rng.lognormvariate(math.log(median_s), sigma), 30)
        quantiles = [max(left_s, 1e-3) for left_s in lefts_s(pages, job(RUNNING, 0.0))]
        ended.append([truth.cdf(math.log(left_s / median_s) / sigma) if left_s < math.inf else 1.0 for left_s in quantiles])
    assert [fmean(shares) for shares in zip(*ended, strict=True)] == pytest.approx(SHARES, abs=0.08)


def test_of_a_few_exits_nothing_is_foretold() -> None:
    """One less than enough is too few, of the definition and of its queue; all jobs of the fleet say nothing of this one."""
    pages: Pages = {}
    learn(pages, RUNNING, RUN, FEW - 1)
    assert Oracle(pages, NOW).end_of(job(RUNNING, 1.0)) is None

    learn(pages, RUNNING, RUN, 1)
    end = Oracle(pages, NOW).end_of(job(RUNNING, 1.0))
    assert end is not None
    assert end.known == FEW
    assert Oracle(pages, NOW).end_of(msgspec.structs.replace(job(RUNNING, 1.0, "new"), job_queue="other")) is None


def test_a_definition_that_is_not_known_is_taken_for_what_its_queue_runs() -> None:
    """The level above tells, and says on how much that rests."""
    pages: Pages = {}
    learn(pages, RUNNING, RUN, 50)
    end = Oracle(pages, NOW).end_of(job(RUNNING, 1.0, "new"))
    assert end is not None
    assert end.known == pages[Group(RUNNING, QUEUE, JOBS_QUEUE)].known == 50


def test_a_wait_is_only_as_well_known_as_its_run() -> None:
    """The fewest exits of the stages are told; without any run nothing is."""
    pages: Pages = {}
    learn(pages, RUNNABLE, WAIT, 100)
    assert Oracle(pages, NOW).end_of(job(RUNNABLE, 1.0)) is None
    learn(pages, RUNNING, RUN, 30)
    end = Oracle(pages, NOW).end_of(job(RUNNABLE, 1.0))
    assert end is not None
    assert end.known == 30


def test_a_job_that_takes_longer_than_any_before_has_no_expected_end() -> None:
    """That is said, and how many there were; no hazard is made up for an age that nobody has reached."""
    pages: Pages = {}
    learn(pages, RUNNING, log_normal(60.0, 0.1), 40)
    learn(pages, RUNNING, log_normal(6_000.0, 0.1), 400, "longer")
    assert Oracle(pages, NOW).end_of(job(RUNNING, 500.0)) == Prediction(None, None, None, 40)


def test_what_lies_behind_the_last_exit_is_not_known() -> None:
    """Where most are still running, only the earliest ends are told."""
    pages: Pages = {}
    for number in range(100):
        for group in groups_of(RUNNING, JOBS_QUEUE, NAME):
            pages.setdefault(group, Dwell()).note(0.0, 50.0 if number < 20 else 55.0, left=number < 20)
    end = Oracle(pages, NOW).end_of(job(RUNNING, 30.0))
    assert end is not None
    assert end.p10_ms is not None
    assert (end.p50_ms, end.p90_ms) == (None, None)
    assert end.public() == {"p10": end.p10_ms / 1000, "p50": None, "p90": None, "known": 20}


@pytest.mark.parametrize("status", [JobStatus.UNSEEN, JobStatus.PENDING, JobStatus.UNKNOWN, *sorted(TERMINAL)])
def test_nobody_can_tell_when_such_a_job_ends(status: JobStatus) -> None:
    """One that waits for other jobs, one that was never seen, and one that has ended."""
    pages: Pages = {}
    for known in JobStatus:
        learn(pages, known, RUN, 20)
    assert Oracle(pages, NOW).end_of(job(status, 5.0)) is None


def test_no_end_lies_in_the_past() -> None:
    """Not even if clocks differ and the job has started in our future."""
    pages: Pages = {}
    learn(pages, RUNNING, log_normal(60.0, 0.1), 40)
    for age_s in (-500.0, 0.0, 55.0, 70.0, 79.0):
        assert all(left_s >= 0 for left_s in lefts_s(pages, job(RUNNING, age_s)))

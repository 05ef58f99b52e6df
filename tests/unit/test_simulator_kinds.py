"""Populations of several kinds of jobs, under a clock that is set by hand."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from fleetpoll.jobs import AWS_STATUSES
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.simulator.accounts import Accounts
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.lifecycle import Life
from fleetpoll.simulator.orders import PREFIX, obey
from fleetpoll.simulator.wire import Request

START_MS = 1_700_000_000_000
QUICK = Kind(share=50, job_definition="quick:1", run_s=18, run_sigma=0.2, wait_s=8, wait_sigma=1)
VARIED = Kind(share=30, job_definition="varied:2", run_s=120, run_sigma=1, wait_s=8, wait_sigma=1, job_queue="slow")
LONG = Kind(share=20, job_definition="long", run_s=720, run_sigma=0.15, wait_s=8, wait_sigma=1)
KINDS = [QUICK, VARIED, LONG]
RETRIED = {"fail_share": 0.1, "retry_share": 0.1, "attempts": 3}


class Rig:
    """An account whose clock stands until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.accounts = Accounts(SimulatorConfig(seed=7, fail_share=0, retry_share=0), lambda: self.now_ms)
        self.account = self.accounts.default

    def order(self, **fields: Any) -> tuple[int, Any]:
        """The status and the answer of an order for jobs."""
        request = Request("POST", PREFIX + "populate", "", msgspec.json.encode(fields), keep_alive=True)
        response = asyncio.run(obey(self.accounts, request))
        return response.status, msgspec.json.decode(response.body)

    def populate(self, count: int, **fields: Any) -> list[str]:
        """The ids of new jobs."""
        status, ids = self.order(count=count, **fields)
        assert status == 200, ids
        return list(ids)

    def definitions(self) -> Counter[str]:
        """How many of the living are of each definition."""
        self.account.population.advance(self.now_ms)
        return self.count(self.account.population.living)

    def count(self, ids: Any) -> Counter[str]:
        """How many of these jobs are of each definition."""
        return Counter(self.account.population.jobs[job_id].template.look.job_definition for job_id in ids)

    def statuses(self) -> Counter[str]:
        """How many of the living are in each status, none included."""
        jobs, living = self.account.population.jobs, self.account.population.living
        counts: Counter[str] = Counter(dict.fromkeys(AWS_STATUSES, 0))
        counts.update(jobs[job_id].status(self.now_ms) for job_id in living)
        return counts

    def run(self, seconds: int, live: int, **newcomers: Any) -> int:
        """Let time pass, with a new job for each that ends; how many ended."""
        ended = 0
        for _ in range(seconds):
            self.now_ms += 1_000
            self.account.population.advance(self.now_ms)
            missing = live - len(self.account.population.living)
            ended += missing
            if missing:
                self.populate(missing, **newcomers)
        return ended


def mean_life_s(**retries: Any) -> float:
    """The mean life of new jobs of all kinds."""
    lives = [Life(seed=7, stages=kind, **retries).mean_ms() / 1000 for kind in KINDS]
    return sum(kind.share / 100 * life_s for kind, life_s in zip(KINDS, lives, strict=True))


def shares(counts: Counter[str]) -> dict[str, float]:
    """Counts as shares of their sum."""
    return {name: count / counts.total() for name, count in counts.items()}


def test_new_jobs_are_of_the_kinds_in_their_shares() -> None:
    """Half of the arrivals are of the first kind, in its queue with its definition; a revision of none is the first."""
    rig = Rig()
    found = shares(rig.count(rig.populate(4_000, kinds=KINDS)))
    assert found == pytest.approx({"quick:1": 0.5, "varied:2": 0.3, "long:1": 0.2}, abs=0.03)
    looks = [job.template.look for job in rig.account.population.jobs.values()]
    assert {look.job_queue for look in looks if look.job_definition == "varied:2"} == {"slow"}
    assert {job.created_ms for job in rig.account.population.jobs.values()} == {START_MS}


def test_the_kind_of_a_job_follows_from_seed_and_id() -> None:
    """Two accounts of one seed have the same jobs, however the orders are cut."""
    one, other = Rig(), Rig()
    one.populate(300, kinds=KINDS, steady=True)
    for _ in range(3):
        other.populate(100, kinds=KINDS, steady=True)
    plans = [
        {job_id: (job.plan, job.template.look, job.created_ms) for job_id, job in rig.account.population.jobs.items()}
        for rig in (one, other)
    ]
    assert plans[0] == plans[1]


def test_an_order_without_kinds_makes_the_jobs_it_always_made() -> None:
    """What a seed meant before there were kinds it still means: ids, births and lives."""
    rig = Rig()
    (job_id,) = rig.populate(1, life_min_s=100, life_max_s=200, spread_s=50)
    job = rig.account.population.jobs[job_id]
    assert (job_id, job.created_ms - START_MS) == ("ca8118dd-67a6-4fa6-83b0-d0f5ebe24756", -6_976)
    assert job.plan.ends_ms == (1_391, 4_826, 32_903, 42_967, 177_206)


@pytest.mark.parametrize("retries", [{}, RETRIED], ids=["once", "retried"])
def test_a_steady_population_stays_as_it_was_met(retries: dict[str, Any]) -> None:
    """With a new job for each that ends it keeps its mixture, statuses and rate of ends from the first second on."""
    rig, live = Rig(), 4_000
    rig.populate(live, kinds=KINDS, steady=True, **retries)
    mix, statuses = shares(rig.definitions()), shares(rig.statuses())
    expected = 120 * live / mean_life_s(**retries)
    first = rig.run(120, live, kinds=KINDS, **retries)
    rig.run(1_080, live, kinds=KINDS, **retries)
    later = rig.run(120, live, kinds=KINDS, **retries)
    assert [first, later] == pytest.approx([expected, expected], rel=0.08)
    assert mix == pytest.approx(shares(rig.definitions()), abs=0.03)
    assert statuses == pytest.approx(shares(rig.statuses()), abs=0.02)


def test_who_lives_long_is_met_more_often() -> None:
    """The part of a kind among the living is its share of the arrivals times its mean life."""
    rig = Rig()
    rig.populate(4_000, kinds=KINDS, steady=True)
    lived = {"quick:1": QUICK, "varied:2": VARIED, "long:1": LONG}
    expected = {name: kind.share / 100 * kind.mean_ms(1) / 1000 / mean_life_s() for name, kind in lived.items()}
    assert shares(rig.definitions()) == pytest.approx(expected, abs=0.025)


def test_a_fresh_population_is_not_steady() -> None:
    """Jobs that are all new end in waves: what a steady population is there to avoid."""
    rig, live = Rig(), 2_000
    rig.populate(live, kinds=[QUICK])
    waves = [rig.run(10, live, kinds=[QUICK]) for _ in range(3)]
    assert waves[0] < 0.1 * waves[2]


def test_uniform_lives_can_be_steady_as_well() -> None:
    """Lives of 10 to 190 s, a hundred on average: of 2,000 jobs twenty end each second, from the first on."""
    rig, live = Rig(), 2_000
    lives = {"life_min_s": 10, "life_max_s": 190}
    rig.populate(live, steady=True, **lives)
    assert [rig.run(50, live, **lives) for _ in range(4)] == pytest.approx([1_000] * 4, rel=0.1)


def test_a_start_before_a_job_was_there_is_nobodys_lag() -> None:
    """A job that is met while it runs may have begun long ago; nobody could have noticed that."""
    rig = Rig()
    ids = rig.populate(200, kinds=[LONG], steady=True)
    rig.now_ms += 2_000
    seen = [rig.account.population.jobs[job_id].seen(rig.now_ms) for job_id in ids]
    starts = [started_ms for _, status, started_ms, _ in seen if status == "RUNNING"]
    assert len(starts) > 150
    assert all(started_ms == 0 or START_MS <= started_ms <= rig.now_ms for started_ms in starts)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"steady": True, "spread_s": 5}, "give no spread_s with it"),
        ({"kinds": [QUICK], "life_min_s": 5}, "give no life_min_s and life_max_s"),
        ({"kinds": [QUICK], "fail_share": 1.5}, "fail_share is 1.5: give a share from 0 to 1"),
        ({"kinds": [{"job_definition": "d", "run_s": -1}]}, "run_s is -1: give a median above 0"),
        ({"kinds": [{"job_definition": "d", "run_s": 1, "share": 0}]}, "share is 0: give a number above 0"),
        ({"kinds": [{"job_definition": "d", "run_s": 1, "colour": 0}]}, "unknown field `colour`"),
        ({"kinds": [{"run_s": 1}]}, "missing required field `job_definition`"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(fields: dict[str, Any], sentence: str) -> None:
    """A wrong order makes no job, and is answered with a sentence."""
    rig = Rig()
    status, answer = rig.order(count=5, **fields)
    assert status == 400
    assert re.search(re.escape(sentence), answer["message"])
    assert rig.account.population.jobs == {}

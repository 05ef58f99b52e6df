"""The law of the learned cadence. What becomes of a whole fleet that keeps to it is in test_forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import fmean

import pytest

from fleetpoll.cadence.ages import BUCKETS, bucket_at
from fleetpoll.cadence.choice import Choice
from fleetpoll.cadence.dwell import Groups
from fleetpoll.cadence.elastic import Elastic, Even
from fleetpoll.cadence.learned import (
    GUARD,
    HORIZON_S,
    KAPPA,
    LEAST_S,
    PRICE_START,
    PRICE_USUAL,
    STEP_MIN,
    WAITING_SHARE,
    Learned,
)
from fleetpoll.cadence.policy import Allowed, Standing
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import WEIGHTS, load

RUNNING, RUNNABLE, PENDING, UNSEEN = JobStatus.RUNNING, JobStatus.RUNNABLE, JobStatus.PENDING, JobStatus.UNSEEN
SCARCE, AMPLE = Allowed(0.5, 10_000, 10.0), Allowed(5.0, 100, 10.0)  # a sweep takes 10 s; 0.1 s


@dataclass
class Known:
    """What is known, as the test says: a constant hazard by status, unless a bucket has its own."""

    exits: float = 1e9
    rates: Mapping[JobStatus, float] = field(default_factory=lambda: {RUNNING: 0.01, RUNNABLE: 0.01})
    by_bucket: Mapping[int, float] = field(default_factory=dict)

    def hazards(self, groups: Groups) -> tuple[float, ...]:
        """The hazards of the groups' status."""
        rate = self.rates.get(groups[0].status, 0.01)
        return tuple(self.by_bucket.get(bucket, rate) for bucket in range(BUCKETS))

    def known(self, groups: Groups) -> float:
        """The same of all groups."""
        del groups
        return self.exits


@dataclass
class Counted(Known):
    """The same, with the number of questions."""

    asked: int = 0

    def hazards(self, groups: Groups) -> tuple[float, ...]:
        """One question more."""
        self.asked += 1
        return super().hazards(groups)

    def known(self, groups: Groups) -> float:
        """One question more."""
        self.asked += 1
        return super().known(groups)


def law(
    known: Known | None = None,
    allowed: Allowed = SCARCE,
    price: float = -6.0,
    *,
    lead_s: float = 0.0,
    overdue_s: float = 0.0,
) -> Learned:
    """The law for the jobs of one call."""
    return Learned(allowed, known or Known(), WEIGHTS, price, lead_s, overdue_s)


def running(age_s: float) -> Standing:
    """A job that runs."""
    return Standing(RUNNING, age_s, age_s, "q", "d:1")


def mean_delay_s(cadence: Learned, job: Standing) -> float:
    """What the jitter leaves."""
    rng = Random(1)
    return fmean(cadence.delay_s(job, rng) for _ in range(400))


@pytest.mark.parametrize("rate", [0.0005, 0.002, 0.01])
def test_looks_come_in_proportion_to_the_square_root_of_the_hazard(rate: float) -> None:
    """For a constant hazard λ the delay is about √(2·price/λ)."""
    price = math.exp(-8.0) * SCARCE.sweep_s**2

    assert mean_delay_s(law(Known(rates={RUNNING: rate}), price=-8.0), running(60.0)) == pytest.approx(
        math.sqrt(2 * price / rate), rel=0.03
    )


def test_a_higher_price_means_fewer_looks() -> None:
    """Four times the price is about twice the delay."""
    cheap, dear = (mean_delay_s(law(price=price), running(60.0)) for price in (-8.0, -8.0 + math.log(4)))

    assert dear == pytest.approx(2 * cheap, rel=0.05)


def test_the_price_follows_the_square_of_the_sweep() -> None:
    """Three times the jobs at the same rate are looked at a third as often, at once and with the price as it stands."""
    one, three = (law(allowed=Allowed(0.5, live, 10.0)) for live in (10_000, 30_000))

    assert mean_delay_s(three, running(60.0)) == pytest.approx(3 * mean_delay_s(one, running(60.0)), rel=0.08)


def test_what_users_wait_for_less_is_looked_at_less() -> None:
    """A hundred times the weight is ten times the looks."""
    weights = WEIGHTS | {"RUNNING": 0.01}
    plain = mean_delay_s(law(price=-10.0), running(60.0))
    light = mean_delay_s(Learned(SCARCE, Known(), weights, -10.0), running(60.0))

    assert light == pytest.approx(10 * plain, rel=0.1)


def test_a_job_is_left_alone_until_such_jobs_end() -> None:
    """Long before the usual end the next look is far off, but not farther than the guard; at the usual end it is close."""
    window = bucket_at(3_600.0)
    known = Known(rates={RUNNING: 1e-7}, by_bucket={window: 0.01})
    early, late = (mean_delay_s(law(known), running(age_s)) for age_s in (600.0, 3_600.0))

    assert early == pytest.approx(GUARD * SCARCE.sweep_s, rel=0.02)
    assert late < 0.2 * early


def test_the_look_before_the_usual_end_falls_into_it() -> None:
    """A job that is nearly due to end is looked at soon after its time has come, not at a moment of the guard's."""
    window = bucket_at(3_600.0)
    known = Known(rates={RUNNING: 1e-7}, by_bucket={window: 0.05})
    age_s = next(age for age in range(2_000, 3_600) if bucket_at(age + 20.0) == window)

    delay_s = mean_delay_s(law(known, price=-9.0), running(age_s))

    assert 20.0 <= delay_s <= 25.0


def test_a_delay_does_not_outlast_a_dip_of_the_rate() -> None:
    """At a hundredth of a call a second no job is put off for hours, and the price does not run away over it."""
    dip = law(Known(rates={RUNNING: 1e-6}), Allowed(5.0, 10_000, 0.01), price=0.0)

    assert mean_delay_s(dip, running(600.0)) == pytest.approx(HORIZON_S, rel=0.02)
    assert abs(dip.price_step) < 0.01
    assert mean_delay_s(law(Known(rates={RUNNING: 1e-6}), Allowed(3_600.0, 10, 10.0), 0.0), running(6e5)) > HORIZON_S


def test_nobody_is_hammered() -> None:
    """However sure an end is, a job is not looked at again at once."""
    assert mean_delay_s(law(Known(rates={RUNNING: 100.0})), running(60.0)) >= 0.95 * LEAST_S


def test_a_job_that_waits_is_looked_at_before_it_could_have_run_unseen() -> None:
    """One job in ten runs for less than the time that one of its definition is left alone before its start."""
    known = Known(rates={RUNNABLE: 1e-6, RUNNING: 0.01})
    tenth_s = -math.log(0.9) / 0.01

    delay_s = mean_delay_s(law(known, price=PRICE_START), Standing(RUNNABLE, 5.0, 5.0))

    assert delay_s == pytest.approx(tenth_s, rel=0.02)


def test_a_submitted_job_may_be_about_to_start() -> None:
    """One that was last seen SUBMITTED is looked at no later than if it were RUNNABLE already."""
    known = Known(rates={JobStatus.SUBMITTED: 1e-6, RUNNABLE: 0.1, RUNNING: 1e-6})
    submitted, runnable = (
        mean_delay_s(law(known), Standing(status, 9.0, 9.0)) for status in (JobStatus.SUBMITTED, RUNNABLE)
    )

    assert submitted == pytest.approx(runnable, rel=0.02)


def test_a_pending_job_may_be_a_parent_that_ends_next() -> None:
    """The parent of an array is PENDING while its children run: it is looked at about once a sweep."""
    known = Known(rates={PENDING: 1e-6, RUNNING: 1e-6})

    delay_s = mean_delay_s(law(known, price=PRICE_START), Standing(PENDING, 600.0, 600.0))

    assert delay_s == pytest.approx(WAITING_SHARE * 10.0, rel=0.02)


@pytest.mark.parametrize("waiting", [PENDING, RUNNABLE])
def test_those_who_wait_do_not_take_the_looks_of_those_who_run(waiting: JobStatus) -> None:
    """However few of the jobs run, they are looked at about once a sweep, and the price comes to rest."""
    known, rng, price = Known(rates={waiting: 1e-6, RUNNING: 0.01}), Random(1), PRICE_USUAL
    for _ in range(800):
        call = law(known, Allowed(0.5, 4_000, 1.0), price)  # a sweep takes 40 s, one job in ten runs for less than 11 s
        for _ in range(99):
            call.delay_s(Standing(waiting, 600.0, 600.0, "q", "d:1"), rng)
        running_s = call.delay_s(running(600.0), rng)
        price += call.price_step

    assert price < PRICE_USUAL + 0.5
    assert running_s < 1.5 * 40.0


def test_what_is_known_of_a_sort_of_jobs_is_looked_up_once_a_call() -> None:
    """A hundred jobs of one definition cost no more questions than one."""
    known = Counted()
    cadence = Learned(SCARCE, known, WEIGHTS, -10.0)
    for age_s in range(50):
        cadence.delay_s(running(float(age_s)), Random(1))
        cadence.delay_s(Standing(RUNNABLE, 1.0, float(age_s), "q", "d:1"), Random(1))

    assert known.asked == 2 + 3  # for who runs: exits, hazard; for who waits: how long a run is, as well


def test_who_knows_nothing_sweeps_evenly() -> None:
    """Without any exits seen the delay is a sweep, whatever the price; a job that was never seen has no other."""
    for price in (-12.0, -6.0, 0.0):
        assert mean_delay_s(law(Known(exits=0.0), price=price), running(600.0)) == pytest.approx(10.0, rel=0.02)
        assert mean_delay_s(law(price=price), Standing(UNSEEN, 600.0)) == pytest.approx(10.0, rel=0.02)


def test_knowledge_is_believed_bit_by_bit() -> None:
    """The more exits were seen, the nearer a delay is to that of the law."""
    delays = [mean_delay_s(law(Known(exits=exits), price=-9.0), running(600.0)) for exits in (0, 5, 30, 200, 1e9)]

    assert delays == sorted(delays, reverse=True)
    assert delays[2] == pytest.approx(math.sqrt(delays[0] * delays[-1]), rel=0.02)


def test_while_calls_are_ample_freshness_is_the_rhythm() -> None:
    """The price is what looks every `freshness` cost, and a status that may be staler has a higher one."""
    fresh = mean_delay_s(law(allowed=AMPLE), running(600.0))
    staler = Allowed(5.0, 100, 10.0, {"RUNNING": 20.0})

    assert fresh == pytest.approx(mean_delay_s(law(allowed=Allowed(0.5, 5_000, 10.0)), running(600.0)), rel=0.02)
    assert mean_delay_s(law(allowed=staler), running(600.0)) == pytest.approx(4 * fresh, rel=0.2)


def test_a_call_is_planned_ahead_by_the_wait_for_its_token() -> None:
    """A job is due so much before its look as claims are made before calls, but never by more than half a sweep."""
    plain, led, paused = (mean_delay_s(law(lead_s=lead_s), running(600.0)) for lead_s in (0.0, 1.0, 60.0))

    assert plain - led == pytest.approx(1.0, abs=1e-6)
    assert plain - paused == pytest.approx(5.0, abs=1e-6)


def steps(mean_s: float, *, ended: int = 0, overdue_s: float = 0.0, live: int = 10_000) -> float:
    """The step of the price after a call whose delays were so long on average, and that saw so many ends."""
    allowed = Allowed(0.5, live, live / 1_000)  # a sweep takes 10 s
    cadence = law(Known(rates={RUNNING: 1e-9}), allowed, overdue_s=overdue_s)
    cadence.looks, cadence.planned_s, cadence.wanted_s = 100 - ended, mean_s * (100 - ended), 10.0 * (100 - ended)
    for _ in range(ended):
        cadence.ended()
    return cadence.price_step


def test_the_price_rises_while_more_looks_are_asked_for_than_affordable() -> None:
    """Delays of less than a sweep on average raise it, longer ones lower it, those of a sweep leave it."""
    assert steps(5.0) == pytest.approx(KAPPA * 0.01 * 2 * 0.5)
    assert steps(20.0) == pytest.approx(KAPPA * 0.01 * 2 * -1.0)
    assert steps(10.0) == 0.0
    assert steps(1_000.0) == pytest.approx(KAPPA * 0.01 * 2 * STEP_MIN)


def test_an_end_frees_a_place() -> None:
    """A look that saw an end counts as no delay: whoever comes next takes a look for it."""
    assert steps(20.0, ended=50) == pytest.approx(0.0, abs=1e-12)


def test_an_overdue_schedule_makes_looks_dearer_no_more_than_twice() -> None:
    """Workers that cannot make their calls ask for fewer; a long outage does not throw the price."""
    assert steps(10.0, overdue_s=0.4) == 0.0
    assert 0.0 > -steps(10.0, overdue_s=2.0) > -steps(10.0, overdue_s=60.0)
    assert steps(20.0, overdue_s=3_600.0) == 0.0


def test_a_small_fleet_moves_the_price_with_its_own_share_only() -> None:
    """A call cannot say more than all jobs at once, and one without jobs says nothing."""
    assert steps(5.0, live=20) == pytest.approx(KAPPA * 2 * 0.5)
    assert law().price_step == 0.0
    assert law(allowed=Allowed(0.5, 0, 10.0)).price_step == 0.0


@pytest.mark.parametrize(("name", "kind"), [("learned", Learned), ("elastic", Elastic), ("even", Even)])
def test_the_cadence_is_a_setting(name: str, kind: type) -> None:
    """Each of the three is made on demand, and only one of them learns."""
    choice = Choice(load({}, flags={"cadence": name}))
    cadence = choice.cadence(choice.allowed(100, 10.0, 0.0), None, 0.0, 0.0)

    assert type(cadence) is kind
    assert choice.learns is (name == "learned")
    assert cadence.price_step == 0.0
    assert getattr(cadence, "price", PRICE_START) == PRICE_START

"""What a case tells a simulator and a fleet, and how it is written down."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from benchmarks import results
from benchmarks.contenders.catalogue import CONTENDERS
from benchmarks.scenarios.cases import Case, Phase
from benchmarks.scenarios.learning import CADENCES, LEARNING, RARE
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.settings import Settings

SHORT = Kind(job_definition="step:1", run_s=60)
LONGER = Kind(job_definition="step:1", run_s=120)
BEFORE, CHANGED, AFTER = Phase("before", 60), Phase("changed", 60, limit=5, kinds=(LONGER,)), Phase("after", 120)
PLAIN = Case(name="plain", contenders=("fleetpoll",), phases=(BEFORE,), live=1000, limit=10, rate=10)
OF_KINDS = replace(PLAIN, kinds=(SHORT,), phases=(BEFORE, CHANGED, AFTER))


def test_what_a_phase_changes_holds_from_then_on() -> None:
    """New jobs and the limit are those of the latest phase that says so, and the case's own before that."""
    assert [OF_KINDS.newcomers(phase)["kinds"] for phase in OF_KINDS.phases] == [(SHORT,), (LONGER,), (LONGER,)]
    assert [OF_KINDS.limit_in(phase) for phase in OF_KINDS.phases] == [10, 5, 5]


def test_jobs_of_kinds_are_met_amid_their_lives() -> None:
    """Where there are kinds the population is steady from the first second; where there are none it is spread as ever."""
    assert OF_KINDS.crowd() == {"kinds": (SHORT,), "steady": True}
    assert (PLAIN.crowd(), PLAIN.newcomers(BEFORE)) == ({"spread_s": 300}, {})


def test_a_method_names_only_what_applies() -> None:
    """A case without kinds is written as it was before there were any, so that its measurements go on fitting together."""
    plain, of_kinds = results.plain(PLAIN.described()), results.plain(OF_KINDS.described())
    assert plain["life_s"] == [60, 300]
    assert plain["phases"] == [{"name": "before", "seconds": 60, "limit": None, "shown": True}]
    assert "kinds" not in plain
    assert "life_s" not in of_kinds
    assert of_kinds["kinds"]["run_s"] == [60]
    assert [phase.get("kinds", {}).get("run_s") for phase in of_kinds["phases"]] == [None, [120], None]


def test_jobs_are_expected_at_the_pace_of_their_kinds() -> None:
    """A thousand jobs of a minute and a bit are a thousand more each minute and a bit, for four minutes."""
    life_s = SHORT.mean_ms(1) / 1000
    assert OF_KINDS.jobs_expected() == pytest.approx(1000 * (1 + 240 / life_s), abs=1)


@pytest.mark.parametrize("case", LEARNING, ids=lambda case: case.name)
def test_the_cadences_differ_in_nothing_else(case: Case) -> None:
    """The contenders are the same fleet under the same settings, but for the cadence."""
    assert case.contenders == CADENCES
    for name in case.contenders:
        contender = CONTENDERS[name]
        settings = msgspec.structs.replace(case.settings(), **contender.settings)
        assert msgspec.structs.replace(settings, cadence=Settings().cadence) == case.settings()
        assert (settings.cadence, contender.words) == (name, ())


def test_rare_definitions_are_all_different() -> None:
    """Two hundred names and medians, from 20 s to ten minutes."""
    kinds = LEARNING[-1].kinds
    assert len({kind.job_definition for kind in kinds}) == len({kind.run_s for kind in kinds}) == RARE
    assert (kinds[0].run_s, kinds[-1].run_s) == pytest.approx((20, 600))

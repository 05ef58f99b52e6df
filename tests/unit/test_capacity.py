"""The capacity sheet, and the page whose figures all follow from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.model import papers
from benchmarks.model.capacity import HERE, RESULTS, Demand, basis, even_hours, pushed, sheet, tiered
from benchmarks.model.crews import Crew, play

GROUNDS = basis()
FIGURES = sheet(Demand(), GROUNDS)


def test_the_page_follows_from_the_files() -> None:
    """No figure of the page is typed: rendered again from the committed results, it is what stands there."""
    assert papers.PAGE.read_text(encoding="utf-8") == papers.page()


def test_what_the_page_says_in_words_is_so() -> None:
    """Sentences that compare hold for the figures that they compare."""
    f = FIGURES
    assert f["shard_gb"] < 13 / 2
    assert f["shard_gbit"] < 0.937
    assert f["finished_default_gb"] > 10 * f["live_gb"]
    assert f["beats_cores"] < f["beats_together_cores"] / 10
    assert f["hosts_by_memory"] < min(f["hosts_by_core"], f["hosts_by_network"])
    assert f["processes"] > 10 * f["poller_cores"]
    assert f["nat_usd"] > 10 * f["month_usd"]
    assert f["endpoint_usd"] > f["month_usd"]
    assert f["even_ends_h"] < f["even_all_h"]
    assert f["fullest_busy"] < 1
    crews = {row["processes"]: row for row in papers.rows(RESULTS, "crews") if row["name"] == "all are busy"}
    assert 0.88 * crews[80]["wanted"] < crews[80]["made"] < 0.95 * crews[80]["wanted"]
    assert crews[100]["made"] > 0.97 * crews[100]["wanted"]
    assert round(crews[100]["asks"]) == f["asks_per_call"]


def test_the_sheet_by_hand() -> None:
    """The sweep, the bound, the calls and the cores of the page's case, computed apart."""
    f = FIGURES
    assert (f["live"], f["calls"]) == (10**8, 10**4)
    assert (f["sweep_s"], f["bound_s"], f["rate_for_5_s"]) == (100, 50, 100)
    per_call_ms = f["call_server_ms"] + f["asks_per_call"] * f["ask_us"] / 1_000
    beats_ms = f["service_processes"] / f["beat_s"] * f["beat_us"] / 1_000
    assert f["redis_cores"] == pytest.approx(10 * per_call_ms + beats_ms)
    assert f["poller_cores"] == pytest.approx(10 * f["look_ms"])
    assert f["in_flight"] == pytest.approx(2_000)
    assert f["answers_gbit"] == pytest.approx(f["answer_bytes"] * 8 / 1_000)
    assert f["month_usd"] == pytest.approx(f["pollers_usd"] + f["addresses_usd"] + f["redis_usd"])


def test_tenfold_demand_is_about_tenfold_cost() -> None:
    """What is bought grows with the accounts; the lag does not."""
    few, many = FIGURES, sheet(Demand(accounts=10_000), GROUNDS)
    assert many["bound_s"] == few["bound_s"]
    assert many["month_usd"] / few["month_usd"] == pytest.approx(10, rel=0.05)


def test_a_tier_is_paid_at_its_own_price() -> None:
    """The first pieces cost what the first tier says, however many follow."""
    tiers = ((10.0, 2.0), (20.0, 1.0), (None, 0.5))
    assert [tiered(tiers, count) for count in (0, 5, 10, 15, 30)] == [0, 10, 20, 25, 35]


def test_both_ways_cost_the_same_where_the_page_says_so() -> None:
    """At the break-even life, what EventBridge and SQS cost is what fleetpoll costs."""
    hours = even_hours(FIGURES["live"], FIGURES["month_usd"], GROUNDS)
    events = FIGURES["live"] / (hours * 3_600) * GROUNDS.month_s
    assert pushed(events, GROUNDS) == pytest.approx(FIGURES["month_usd"], rel=1e-3)


def test_a_measured_coefficient_replaces_the_goal(tmp_path: Path) -> None:
    """As soon as a result is there the page counts with it, and says where it is from."""
    measured = {
        "contender": "poller",
        "case": "any",
        "runs": [{"phases": {"all": {"figures": {"look_ms": value}}}} for value in (3.0, 9.0, 4.0)],
    }
    other = measured | {"contender": "floor", "runs": [{"phases": {"all": {"figures": {"look_ms": 1.0}}}}]}
    (tmp_path / "look.json").write_text(json.dumps({"measurements": [measured, other]}), encoding="utf-8")
    found = basis(tmp_path)
    assert (found.values["look_ms"], found.sources["look_ms"]) == (4.0, "measured, `look`")
    assert found.sources["call_server_ms"] == "goal"


def test_every_price_has_a_source_and_a_date() -> None:
    """A price is a number of AWS's list, with the page it is from and the month it was so."""
    listed = json.loads((HERE / "prices.json").read_text(encoding="utf-8"))["prices"]
    for name, entry in listed.items():
        assert entry["source"].startswith("https://aws.amazon.com/"), name
        assert len(entry["as_of"]) == len("2026-01"), name
        assert ("value" in entry) != ("tiers" in entry), name


def test_enough_processes_carry_all_fleets() -> None:
    """Given time to spare, each of some fleets gets what it is allowed; given too little, all of them lack alike."""
    ample = play(Crew("", 4, 14), warm_s=10, counted_s=20)
    scarce = play(Crew("", 4, 5), warm_s=10, counted_s=20)
    assert ample.made == pytest.approx(40, rel=0.05)
    assert ample.worst > 0.9
    assert scarce.busy > 0.95
    assert scarce.worst > 0.8 * scarce.made / scarce.wanted


def test_a_service_that_is_just_short_of_processes_uses_all_that_it_has() -> None:
    """They wait for one token at a time; with a place in every row they would idle while tokens are not used."""
    one, every = (play(Crew("", 12, 24, places=places), warm_s=20, counted_s=20) for places in (1, 12))
    assert one.busy > 0.97
    assert one.made > 1.05 * every.made


def test_the_model_of_one_account_is_there_for_the_page() -> None:
    """The page quotes the model; its rows are among the results."""
    assert {row["jobs"] for row in papers.rows(RESULTS, "scale")} >= {10_000, 100_000}

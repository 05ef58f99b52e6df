"""`fleetpoll plan`: the console script, with neither a Redis nor an AWS to ask."""

from __future__ import annotations

import pytest

from tests.integration.cli_helpers import Cli

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def cli() -> Cli:
    """The script; whatever asks Redis fails."""
    return Cli(NOWHERE, "planned")


def test_a_plan_says_what_to_expect_and_what_to_set(cli: Cli) -> None:
    """Names and values, and one line of advice."""
    done = cli("plan", "--jobs", "50000", "--rate", "10", "--lag", "5")

    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.partition(" ")[0]: line for line in done.stdout.splitlines()}
    assert "50,000 live, running for 5 m to 60 m each" in lines["jobs"]
    assert "learned, of a fleet that has seen enough of these jobs" in lines["cadence"]
    assert "10 calls/s" in lines["allowance"]
    assert "100% of the allowance, 100.0 ids a call" in lines["calls"]
    assert "50 s for a look at every job; an even one has a mean lag of 25 s" in lines["sweep"]
    assert "p99" in lines["lag"]
    assert lines["For"].startswith("For a mean lag of 5.0 s you need about ")


def test_a_plan_is_one_object(cli: Cli) -> None:
    """Programs get the same figures, the quantiles of the lag, and what is needed."""
    (plan,) = cli.objects("plan", "--jobs", "10000", "--life", "600:7200", "--lag", "2.6")

    assert (plan["jobs"], plan["rate"], plan["freshness_s"], plan["workers"]) == (10_000, 10.0, 5.0, 4)
    assert (plan["life_s"], plan["sweep_s"], plan["bound_s"], plan["wanted_lag_s"]) == ([600.0, 7200.0], 10.0, 5.0, 2.6)
    assert plan["cadence"] == "learned"
    assert 3.5 < plan["lag_mean_s"] < 4.6
    assert len(plan["lag_cdf_s"]) == 101
    assert 10 < plan["needed"]["rate"] < 25
    assert plan["advice"].startswith("For a mean lag of 2.6 s you need about ")


@pytest.mark.parametrize(
    ("cadence", "words", "low", "high"), [("elastic", (), 0.92, 1.02), ("even", ("--cadence", "even"), 1.0, 1.1)]
)
def test_a_plan_is_of_the_cadence_that_is_set(
    cli: Cli, cadence: str, words: tuple[str, ...], low: float, high: float
) -> None:
    """The environment says which, and an option wins over it; what cannot learn is near the bound of an even sweep."""
    (plan,) = cli.objects("plan", "--jobs", "10000", *words, FLEETPOLL_CADENCE="elastic")

    assert plan["cadence"] == cadence
    assert low < plan["lag_mean_s"] / plan["bound_s"] < high


def test_rate_freshness_and_workers_are_the_settings(cli: Cli) -> None:
    """What the environment sets counts, and an option wins over it; the lag that is wanted is the freshness."""
    env = {"FLEETPOLL_RATE": "40", "FLEETPOLL_FRESHNESS": "8", "FLEETPOLL_WORKERS": "2"}
    (plan,) = cli.objects("plan", "--jobs", "900", "-n", "3", "--cadence", "even", **env)

    assert (plan["rate"], plan["freshness_s"], plan["workers"], plan["wanted_lag_s"]) == (40.0, 8.0, 3, 8.0)


def test_a_lag_below_the_freshness_says_so(cli: Cli) -> None:
    """More calls do not help against a freshness that forbids them."""
    done = cli("plan", "--jobs", "50000", "--lag", "1", "--cadence", "even")

    assert " calls/s and a freshness of 1." in done.stdout
    assert " workers." in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--jobs", "0"), "0 jobs need no plan"),
        (("--jobs", "5", "--lag", "-1"), "A mean lag of -1 s cannot be planned"),
        (("--jobs", "5", "--lag", "nan"), "A mean lag of nan s cannot be planned"),
        (("--jobs", "5", "--life", "9:3"), "give 0 < MIN <= MAX"),
        (("--jobs", "5", "--life", "soon"), "is not MIN:MAX in seconds"),
        (("--jobs", "5", "--rate", "0"), "rate = '0' will not do"),
        (("--jobs", "5", "--cadence", "odd"), "cadence = 'odd' will not do"),
        (("--jobs", "999999999999999", "--rate", "0.01"), "raise the rate"),
        ((), "--jobs"),
    ],
)
def test_nonsense_is_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, a sentence, and no figures."""
    done = cli("plan", *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr

"""The page that Prometheus reads: names, kinds, labels and values, and what promtool thinks of it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.registry import Collector

from fleetpoll.figures import LAG_S, Figures, Histogram, Totals
from fleetpoll.jobs import JobStatus
from fleetpoll.metrics.families import FAMILIES, Kind, table
from fleetpoll.metrics.page import outcomes, page
from fleetpoll.metrics.reading import Heard, Reading
from fleetpoll.state.allowance import BucketView
from fleetpoll.state.broods import BroodSizes
from fleetpoll.state.groups import GroupFacts
from fleetpoll.state.load import CommandLoad, ServerLoad
from fleetpoll.state.roster import OrderKind
from tests.prometheus import ROOT, parsed, promtool, value, values

FIGURES = Figures(
    totals=Totals(calls=100, throttled=3, failed=2, ids=9000, failures={"denied": 1}),
    lags=Histogram(LAG_S, (1, 2, *(0 for _ in LAG_S[2:]), 4), 8000.5),
    transitions={(JobStatus.RUNNING, JobStatus.SUCCEEDED): 5},
    leases=99,
    expired=1,
)
VIEW = BucketView(10.0, 8.5, 9.0, 2.5, pinned=None, paused=False, tokens_granted=101, throttles=3, cuts=2)
READING = Reading(
    figures=FIGURES,
    jobs={JobStatus.RUNNING: 7},
    live=7,
    alive=2,
    silent=1,
    doing={"idle": 2},
    releases={"0.1.0": 2},
    troubles={"denied": 1},
    order=OrderKind.DRAIN,
    due=4,
    broods=BroodSizes(1, 10),
    buckets={
        "DescribeJobs": VIEW,
        "SubmitJob": BucketView(50, 50, None, 5, pinned=3.0, paused=True, tokens_granted=0, throttles=0, cuts=0),
    },
    groups=(GroupFacts("relay", 1, 12, "0-0", 13), GroupFacts('old "server"\n', 1, 0, "0-0", None)),
    events=77,
    letters=6,
    took_s=0.01,
)
LOAD = ServerLoad("db:6379", "valkey", "9.1", 1000, 0, {"evalsha": CommandLoad(50, 0.25)})
WELL, AWAY = Heard("prod", READING, load=LOAD), Heard("test", error="Redis does not answer.")


class Told(Collector):
    """A collector that tells what it was given."""

    def __init__(self, *heard: Heard) -> None:
        self._heard = heard

    def collect(self) -> list[Metric]:
        """The page."""
        return page(self._heard)


def registry(*heard: Heard) -> CollectorRegistry:
    """A registry with the page of these fleets."""
    made = CollectorRegistry()
    made.register(Told(*heard))
    return made


def text(*heard: Heard) -> str:
    """The page of these fleets."""
    return generate_latest(registry(*heard)).decode()


@pytest.fixture(scope="module")
def both() -> str:
    """The page of a fleet that is well, beside one whose Redis is away."""
    return text(WELL, AWAY)


def test_promtool_finds_no_fault(both: str) -> None:
    """Names, units, kinds and descriptions are as Prometheus wants them."""
    assert promtool("check", "metrics", stdin=both) == ""


def test_the_newer_format_tells_the_same(both: str) -> None:
    """OpenMetrics, which Prometheus asks for, parses strictly and holds the same samples."""
    newer_text = openmetrics(registry(WELL, AWAY)).decode()  # type: ignore[no-untyped-call] # the library's
    newer = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in parse_openmetrics(newer_text)  # type: ignore[no-untyped-call] # the library's
        for sample in metric.samples
    }
    older = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in parsed(both).values()
        for sample in metric.samples
    }
    assert newer == older


def test_a_fleet_that_is_away_hides_no_other(both: str) -> None:
    """It is told to be down, and nothing else of it; the other is told in full."""
    assert values(both, "fleetpoll_up") == {("prod",): 1, ("test",): 0}
    others = [
        m.name
        for m in parsed(both).values()
        if m.name != "fleetpoll_up" and any("test" in s.labels.values() for s in m.samples)
    ]
    assert others == []
    assert {sample.labels.get("fleet") for sample in parsed(both)["fleetpoll_jobs"].samples} == {"prod"}


def test_every_metric_of_the_list_is_told(both: str) -> None:
    """The list holds no metric that is never there, and the page none that the list does not hold."""
    told = {sample.name: metric.type for metric in parsed(both).values() for sample in metric.samples}
    optional = {"fleetpoll_redis_memory_max_bytes"}
    listed = {family.name for family in FAMILIES if family.kind is not Kind.HISTOGRAM}
    listed |= {f"{f.name}_{part}" for f in FAMILIES if f.kind is Kind.HISTOGRAM for part in ("bucket", "count", "sum")}
    assert listed - optional == set(told)


def test_calls_are_told_by_how_they_ended(both: str) -> None:
    """Outcomes add up to all calls; a failure of unknown kind is another one, and what never happened is 0."""
    told = values(both, "fleetpoll_calls_total", fleet="prod")
    assert (told[("answered",)], told[("throttled",)]) == (95, 3)
    assert (told[("denied",)], told[("other",)], told[("dns",)]) == (1, 1, 0)
    assert sum(told.values()) == FIGURES.totals.calls
    assert sum(outcomes(Totals()).values()) == 0


def test_durations_are_told_as_histograms(both: str) -> None:
    """Buckets are cumulative, end in +Inf, and their sum is exact."""
    buckets = values(both, "fleetpoll_lag_seconds_bucket", fleet="prod")
    assert (buckets[("0.1",)], buckets[("0.25",)], buckets[("60.0",)], buckets[("+Inf",)]) == (1, 3, 3, 7)
    assert value(both, "fleetpoll_lag_seconds_count", fleet="prod") == 7
    assert value(both, "fleetpoll_lag_seconds_sum", fleet="prod") == 8000.5


def test_what_is_not_known_is_left_out(both: str) -> None:
    """A limit that was never met, a rate that nobody pinned, a lag that an old server cannot tell: absent, not 0."""
    assert values(both, "fleetpoll_rate_limit", fleet="prod") == {("DescribeJobs",): 9.0}
    assert values(both, "fleetpoll_rate_pinned", fleet="prod") == {("SubmitJob",): 3.0}
    assert values(both, "fleetpoll_group_lag", fleet="prod") == {("relay",): 13}
    assert values(both, "fleetpoll_redis_memory_max_bytes") == {}


def test_states_are_told_one_by_one(both: str) -> None:
    """Each status, order and kind of trouble has a value of its own, also where it is 0."""
    assert values(both, "fleetpoll_order", fleet="prod") == {("drain",): 1, ("stop",): 0}
    assert values(both, "fleetpoll_workers", fleet="prod") == {("alive",): 2, ("silent",): 1}
    jobs = values(both, "fleetpoll_jobs", fleet="prod")
    assert (jobs[("RUNNING",)], jobs[("LOST",)]) == (7, 0)
    assert values(both, "fleetpoll_trouble", fleet="prod")[("timeout",)] == 0
    assert values(both, "fleetpoll_transitions_total", fleet="prod") == {("RUNNING", "SUCCEEDED"): 5}


def test_one_server_is_told_once() -> None:
    """Fleets on one server have heard the same of it, and two samples with the same labels would void the page."""
    told = text(WELL, Heard("second", READING, load=LOAD))
    assert value(told, "fleetpoll_redis_memory_used_bytes") == 1000
    assert values(told, "fleetpoll_redis_commands_duration_seconds_total", server="db:6379") == {("evalsha",): 0.25}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_each_description_is_one_sentence(family: Any) -> None:
    """It begins with a capital, ends with a full stop, and there is none before."""
    assert family.help[0].isupper()
    assert family.help.endswith(".")
    assert ". " not in family.help
    assert (family.kind is Kind.COUNTER) == family.name.endswith("_total")


def test_the_page_of_the_docs_is_up_to_date() -> None:
    """docs/metrics.md ends with the list, as `table` writes it."""
    assert (ROOT / "docs" / "metrics.md").read_text().endswith("\n\n" + "\n".join(table()) + "\n")

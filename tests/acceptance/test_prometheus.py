"""A real Prometheus scrapes the exporter of a fleet that works: it answers what the fleet and the API side counted."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.state.letters import Letter, Letters
from tests.acceptance.test_fleet import quick
from tests.prometheus import DASHBOARD, RULES, promtool, tool
from tests.servers import free_port

pytestmark = pytest.mark.soak

JOBS = 600
INTERVAL_S = 1


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs."""

    url: str

    def get(self, path: str, **asked: str) -> Any:
        """The data of an answer of its API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(asked)}", timeout=10) as answer:  # noqa: S310 - http, on loopback
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[float]:
        """The values that an expression has now."""
        return [float(series["value"][1]) for series in self.get("query", query=expr)["result"]]

    def ready(self) -> bool:
        """Whether it answers, and has scraped the exporter."""
        try:
            return self.query("fleetpoll_up") == [1]
        except OSError:
            return False


@contextmanager
def exporter(fleet: Rig) -> Iterator[str]:
    """`fleetpoll metrics` as a process; gives its host and port."""
    command = [sys.executable, "-m", "fleetpoll", "metrics", "--port", "0"]
    with subprocess.Popen(command, env=fleet.environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split("//")[-1].split("/")[0]
        finally:
            process.terminate()
            assert process.wait(10) == 0


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with our rules that scrapes `target` every second."""
    config = {
        "global": {"scrape_interval": f"{INTERVAL_S}s", "evaluation_interval": f"{INTERVAL_S}s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "fleetpoll", "static_configs": [{"targets": [target]}]}],
    }
    file, address = folder / "prometheus.yml", f"127.0.0.1:{free_port()}"
    file.write_text(yaml.safe_dump(config))
    words = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([tool("prometheus"), *words], stdout=log, stderr=log)
    try:
        found = Prometheus(f"http://{address}")
        wait_until(found.ready, 30, "Prometheus has scraped the exporter")
        yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, Prometheus]]:
    """A fleet that was throttled and has seen all its jobs end, watched by Prometheus from before its first call."""
    tool("prometheus")
    settings = quick(rate=40, rate_start=40, workers=2)
    with (
        rig(settings, limited(3, 2, life_min_s=1.0, life_max_s=5.0)) as fleet,
        exporter(fleet) as target,
        prometheus(target, tmp_path_factory.mktemp("prometheus")) as watching,
        fleet.workers(),
    ):
        fleet.rooms.client.xgroup_create(fleet.rooms.keys.events, "readers", "0", mkstream=True)
        fleet.submit(JOBS)
        wait_until(lambda: fleet.rooms.ledger.sizes()[0] == 0, 60, "every job settled as finished")
        letter = Letter(fleet.rooms.events.recent(1)[0], "readers", "sink", 1, "no")
        Letters(fleet.rooms.client, fleet.rooms.keys).bury("readers", [letter])
        yield fleet, watching


def agrees(watching: Prometheus, expr: str, expected: Callable[[], float]) -> None:
    """Within a few scrapes an expression is what it should be."""
    wait_until(lambda: watching.query(expr) == [expected()], 10, f"{expr} = {expected()}")


def test_prometheus_tells_what_the_api_side_has_counted(stage: tuple[Rig, Prometheus]) -> None:
    """Calls, throttles and ids are those that the simulator saw, to the last one."""
    fleet, watching = stage
    describe = fleet.simulator.stats()["operations"]["describe"]
    assert describe["throttled"] > 0
    agrees(watching, "sum(fleetpoll_calls_total)", lambda: describe["calls"])
    agrees(watching, 'fleetpoll_calls_total{outcome="throttled"}', lambda: describe["throttled"])
    agrees(watching, "fleetpoll_call_duration_seconds_count", lambda: describe["calls"] - describe["throttled"])
    tokens = 'sum(fleetpoll_tokens_granted_total{operation="DescribeJobs"})'
    agrees(watching, f"{tokens} >= bool sum(fleetpoll_calls_total)", lambda: 1)


def test_prometheus_tells_what_the_fleet_has_counted(stage: tuple[Rig, Prometheus]) -> None:
    """Every end is in the histogram of lags and among the transitions, every look in that of staleness."""
    fleet, watching = stage
    figures = fleet.rooms.ledger.figures()
    agrees(watching, "fleetpoll_lag_seconds_count", lambda: JOBS)
    agrees(watching, 'sum(fleetpoll_transitions_total{to=~"SUCCEEDED|FAILED"})', lambda: JOBS)
    agrees(watching, 'sum(fleetpoll_jobs{status=~"SUCCEEDED|FAILED"})', lambda: JOBS)
    agrees(watching, "fleetpoll_call_ids_total", lambda: figures.totals.ids)
    agrees(watching, "fleetpoll_staleness_seconds_count", lambda: figures.ages.count)
    agrees(watching, "fleetpoll_lag_seconds_sum", lambda: figures.lags.total_s)
    agrees(watching, "fleetpoll_events", lambda: sum(figures.transitions.values()))
    agrees(watching, 'fleetpoll_workers{state="alive"}', lambda: 2)
    agrees(watching, "fleetpoll_dead_letters", lambda: 1)


def test_every_panel_of_the_dashboard_has_data(stage: tuple[Rig, Prometheus]) -> None:
    """Each of its queries is understood by Prometheus, and answered with numbers."""
    _, watching = stage
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > 30
    for query in queries:
        found = watching.query(query.replace("$fleet", ".*").replace("$__rate_interval", "2m"))
        assert found, query
        assert not all(map(math.isnan, found)), query


def test_prometheus_evaluates_the_rules_without_an_error(stage: tuple[Rig, Prometheus]) -> None:
    """Each rule is healthy, those that record have something to record, and a fleet that is well raises no alarm of ours."""
    _, watching = stage

    def rules() -> list[dict[str, Any]]:
        return [rule for group in watching.get("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()), 10, "every rule was evaluated")
    assert {rule.get("lastError", "") for rule in rules()} == {""}
    for rule in rules():
        if rule["type"] == "recording":
            assert watching.query(rule["name"]), rule["name"]
    firing = {alert["labels"]["alertname"] for alert in watching.get("alerts")["alerts"] if alert["state"] == "firing"}
    assert firing <= {"FleetpollLagBurn"}  # a fleet of seconds, throttled to a quarter of its rate


def test_prometheus_finds_the_page_in_order(stage: tuple[Rig, Prometheus]) -> None:
    """The scrape has no error and takes a moment, and kinds and descriptions have arrived."""
    _, watching = stage
    (target,) = watching.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert target["lastScrapeDuration"] < 1
    kinds = {name: told[0]["type"] for name, told in watching.get("metadata").items() if name.startswith("fleetpoll_")}
    assert kinds["fleetpoll_lag_seconds"] == "histogram"
    assert kinds["fleetpoll_jobs"] == "gauge"
    with urlopen(target["scrapeUrl"], timeout=10) as page:  # noqa: S310 - http, on loopback
        assert promtool("check", "metrics", stdin=page.read().decode()) == ""

"""The rules for Prometheus and the dashboard for Grafana, as far as they can be judged without running them."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from fleetpoll.metrics.families import FAMILIES, Kind
from fleetpoll.metrics.grafana import COLUMNS, dashboard
from tests.prometheus import CONFIG, DASHBOARD, NAME, ROOT, RULES, promtool

RULE_TESTS = Path(__file__).with_name("alerts.test.yml")
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
]
NAMES = {
    *("FleetpollLagBurn", "FleetpollThrottled", "FleetpollNoWorkers", "FleetpollAccessDenied", "FleetpollWorkerSilent"),
    *("FleetpollBacklog", "FleetpollRedisDown", "FleetpollExporterDown", "FleetpollPaused", "FleetpollDeadLetters"),
    *("FleetpollLeasesExpire", "FleetpollAwsFails"),
}
KNOWN = {family.name for family in FAMILIES} | {
    f"{family.name}_{part}" for family in FAMILIES if family.kind is Kind.HISTOGRAM for part in ("bucket", "count", "sum")
}
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    """Prometheus' own tool plays made-up days to the rules."""
    promtool("test", "rules", RULE_TESTS)


def test_prometheus_takes_the_rules_and_the_config() -> None:
    """Both are valid, and the config finds the rules beside it."""
    assert "19 rules found" in promtool("check", "config", CONFIG)


def test_every_alert_has_a_test() -> None:
    """No alert is left to be tried at night."""
    tests = RULE_TESTS.read_text()
    assert {alert["alert"] for alert in ALERTS} == NAMES
    assert [name for name in NAMES if f'alertname="{name}",alertstate="firing",' not in tests] == []


def test_every_alert_says_what_to_do() -> None:
    """Severity, a summary that names the fleet, and a section in the docs with its name."""
    for alert in ALERTS:
        said = alert["annotations"]
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert "$labels.fleet" in said["summary"] or alert["alert"] == "FleetpollExporterDown"
        assert said["description"].endswith(".")
        assert said["runbook_url"] == f"operations.md#{alert['alert'].lower()}"


def test_rules_and_panels_ask_for_metrics_that_exist() -> None:
    """A name that was changed or mistyped would ask for nothing, in silence."""
    expressions = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
    assert {name for expr in expressions for name in NAME.findall(expr)} <= KNOWN


def test_the_dashboard_is_the_one_of_its_source() -> None:
    """`fleetpoll metrics --grafana > workers/deploy/grafana/fleetpoll.json` makes it anew."""
    assert DASHBOARD.read_text() == dashboard() + "\n"


def test_two_exporters_make_no_panel_show_twice_as_much(tmp_path: Path) -> None:
    """Prometheus itself answers what panels ask of counters: what both exporters tell happened once."""
    series = [
        {"series": f'fleetpoll_{name},fleet="prod",instance="{instance}"}}', "values": "0+60x10"}
        for instance in "ab"
        for name in (
            *('calls_total{outcome="answered"', 'calls_total{outcome="throttled"', 'leases_total{job="fleetpoll"'),
            *('transitions_total{from="UNSEEN",to="FAILED"', 'transitions_total{from="RUNNING",to="FAILED"'),
            *('redis_commands_total{server="r",command="get"', 'redis_commands_total{server="r",command="hget"'),
        )
    ]
    wanted = {
        "Calls against the allowance": ("called", '{fleet="prod"}', 2),
        "Calls that were not answered": ("outcome", '{fleet="prod",outcome="throttled"}', 1),
        "Transitions": ("to", '{fleet="prod",to="FAILED"}', 2),
        "Leases": ("given", '{fleet="prod"}', 1),
        "Commands": ("server", '{server="r"}', 2),
    }
    asked = []
    for title, (legend, labels, value) in wanted.items():
        (panel,) = [panel for panel in PANELS if panel["title"] == title]
        (expr,) = [target["expr"] for target in panel["targets"] if legend in target["legendFormat"]]
        expr = expr.replace("$fleet", ".*").replace("$__rate_interval", "4m")
        asked.append({"expr": expr, "eval_time": "9m", "exp_samples": [{"labels": labels, "value": value}]})
    case = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": [case]}))

    promtool("test", "rules", tmp_path / "case.yml")


def test_panels_stand_beside_each_other() -> None:
    """None overlaps another, or stands off the page; each has an id, and those with queries a unit and a source."""
    squares: list[set[tuple[int, int]]] = []
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        squares.append({(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])})
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert not any(one & other for one, other in combinations(squares, 2))
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_grafana_finds_its_prometheus_and_the_dashboard() -> None:
    """The files that set Grafana up are of the form it reads, and the interval is that of the scrapes."""
    folder = ROOT / "workers" / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "fleetpoll.yml").read_text())["providers"]
    scrapes = yaml.safe_load(CONFIG.read_text())
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert source["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"]
    assert provider["type"] == "file"
    assert scrapes["scrape_configs"][0]["job_name"] == "fleetpoll"

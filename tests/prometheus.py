"""Prometheus' own tools, for tests: what is not installed is skipped, with a word on how to get it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
RULES = ROOT / "workers" / "deploy" / "prometheus" / "alerts.yml"
CONFIG = RULES.with_name("prometheus.yml")
DASHBOARD = ROOT / "workers" / "deploy" / "grafana" / "fleetpoll.json"
NAME = re.compile(r"\bfleetpoll_\w+")


def tool(name: str) -> str:
    """Where a program of Prometheus is."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: it comes with Debian's package prometheus")
    return found


def promtool(*words: str | Path, stdin: str = "") -> str:
    """What promtool says of something that it must find no fault with."""
    done = subprocess.run([tool("promtool"), *words], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def parsed(page: str) -> dict[str, Metric]:
    """The metrics of a page, by their names without _total."""
    return {metric.name: metric for metric in text_string_to_metric_families(page)}


def values(page: str, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """The samples of a name that have these labels, by the values of their other ones, in the order of their names."""
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels) if label not in labels): sample.value
        for metric in parsed(page).values()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    }


def value(page: str, name: str, **labels: str) -> float:
    """The one sample of a name that has these labels."""
    (found,) = values(page, name, **labels).values()
    return found

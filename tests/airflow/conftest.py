"""Airflow's own tests run where Airflow is: `python3 dev.py test-airflow`. Elsewhere they are not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import msgspec
import pytest

from benchmarks.rig import Rig, limited, rig
from fleetpoll.settings import load

collect_ignore_glob = [] if find_spec("airflow") else ["test_*.py"]

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="fleetpoll-airflow-"))  # before Airflow is imported

Log = Callable[[], str]
"""All that has been logged by now."""
CONNECTION = "the_fleet"
QUICK = {
    "rate": 50.0,
    "workers": 1,
    "beat": 0.5,
    "freshness": 0.5,
    "missing_grace": 0.5,
    "missing_checks": 2,
    "log_format": "json",
}


@pytest.fixture(scope="module")
def quiet() -> Iterator[Rig]:
    """A fleet without workers, and a simulated AWS, for the tests of a module."""
    with rig(load({}, flags=QUICK), limited(200, life_min_s=1.5, life_max_s=2.5, fail_share=0.0)) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def busy(quiet: Rig) -> Iterator[Rig]:
    """The same with a worker."""
    with quiet.workers():
        quiet.await_pollers(1)
        yield quiet


@pytest.fixture
def conn_id(quiet: Rig, monkeypatch: pytest.MonkeyPatch) -> str:
    """An Airflow connection to the fleet, and the way to its AWS."""
    return connect(quiet, monkeypatch)


def connect(fleet: Rig, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give this process an Airflow connection to a fleet, and the way to its AWS; returns the connection's id."""
    connection = {"conn_type": "fleetpoll", "extra": {"redis_url": fleet.url}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", msgspec.json.encode(connection).decode())
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", fleet.simulator.url)
    return CONNECTION


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    """What has been logged by now; Airflow writes it to the terminal."""
    words: list[str] = []

    def so_far() -> str:
        words.extend(capsys.readouterr())
        return "".join(words)

    return so_far

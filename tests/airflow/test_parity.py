"""The cases of parity describe Airflow's hooks: here these pass them, and so do ours in their place."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from fleetpoll.batch import methods
from tests.parity import awslogs, delays, polling, waiters
from tests.parity.contender import Contender

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own
    batch_client = pytest.importorskip("airflow.providers.amazon.aws.hooks.batch_client")
    batch_waiters = pytest.importorskip("airflow.providers.amazon.aws.hooks.batch_waiters")
    sdk = pytest.importorskip("airflow.providers.common.compat.sdk")

pytestmark = pytest.mark.filterwarnings("ignore")


def on(kind: Any) -> Callable[..., Any]:
    """Makes hooks of a class whose AWS client is given: it stands where Airflow would cache one."""

    def make(client: Any, **given: Any) -> Any:
        hook = kind(aws_conn_id=None, **given)
        hook.__dict__["conn"] = hook.__dict__["_client"] = client
        return hook

    return make


@pytest.fixture(params=["airflow", "fleetpoll"])
def contender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Contender:
    """Airflow's hooks, or ours."""

    def seed(number: int) -> None:
        random.seed(number)
        monkeypatch.setattr(methods, "RNG", random.Random(number))

    client, waiting = batch_client.BatchClientHook, batch_waiters.BatchWaitersHook
    if request.param == "fleetpoll":
        ours = pytest.importorskip("fleetpoll.airflow.hooks")
        assert issubclass(ours.BatchClientHook, client)
        client, waiting = ours.BatchClientHook, ours.BatchWaitersHook
    return Contender(request.param, on(client), on(waiting), sdk.AirflowException, seed)


@pytest.mark.parametrize("case", [*polling.CASES, *delays.CASES, *awslogs.CASES], ids=lambda case: case.__name__)
def test_the_hook_behaves_as_described(case: Callable[[Contender], None], contender: Contender) -> None:
    """Methods, bounds, messages, draws."""
    case(contender)


def test_the_hook_sleeps_as_described(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is what is slept."""
    delays.a_delay_is_slept(contender, monkeypatch)


@pytest.mark.parametrize("case", waiters.CASES, ids=lambda case: case.__name__)
def test_the_waiters_hook_behaves_as_described(
    case: Callable[[Contender, pytest.MonkeyPatch], None], contender: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configurations, names, waits and failures."""
    case(contender, monkeypatch)

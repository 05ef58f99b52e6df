"""Our BatchClient behaves as Airflow's hook, by the same cases that Airflow's own hook passes in tests/airflow."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from fleetpoll.batch import methods
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.waiters import BatchWaiters
from fleetpoll.errors import BatchError
from tests.parity import awslogs, delays, polling, waiters
from tests.parity.contender import Contender

Case = Callable[[Contender], None]


@pytest.fixture
def contender(monkeypatch: pytest.MonkeyPatch) -> Contender:
    """Ours, without a fleet."""

    def seed(number: int) -> None:
        monkeypatch.setattr(methods, "RNG", Random(number))

    return Contender(
        "fleetpoll",
        client=BatchClient,
        waiters=lambda client, **config: BatchWaiters(client=client, **config),
        error=BatchError,
        seed=seed,
    )


@pytest.mark.parametrize("case", [*polling.CASES, *delays.CASES, *awslogs.CASES], ids=lambda case: case.__name__)
def test_the_client_behaves_as_the_hook(case: Case, contender: Contender) -> None:
    """Methods, bounds, messages, draws."""
    case(contender)


def test_delays_are_slept_as_the_hook_sleeps(contender: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is what is slept."""
    delays.a_delay_is_slept(contender, monkeypatch)


@pytest.mark.parametrize("case", waiters.CASES, ids=lambda case: case.__name__)
def test_the_waiters_behave_as_the_hooks(
    case: Callable[[Contender, pytest.MonkeyPatch], None], contender: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configurations, names, waits and failures."""
    case(contender, monkeypatch)

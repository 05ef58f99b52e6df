"""Strays and tenants at the door of an operation."""

from __future__ import annotations

import pytest

from fleetpoll.simulator.calls import Calls
from fleetpoll.simulator.config import Disturbance, Limit
from fleetpoll.simulator.gates import Gate, Tenant

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def moments(tenant: Tenant, until_ms: int) -> list[float]:
    """When the tenant calls up to then, from now on, in ms."""
    return [moment_ms - NOW_MS for moment_ms in tenant.arrivals(NOW_MS + until_ms)]


def admitted(gate: Gate, calls: Calls, every_ms: int, until_ms: int) -> list[bool]:
    """What becomes of a client that calls at a steady pace."""
    return [gate.admit(calls, NOW_MS + at_ms) for at_ms in range(0, until_ms, every_ms)]


def test_a_tenant_is_a_poisson_stream() -> None:
    """An hour of 10 calls/s is 36,000 calls in order, and in a tenth of a second there are none at all in 1/e of all."""
    calls = moments(Tenant(10, "a", NOW_MS), HOUR_MS)
    assert calls == sorted(calls)
    assert abs(len(calls) - 36_000) < 3 * 36_000**0.5
    silent = 1 - len({int(moment_ms // 100) for moment_ms in calls}) / 36_000
    assert abs(silent - 0.3679) < 0.01


def test_a_tenant_calls_the_same_however_often_one_looks() -> None:
    """The same seed calls at the same moments, in one look or in many; each call comes once."""
    steps = Tenant(10, "a", NOW_MS)
    assert [call for until_ms in range(7, 60_007, 1_000) for call in moments(steps, until_ms)] == moments(
        Tenant(10, "a", NOW_MS), 59_007
    )
    assert moments(Tenant(10, "a", NOW_MS), 10_000) != moments(Tenant(10, "b", NOW_MS), 10_000)


def test_no_tenant_never_calls() -> None:
    """A rate of 0 is silence, also if it is the new rate of somebody who called."""
    tenant = Tenant(0, "a", NOW_MS)
    assert moments(tenant, HOUR_MS) == []
    tenant.change(10, NOW_MS + HOUR_MS)
    assert moments(tenant, HOUR_MS + 60_000) != []
    tenant.change(0, NOW_MS + HOUR_MS + 60_000)
    assert moments(tenant, 9 * HOUR_MS) == []


def test_a_tenant_at_half_the_limit_leaves_half_of_it() -> None:
    """A client that takes less than the other half is hardly ever refused; one that takes more hits the common limit."""
    results = []
    for every_ms in (250, 125):
        gate, calls = Gate(Limit(10, 20), Disturbance(tenant_rate=5), "a", NOW_MS), Calls(NOW_MS)
        results.append((admitted(gate, calls, every_ms, HOUR_MS), calls))
    (modest, left), (greedy, fought_over) = results
    assert modest.count(False) < 0.002 * len(modest)
    assert left.tenant_throttled < 0.002 * left.tenant_accepted
    assert 35_990 <= greedy.count(True) + fought_over.tenant_accepted <= 36_020
    assert fought_over.tenant_throttled > 0


def test_a_tenant_drains_the_bucket_before_the_client_comes() -> None:
    """Tokens that the tenant took at its own moments are gone, and the bucket's burst is no more than its burst."""
    gate, calls = Gate(Limit(10, 10), Disturbance(tenant_rate=1_000), "a", NOW_MS), Calls(NOW_MS)
    assert not gate.admit(calls, NOW_MS + 60_000)
    assert abs(calls.tenant_accepted - 610) <= 1
    assert abs(calls.tenant_accepted + calls.tenant_throttled - 60_000) < 3 * 60_000**0.5


def test_a_change_counts_from_its_moment_on() -> None:
    """Calls that the tenant made before a change of limit or of rate met the old one, though nobody looked meanwhile."""
    gate, calls = Gate(Limit(1, 1), Disturbance(tenant_rate=100), "a", NOW_MS), Calls(NOW_MS)
    gate.change(Limit(), calls, NOW_MS + 60_000)
    assert calls.tenant_accepted in (60, 61)
    gate.disturb(Disturbance(), calls, NOW_MS + 120_000)
    met = calls.tenant_accepted
    assert abs(met - 6_060) < 3 * 6_000**0.5
    gate.catch_up(calls, NOW_MS + HOUR_MS)
    assert calls.tenant_accepted == met


@pytest.mark.parametrize("limit", [Limit(), Limit(1_000, 1_000)], ids=["unlimited", "limited"])
def test_strays_come_in_the_given_share(limit: Limit) -> None:
    """A tenth of the calls is turned away though there are tokens, with a limit and without."""
    gate, calls = Gate(limit, Disturbance(reject_share=0.1), "a", NOW_MS), Calls(NOW_MS)
    refused = admitted(gate, calls, every_ms=10, until_ms=100_000).count(False)
    assert refused == calls.strays
    assert abs(refused - 1_000) < 3 * 900**0.5


def test_the_same_seed_turns_the_same_calls_away() -> None:
    """The how-manieth calls stray depends on the seed alone, not on when they come or whether a tenant calls, too."""

    def strays(seed: str, every_ms: int, tenant_rate: float = 0) -> list[bool]:
        disturbance = Disturbance(reject_share=0.1, tenant_rate=tenant_rate)
        return admitted(Gate(Limit(), disturbance, seed, NOW_MS), Calls(NOW_MS), every_ms, 100 * every_ms)

    assert strays("a", 10) == strays("a", 500, tenant_rate=50)
    assert strays("a", 10) != strays("b", 10)

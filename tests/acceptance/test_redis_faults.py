"""A fleet at work while its Redis crashes, freezes, refuses or is far away. The API and the stream are the witnesses."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.proxy import far_redis
from benchmarks.rig import limited, rig, wait_until
from tests.acceptance.test_fleet import assert_all_ended_once, calls, quick
from tests.servers import DURABLE, Server, server

RATE, WORKERS = 20, 2
BACK_S = 5.0
EVERY_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a server, what ends it, and how long it lasts in between."""

    begin: Callable[[Server], object]
    end: Callable[[Server], object] = lambda _: None
    for_s: float = 3.0
    arguments: tuple[str, ...] = DURABLE
    unnoticed: bool = False  # the fleet works on
    forgets: bool = False  # the last second's tokens among others


def tell(*words: str | int) -> Callable[[Server], object]:
    """Gives an order that fleetpoll never gives."""

    def act(one: Server) -> object:
        with one.client() as client:
            return client.execute_command(*words)

    return act


def shut_down(one: Server) -> None:
    """As an operator restarts a server."""
    assert one.process is not None
    one.process.terminate()
    one.process.wait()


FAULTS = {
    "restart": Fault(shut_down, Server.start),
    "kill -9, AOF always": Fault(Server.kill, Server.start),
    "kill -9, AOF every second": Fault(Server.kill, Server.start, arguments=EVERY_SECOND, forgets=True),
    "freeze": Fault(lambda one: one.signal(signal.SIGSTOP), lambda one: one.signal(signal.SIGCONT), 10.0),
    "CLIENT PAUSE": Fault(tell("CLIENT PAUSE", 3000, "ALL")),
    "full memory": Fault(tell("CONFIG SET", "maxmemory", 1), tell("CONFIG SET", "maxmemory", 0)),
    "READONLY": Fault(tell("REPLICAOF", "127.0.0.1", 1), tell("REPLICAOF", "NO", "ONE")),
    "SCRIPT FLUSH": Fault(tell("SCRIPT FLUSH"), for_s=0.0, unnoticed=True),
}


def for_a_while(seconds: float) -> None:
    """Let time pass."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 1, "time")


@pytest.mark.soak
@pytest.mark.parametrize("name", FAULTS)
def test_a_fleet_outlives_its_redis(name: str, tmp_path: Path) -> None:
    """No call without a token, calls again within 5 s of the return, and each end published exactly once."""
    fault = FAULTS[name]
    settings = quick(rate=RATE, workers=WORKERS, stuck_after=60)
    with (
        server(tmp_path, *fault.arguments) as one,
        rig(settings, limited(RATE, life_min_s=2.0, life_max_s=25.0), one.url) as fleet,
        fleet.workers() as workers,
    ):
        fleet.await_pollers(WORKERS)
        fleet.submit(1500)
        wait_until(lambda: calls(fleet) > 20, 20, "calls")
        fault.begin(one)
        calls_then = calls(fleet)
        for_a_while(fault.for_s)
        calls_down = calls(fleet) - calls_then
        fault.end(one)
        calls_back = calls(fleet)
        back_s = wait_until(lambda: calls(fleet) > calls_back, 20, "calls again")
        assert_all_ended_once(fleet, 60)
        granted, made = fleet.rooms.buckets["DescribeJobs"].view().tokens_granted, calls(fleet)
        log.warning(
            "%s: %d calls while away, back after %.2f s; %d calls, %d tokens", name, calls_down, back_s, made, granted
        )
        assert fault.unnoticed or calls_down <= WORKERS
        assert back_s <= BACK_S
        assert made <= granted + (RATE if fault.forgets else 0)
        assert fleet.simulator.stats()["operations"]["describe"]["throttled"] == 0
        assert "were not ours any more" not in workers.words()


@pytest.mark.soak
@pytest.mark.parametrize("rtt_ms", [5, 50])
def test_a_far_redis_costs_time_and_no_job(rtt_ms: int, tmp_path: Path) -> None:
    """With a round trip of up to 50 ms the fleet works as ever; some three of them are in each lease."""
    settings = quick(rate=RATE, workers=WORKERS)
    with (
        server(tmp_path, *DURABLE) as one,
        far_redis(one.url, rtt_ms) as far,
        rig(settings, limited(RATE, life_min_s=2.0, life_max_s=10.0), far.url) as fleet,
        fleet.workers(),
    ):
        fleet.await_pollers(WORKERS)
        fleet.submit(600)
        assert_all_ended_once(fleet, 60)
        assert calls(fleet) <= fleet.rooms.buckets["DescribeJobs"].view().tokens_granted

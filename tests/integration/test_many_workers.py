"""Two hundred workers that start at the same instant: real cycles on one bucket, one schedule and one simulated AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random

import msgspec
import pytest

from benchmarks.rig import limited
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle, Pass
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from tests.integration.cycles import nap

WORKERS, RATE = 200, 80.0


@pytest.fixture
def aws() -> Iterator[Simulator]:
    """An account that allows no more than the fleet is set to."""
    with Simulator(limited(RATE, life_min_s=60.0)) as simulator:
        yield simulator


@pytest.fixture
def crowd(redis_url: str, settings: Settings, aws: Simulator) -> Iterator[list[Cycle]]:
    """Two hundred cycles, each on connections to Redis of its own; what they call AWS with, forty share."""
    own = msgspec.structs.replace(settings, rate=RATE, rate_start=RATE, endpoint_url=aws.url)
    with ExitStack() as stack:
        apis = [BatchApi(own) for _ in range(WORKERS // 40)]
        for api in apis:
            stack.callback(api._client.close)
        cycles = []
        for number in range(WORKERS):
            rooms = open_rooms(redis_url, own, worker=True)
            stack.callback(rooms.close)
            api, name = apis[number // 40], f"worker-{number}"
            cycles.append(Cycle(rooms, api, own, system_mono, Random(number), nap, worker_id=name))
        yield cycles


def test_two_hundred_workers_at_once_are_one_fleet(aws: Simulator, crowd: list[Cycle], rooms: Rooms) -> None:
    """Each gets a lease and a token, none is starved, no job is asked for twice, and no call is over the allowance."""
    rooms.schedule.track(aws.populate(100 * WORKERS))
    start = threading.Barrier(WORKERS)

    def work(cycle: Cycle) -> Pass:
        start.wait()
        return cycle.run()

    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(work, crowd))

    assert [(one.calls, one.kept, one.failure) for one in done] == [(1, 100, None)] * WORKERS
    describe = aws.stats()["operations"]["describe"]
    assert describe["throttled"] == describe["ids_overlapping"] == describe["calls_with_duplicates"] == 0
    assert describe["asked_distinct"] == describe["ids"] == 100 * WORKERS
    assert describe["calls"] == WORKERS == rooms.buckets[DESCRIBE].view().tokens_granted == rooms.ledger.totals().calls

"""The model's server in this process answers as a real one does: what is found in virtual time holds."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from benchmarks.model.server import EPOCH_US, Server
from fleetpoll.clock import system_mono
from fleetpoll.forecast.loop import Loop
from fleetpoll.state.allowance import Allowance, Permit
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, Rooms

ALLOWANCES = [
    pytest.param(Allowance(DESCRIBE, 10.0, 0.5), id="as configured"),
    pytest.param(Allowance(DESCRIBE, 250.0, 0.5), id="far above the limit"),
    pytest.param(Allowance(DESCRIBE, 1 / 3, 0.1, 7.5), id="slow, with a burst"),
]


Step = Callable[[FleetBucket], object]


def later_us(rng: Random) -> int:
    """How long until the next step: mostly soon, sometimes after a rest, rarely on a clock that is set back."""
    return round(rng.choices([rng.expovariate(1 / 40_000), rng.uniform(0, 9e7), -rng.uniform(0, 5e6)], [95, 4, 1])[0])


def drawn(rng: Random, permits: list[Permit], now_us: int) -> Step:
    """Something that is done to a bucket."""
    n, wait_s = rng.choice([0, 1, 1, 1, 1, 2, 3]), rng.choice([0.0, 0.5, 20.0])
    permit, retry_s = rng.choice(permits[-8:]), rng.choice([0.0, 0.0, 0.0, 1.5])
    steps: list[Step] = [
        lambda bucket: bucket.reserve(wait_s, n, now_us=now_us),
        lambda bucket: bucket.penalize(permit.stamp_us, retry_s, now_us=now_us),
        lambda bucket: bucket.refund(permit, now_us=now_us),
        lambda bucket: bucket.reconsider(permit, now_us=now_us),
        lambda bucket: bucket.pin(None if now_us % 3 else 3.5, now_us=now_us),
        lambda bucket: bucket.pause(now_us % 4 == 0, now_us=now_us),
    ]
    return rng.choices(steps, [65, 20, 5, 5, 2, 3])[0]


@pytest.mark.parametrize("allowance", ALLOWANCES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_calls_leave_the_same_bucket(rooms: Rooms, allowance: Allowance, seed: int) -> None:
    """All verbs in any order and at any time: replies and hashes are equal after each step."""
    rng, key, server = Random(seed), rooms.keys.bucket(DESCRIBE), Server(Loop())
    real = FleetBucket(rooms.client, rooms.scripts, key, allowance, system_mono, worker=True)
    model = server.bucket(allowance, key)
    now_us, permits = EPOCH_US, [Permit(0.0, EPOCH_US, 10.0)]
    for _ in range(400):
        now_us += later_us(rng)
        step = drawn(rng, permits, now_us)
        answer = step(real)
        assert step(model) == answer
        assert server.hgetall(key) == rooms.client.hgetall(key)
        if isinstance(answer, Permit):
            permits.append(answer)

    assert len(permits) > 50


def test_the_time_of_a_script_is_the_loops() -> None:
    """Without a time of its own a reservation is stamped with virtual time."""
    loop = Loop()
    bucket = Server(loop).bucket(Allowance(DESCRIBE, 10.0, 0.5))
    loop.run(12.5)
    answer = bucket.reserve(20.0)

    assert isinstance(answer, Permit)
    assert answer.stamp_us == EPOCH_US + 12_500_000

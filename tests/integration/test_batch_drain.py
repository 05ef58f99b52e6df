"""What a BatchClient makes of a fleet that was told to drain, and of an AWS that throttles it where there is no fleet."""

from __future__ import annotations

import pytest

from benchmarks.rig import limited
from fleetpoll.batch import metering
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.subscription import Subscription
from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import system_mono
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Limit, Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts, OrderKind
from tests.ids import make_ids

JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}


def test_a_drained_fleet_is_waited_for_and_said_so(rooms: Rooms, fleet_name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Once for each order: the workers are alive, and whoever gave the order will take it back."""
    rooms.roster.beat("w-1", Facts(host="h", pid=1, started_ms=1, beat_s=60.0))
    subscription = Subscription(Fleet(rooms, Settings(fleet=fleet_name)), BatchClient.log)
    for order in (OrderKind.DRAIN, OrderKind.DRAIN, None, OrderKind.DRAIN):
        rooms.roster.command(order)
        with pytest.raises(TimeoutError):
            subscription.wait(make_ids(1)[0], ["RUNNING"], system_mono())

    assert caplog.text.count("is told to drain") == 2
    assert "fleetpoll fleet resume" in caplog.text


def test_without_a_redis_a_throttled_submission_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 would have done so; with its retries off it is for us to do."""
    monkeypatch.setattr(metering, "exponential_delay", lambda _tries, _rng: 0.3)
    monkeypatch.delenv("FLEETPOLL_REDIS_URL", raising=False)
    config = SimulatorConfig(limits=limited(20).limits | {Operation.SUBMIT: Limit(5, 1)})
    with Simulator(config) as aws:
        monkeypatch.setenv("FLEETPOLL_ENDPOINT_URL", aws.url)
        with BatchClient() as batch:
            ids = {batch.client.submit_job(**JOB)["jobId"] for _ in range(3)}
        stats = aws.stats()["operations"]["submit"]

    assert len(ids) == 3
    assert stats["throttled"] > 0

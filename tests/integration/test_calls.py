"""AWS's own calls through the buckets: real boto3 on the simulator, each operation with an allowance of its own."""

from __future__ import annotations

import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.client.calls import TRIES, Calls
from fleetpoll.errors import Throttled
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import DESCRIBE, SUBMIT, Rooms

JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}


def test_a_throttled_call_is_tried_again_after_pauses_that_grow(rooms: Rooms) -> None:
    """Five times in all, each time told to the bucket of its operation, and to no other."""
    pauses: list[float] = []
    with Simulator() as simulator:
        simulator.limit("submit", 0.001, 1)
        calls = Calls(BatchApi(Settings(endpoint_url=simulator.url)), rooms.buckets, pauses.append)
        job_id = calls.submit(**JOB)

        with pytest.raises(Throttled):
            calls.submit(**JOB)

        found = calls.describe([job_id])
        counted = simulator.stats()["operations"]["submit"]
    assert (counted["accepted"], counted["throttled"]) == (1, TRIES)
    assert len(pauses) == TRIES - 1
    assert 0.3 < pauses[0] < 1.4 < pauses[-1]
    assert list(found) == [job_id]
    assert rooms.buckets[SUBMIT].view().throttles == TRIES
    assert (rooms.buckets[DESCRIBE].view().throttles, rooms.buckets[DESCRIBE].view().cuts) == (0, 0)


def test_a_call_whose_allowance_comes_back_succeeds(rooms: Rooms) -> None:
    """The pause is what lets AWS's bucket fill again."""
    with Simulator() as simulator:
        simulator.limit("submit", 0.001, 1)
        api = BatchApi(Settings(endpoint_url=simulator.url))
        calls = Calls(api, rooms.buckets, lambda _: simulator.limit("submit", 0))
        calls.submit(**JOB)

        assert calls.submit(**JOB)


def test_submitting_does_not_wait_behind_describes(rooms: Rooms) -> None:
    """With the describes booked out for many seconds, a submit has its token at once."""
    for _ in range(100):
        rooms.buckets[DESCRIBE].reserve(60.0)

    assert rooms.buckets[DESCRIBE].reserve(60.0).wait_s > 10
    assert rooms.buckets[SUBMIT].reserve(60.0).wait_s < 0.1

"""Whole fleets that follow arrays, with workers killed under them. The simulator and the stream are the witnesses."""

from __future__ import annotations

import os
import signal
import threading

import msgspec
import pytest

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.awsbatch.api import BatchApi
from tests.acceptance.test_fleet import assert_all_ended_once, assert_api_side_is_clean, quick

SIZE, ARRAYS = 2_000, 3


def submit(fleet: Rig, size: int) -> str:
    """An array of the simulator's. Returns its id."""
    api = BatchApi(msgspec.structs.replace(fleet.settings, endpoint_url=fleet.simulator.url, region="us-east-1"))
    answer = api.submit_job(jobName="a", jobQueue="q", jobDefinition="d", arrayProperties={"size": size})
    api._client.close()
    return str(answer["jobId"])


@pytest.mark.soak
def test_arrays_are_followed_while_workers_are_killed() -> None:
    """With pollers killed every second, each of 6,000 children is told to have ended exactly once, as it did."""
    simulator = limited(40, life_min_s=2.0, life_max_s=8.0, array_slots=300, fail_share=0.2, retry_share=0.2)
    with rig(quick(rate=40, workers=3, visibility=8.0), simulator) as fleet, fleet.workers():
        fleet.await_pollers(3)
        parents = [submit(fleet, SIZE) for _ in range(ARRAYS)]
        fleet.rooms.broods.adopt(parents)
        fleet.ids = [*parents, *(f"{parent}:{number}" for parent in parents for number in range(SIZE))]
        killed, pause = 0, threading.Event()
        while fleet.simulator.live() and killed < 60:
            for pid in fleet.poller_pids()[-2:]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            pause.wait(1.0)
            wait_until(lambda: len(fleet.poller_pids()) >= 2, 30, "replacements")

        wait_until(lambda: fleet.simulator.live() == 0, 120, "the end of all")
        assert_all_ended_once(fleet, 90)
        assert killed > 10
        assert fleet.rooms.broods.sizes() == (0, 0)
        assert_api_side_is_clean(fleet)

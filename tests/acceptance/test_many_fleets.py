"""One worker service for several fleets: what befalls one of them is none of the others' business."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, wait_until
from benchmarks.several import several
from fleetpoll.simulator.config import Fault
from fleetpoll.state.rooms import DESCRIBE
from fleetpoll.state.roster import OrderKind

COMMON: dict[str, Any] = {
    "connect_timeout": 1.0,
    "read_timeout": 2.0,
    "token_wait": 3.0,
    "margin": 1.0,
    "visibility": 8.0,
    "beat": 1.0,
    "freshness": 0.5,
    "freshness_by_status": {"PENDING": 0.5, "RUNNABLE": 0.5},
    "cadence": "even",
    "log_format": "json",
}
JOBS, WATCHED_S = 500, 3.0


def calls(fleet: Rig) -> int:
    """How many DescribeJobs calls the fleet's account has seen."""
    return int(fleet.simulator.stats()["operations"]["describe"]["calls"])


def watched(*fleets: Rig) -> list[float]:
    """Calls a second of each while some seconds pass."""
    before, start = [calls(fleet) for fleet in fleets], time.monotonic()
    wait_until(lambda: time.monotonic() - start > WATCHED_S, 2 * WATCHED_S, "some seconds")
    return [(calls(fleet) - made) / (time.monotonic() - start) for fleet, made in zip(fleets, before, strict=True)]


def on_roster(fleet: Rig) -> int:
    """How many workers the fleet has."""
    return len(fleet.rooms.roster.workers())


def test_fleets_that_idle_wait_or_fail_cost_the_others_nothing() -> None:
    """Beside one that is idle, paused, drained, denied, without a profile, or told to stop, a fleet has its full rate."""
    names = ("works", "idle", "paused", "drained", "denied", "lost", "stopped")
    own: dict[str, dict[str, Any]] = {name: {} for name in names} | {"lost": {"profile": "nobody"}}
    limits = limited(5, life_min_s=600, life_max_s=600)
    with several(own, COMMON | {"workers": 2, "rate": 5, "rate_start": 5}, limits) as stage:
        fleets = stage.fleets
        fleets["paused"].rooms.buckets[DESCRIBE].pause(True)
        fleets["drained"].rooms.roster.command(OrderKind.DRAIN)
        fleets["denied"].simulator.disturb("describe", faults={Fault.DENIED: 1.0})
        for name in set(names) - {"idle"}:
            fleets[name].submit(JOBS)
        with stage.workers() as workers:
            wait_until(lambda: all(on_roster(fleet) == 2 for fleet in fleets.values()), 40, "all workers in all fleets")
            fleets["stopped"].rooms.roster.command(OrderKind.STOP)
            wait_until(lambda: on_roster(fleets["stopped"]) == 0, 10, "the stop obeyed")
            wait_until(lambda: fleets["denied"].rooms.troubles.count() == 2, 10, "the denied in trouble")
            wait_until(lambda: fleets["lost"].rooms.troubles.count() == 2, 10, "the lost in trouble")

            rates = dict(zip(names, watched(*fleets.values()), strict=True))

            assert 4.3 <= rates["works"] <= 5.7
            assert rates["denied"] <= 3.0
            assert [rates[name] for name in ("idle", "paused", "drained", "lost", "stopped")] == [0.0] * 5
            assert all(on_roster(fleets[name]) == 2 for name in names if name != "stopped")
            assert fleets["works"].simulator.stats()["operations"]["describe"]["throttled"] == 0

            fleets["denied"].simulator.disturb("describe", faults={})
            wait_until(lambda: fleets["denied"].rooms.troubles.count() == 0, 20, "the denied well again")
            fleets["idle"].submit(1)
            assert wait_until(lambda: calls(fleets["idle"]) > 0, 5, "the idle woken") < 2.0

            for name in set(names) - {"stopped"}:
                fleets[name].rooms.roster.command(OrderKind.STOP)
            assert workers.process.wait(20) == 0
        said = [json.loads(line) for line in workers.words().splitlines()]
        assert {line["fleet"] for line in said if line["event"] == "AWS fails"} == {"denied", "lost"}
        assert not [line for line in said if line["event"] == "this should not be; going on"]


@pytest.mark.soak
def test_an_aws_that_is_silent_takes_a_quarter_of_the_time_at_most() -> None:
    """Each try for one fleet holds the only process up for two seconds; the other has most of its rate nevertheless."""
    limits = limited(5, life_min_s=600, life_max_s=600)
    common = COMMON | {"workers": 1, "rate": 5, "rate_start": 5}
    with several({"works": {}, "silent": {}}, common, limits) as stage, stage.workers():
        works, silent = stage.fleets.values()
        silent.simulator.disturb("describe", faults={Fault.HANG: 1.0})
        for fleet in (works, silent):
            fleet.submit(JOBS)
        wait_until(lambda: silent.rooms.troubles.count() == 1, 30, "the silent in trouble")

        of_works = sum(watched(works)[0] for _ in range(6)) / 6

        assert of_works >= 0.7 * 5
        assert calls(silent) > 2
        silent.simulator.disturb("describe", faults={})
        wait_until(lambda: silent.rooms.troubles.count() == 0, 20, "the silent well again")


def test_where_processes_are_scarce_shares_decide_and_nobody_starves() -> None:
    """One process and answers that take long: three times the share is three times the calls, and who wakes is served."""
    own = {"large": {"share": 3.0}, "small": {"share": 1.0}, "idle": {"share": 0.2}}
    slow = limited(50, life_min_s=600, life_max_s=600, latency_ms=80.0)
    with several(own, COMMON | {"workers": 1, "rate": 50, "rate_start": 50}, slow) as stage, stage.workers():
        large, small, idle = stage.fleets.values()
        for fleet in (large, small):
            fleet.submit(2 * JOBS)
        wait_until(lambda: min(calls(large), calls(small)) > 2, 40, "calls for both")

        of_large, of_small = watched(large, small)

        assert 2.2 <= of_large / of_small <= 4.0
        idle.submit(1)
        assert wait_until(lambda: calls(idle) > 0, 5, "the idle woken") < 2.0

"""Twenty fleets over a Redis Cluster of three primaries and three replicas, all real processes, one of which is killed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, wait_until
from benchmarks.several import Several, several
from tests.acceptance.test_fleet import assert_all_ended_once
from tests.acceptance.test_many_fleets import COMMON, calls, on_roster
from tests.topologies import Cluster, cluster, role

FLEETS, RATE, JOBS = 20, 2, 200
PARTLY = ("--cluster-require-full-coverage", "no")
"""Slots whose primary is up are served while others' is down; by default a Cluster serves none then."""
WATCHED_S = 6.0


log = logging.getLogger(__name__)


def shards_of(shards: Cluster, stage: Several) -> dict[str, int]:
    """Which shard has which fleet."""
    return {name: shards.shards.index(shards.shard(name)) for name in stage.fleets}


def made(fleets: list[Rig]) -> dict[str, int]:
    """The calls of each so far."""
    return {fleet.settings.fleet: calls(fleet) for fleet in fleets}


def longest_gaps_s(fleets: list[Rig], seconds: float) -> dict[str, float]:
    """For how long at most each fleet made no call, while some seconds pass."""
    start = time.monotonic()
    last, gaps, before = dict.fromkeys(made(fleets), start), Counter[str](), made(fleets)

    def look() -> bool:
        now, seen = time.monotonic(), made(fleets)
        for name in seen:
            gaps[name] = max(gaps[name], now - last[name])  # type: ignore[assignment] # a Counter of seconds
            if seen[name] > before[name]:
                before[name], last[name] = seen[name], now
        return now - start > seconds

    wait_until(look, 2 * seconds, "some seconds")
    return dict(gaps)


@pytest.mark.soak
def test_a_shard_that_dies_stops_only_its_own_fleets(tmp_path: Path) -> None:
    """Those of other slots go on without a gap, its own resume with its replica, and every end is published once."""
    own: dict[str, dict[str, Any]] = {f"fleet-{n}": {} for n in range(FLEETS)}
    common = COMMON | {"workers": 2, "rate": RATE, "rate_start": RATE, "visibility": 9.0}
    limits = limited(RATE, life_min_s=12.0, life_max_s=30.0)
    with cluster(tmp_path, "pr", *PARTLY) as shards, several(own, common, limits, shards.url) as stage:
        where = shards_of(shards, stage)
        assert set(where.values()) == {0, 1, 2}
        with stage.workers() as workers:
            wait_until(lambda: all(on_roster(fleet) == 2 for fleet in stage.fleets.values()), 60, "all workers everywhere")
            for fleet in stage.fleets.values():
                fleet.submit(JOBS)
            wait_until(lambda: all(calls(fleet) > 2 for fleet in stage.fleets.values()), 30, "calls for all")
            others = [fleet for name, fleet in stage.fleets.items() if where[name] != 0]
            usual_s = max(longest_gaps_s(others, WATCHED_S).values())
            primary, replica = shards.shards[0]
            primary.kill()
            gap_s = max(longest_gaps_s(others, WATCHED_S).values())
            wait_until(lambda: role(replica) == "master", 20, "a new primary")
            for fleet in stage.fleets.values():
                assert_all_ended_once(fleet, 90)
            assert workers.process.poll() is None

        log.warning("the longest pause of a fleet on another shard: %.2f s, before that %.2f s", gap_s, usual_s)
        assert gap_s < max(2.0, 2 * usual_s)
        stats = [fleet.simulator.stats()["operations"]["describe"] for fleet in stage.fleets.values()]
        assert sum(one["throttled"] for one in stats) <= sum(one["calls"] for one in stats) / 1000
        for name, fleet in stage.fleets.items():
            assert calls(fleet) <= fleet.rooms.buckets["DescribeJobs"].view().tokens_granted + 2, name

"""A failover under load, as the API's side and independent readers see it: real servers, real workers, jobs that end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.rig import Rig, wait_until
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.waiting import Waited
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import open_rooms
from tests.topologies import Topology, role

READING_S = 60.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a failover cost. Times from the kill of the primary, in seconds."""

    promoted_s: float
    first_call_s: float
    calls_while_down: int

    @property
    def after_promotion_s(self) -> float:
        """How long the fleet needed once there was a primary."""
        return self.first_call_s - self.promoted_s


@dataclass
class Witnesses:
    """A wait for all jobs and a follower of the stream, begun before anything breaks."""

    waited: Future[Waited]
    heard: Counter[str]


@contextmanager
def witnesses(fleet: Rig) -> Iterator[Witnesses]:
    """A thread that waits for the fleet's jobs, and one that counts their ends, each on connections of its own."""
    heard: Counter[str] = Counter()
    begun, over = threading.Event(), threading.Event()

    def follow() -> None:
        rooms = open_rooms(fleet.url, fleet.settings)
        for event in Fleet(rooms, fleet.settings).events(BEGINNING):
            if event is not None and event.after.terminal:
                heard[event.job_id] += 1
            if over.is_set() or len(heard) == len(fleet.ids):
                break
        rooms.close()

    def wait() -> Waited:
        rooms = open_rooms(fleet.url, fleet.settings)
        try:
            return Fleet(rooms, fleet.settings).wait(fleet.ids, timeout_s=READING_S, on_change=lambda *_: begun.set())
        finally:
            rooms.close()

    with ThreadPoolExecutor(2) as pool:
        following, waited = pool.submit(follow), pool.submit(wait)
        try:
            begun.wait(READING_S)
            yield Witnesses(waited, heard)
        finally:
            over.set()
        following.result(READING_S)


def calls(fleet: Rig) -> int:
    """How many DescribeJobs calls the API side has seen."""
    return int(fleet.simulator.stats()["operations"]["describe"]["calls"])


def kill_primary(fleet: Rig, topology: Topology) -> Recovery:
    """Kill -9 the primary, and watch who takes its place and when the fleet calls AWS again."""
    name = fleet.settings.fleet
    primary, others = topology.primary(name), topology.others(name)
    primary.kill()
    start, calls_then = time.monotonic(), calls(fleet)
    promoted_s = wait_until(lambda: any(role(one) == "master" for one in others), 30, "a new primary")
    calls_down = calls(fleet)
    wait_until(lambda: calls(fleet) > calls_down, 30, "a call after the failover")
    return Recovery(promoted_s, time.monotonic() - start, calls_down - calls_then)

"""Redis is away for a while: readers call it seldom, and go on where they were."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from pathlib import Path

import msgspec
import pytest

from benchmarks.rig import limited, rig, wait_until
from fleetpoll import aio
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.schedule import Lease, Look
from tests.acceptance.test_fleet import calls, quick
from tests.lossy import Lossy, lossy
from tests.servers import DURABLE, Server, server

JOBS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(6)]
PATIENCE_S = 20.0
BACK_S = 5.0
READERS = ("wait", "events", "aio.wait", "aio.events")

log = logging.getLogger(__name__)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server on a port, for proxies to stand before."""
    with server(tmp_path, *DURABLE) as one:
        yield one


class Reading:
    """All four ways to read, each over a line of its own, at work until the last job has ended."""

    def __init__(self, lines: dict[str, Lossy], settings: Settings) -> None:
        self.heard: dict[str, Counter[str]] = {name: Counter() for name in lines}
        self._lines, self._settings = lines, settings

    def run(self, name: str) -> None:
        """Read in one of the ways until all ends were heard."""
        settings = msgspec.structs.replace(self._settings, redis_url=self._lines[name].url)
        if name.startswith("aio."):
            asyncio.run(self._live(name, settings))
        else:
            with open_fleet(settings) as fleet:
                self._threaded(name, fleet)

    def _threaded(self, name: str, fleet: Fleet) -> None:
        if name == "wait":
            self.heard[name].update(arrival.job_id for arrival in fleet.as_completed(JOBS, timeout_s=PATIENCE_S + 60))
            return
        for event in fleet.events(BEGINNING):
            if self._note(name, event):
                return

    async def _live(self, name: str, settings: Settings) -> None:
        async with aio.open_fleet(settings) as fleet:
            if name == "aio.wait":
                async for arrival in fleet.as_completed(JOBS, timeout_s=PATIENCE_S + 60):
                    self.heard[name][arrival.job_id] += 1
                return
            async with aclosing(fleet.events(BEGINNING)) as events:
                async for event in events:
                    if self._note(name, event):
                        return

    def _note(self, name: str, event: Transition | None) -> bool:
        if event is not None:
            self.heard[name][event.job_id] += 1
        return len(self.heard[name]) == len(JOBS)


def end(rooms: Rooms, job_ids: list[str]) -> None:
    """Let these jobs be seen as over."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="w")
    assert isinstance(lease, Lease)
    looks = []
    for job_id in set(job_ids) & set(lease.jobs):
        record = msgspec.structs.replace(lease.jobs[job_id], status=JobStatus.SUCCEEDED)
        looks.append(Look(job_id, None, record, Transition.between(job_id, lease.jobs[job_id], record)))
    rooms.schedule.settle(lease, looks, events_kept=100, asked=len(looks))


def out_for(lines: list[Lossy], for_s: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    """All lines are cut for so long."""
    for line in lines:
        line.go_away()
    meanwhile()
    until = time.monotonic() + for_s
    wait_until(lambda: time.monotonic() > until, for_s + 1, "the end of the outage")
    for line in lines:
        line.away = False


def read_over_an_outage(own: Server, settings: Settings, for_s: float) -> dict[str, int]:
    """Let jobs end before, while and after the readers' lines are cut. Returns how often each reader called."""
    with ExitStack() as stack:
        lines = {name: stack.enter_context(lossy(own.port)) for name in READERS}
        rooms = open_rooms(own.url, settings)
        stack.callback(rooms.close)
        rooms.schedule.track(JOBS)
        reading, pool = Reading(lines, settings), stack.enter_context(ThreadPoolExecutor(len(lines)))
        done = {name: pool.submit(reading.run, name) for name in lines}
        end(rooms, JOBS[:2])
        wait_until(lambda: all(len(heard) == 2 for heard in reading.heard.values()), PATIENCE_S, "the first ends")

        out_for(list(lines.values()), for_s, lambda: end(rooms, JOBS[2:4]))

        wait_until(lambda: all(len(heard) == 4 for heard in reading.heard.values()), BACK_S, "what was missed")
        end(rooms, JOBS[4:])
        for name, reader in done.items():
            reader.result(PATIENCE_S)
            assert reading.heard[name] == Counter(JOBS)
        return {name: line.attempts for name, line in lines.items()}


def test_readers_resume_without_a_gap(own: Server, settings: Settings) -> None:
    """`wait` and `events`, for threads and for asyncio: nothing is missed or told twice, and 5 s are enough."""
    attempts = read_over_an_outage(own, settings, 2.0)

    assert all(1 <= count <= 10 for count in attempts.values()), attempts


@pytest.mark.soak
def test_readers_are_patient_for_a_minute(own: Server, settings: Settings) -> None:
    """The same for a minute: four calls a second at most."""
    attempts = read_over_an_outage(own, settings, 60.0)

    log.warning("a minute: %s", attempts)
    assert all(20 <= count <= 250 for count in attempts.values()), attempts


@pytest.mark.parametrize("for_s", [2.0, pytest.param(60.0, marks=pytest.mark.soak)])
def test_workers_do_not_storm_a_server_that_is_away(own: Server, for_s: float) -> None:
    """Each tries again after 0.25 s, then after ever longer pauses, up to 2 s; none calls AWS; all are back within 5 s."""
    with lossy(own.port) as line:
        settings = quick(rate=20, workers=2, stuck_after=60)
        with rig(settings, limited(20, life_min_s=60.0), line.url) as fleet, fleet.workers() as workers:
            fleet.await_pollers(2)
            fleet.submit(300)
            wait_until(lambda: calls(fleet) > 2, PATIENCE_S, "calls")
            calls_then = calls(fleet)

            out_for([line], for_s)

            assert calls(fleet) <= calls_then + settings.workers
            log.warning("%d workers, %.0f s: %d tries", settings.workers, for_s, line.attempts)
            assert line.attempts <= settings.workers * (5 + for_s)
            calls_back = calls(fleet)
            assert wait_until(lambda: calls(fleet) > calls_back, 10, "calls again") <= BACK_S
            assert workers.words().count("redis failed") == settings.workers

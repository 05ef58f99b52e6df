"""A process with many consumers of one fleet, measured by following.py and waiting.py.

Arguments: the Redis URL, the fleet, what they are, how many, and how much: of followers how many transitions each is to be
given, of waits for how many seconds. Says "ready" when all are there, and one JSON object at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from typing import Any

from benchmarks.running import allow_many_connections
from fleetpoll import aio
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.jobs import Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING

Lags = list[float]


def say(word: str) -> None:
    """One line to who started us."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def note(lags: Lags, transition: Transition) -> None:
    """How old a transition is; its publisher is on this machine."""
    lags.append(time.time() - transition.detected_ms / 1000)


async def follow(fleet: aio.Fleet, total: int, lags: Lags) -> None:
    """Everything, for one that has no group."""
    heard = 0
    async for transition in fleet.events(BEGINNING):
        if transition is not None:
            note(lags, transition)
            heard += 1
            if heard == total:
                return


async def consume(fleet: aio.Fleet, group: str, total: int, lags: Lags) -> None:
    """Everything, for the one consumer of a group."""
    heard = 0
    async with fleet.consume(group, after=BEGINNING) as consumer:
        async for transition in consumer:
            if transition is not None:
                note(lags, transition)
                heard += 1
                if heard == total:
                    await consumer.acknowledge()
                    return


async def followers(settings: Settings, kind: str, count: int, total: int) -> dict[str, Any]:
    """So many of a kind, until each was given all."""
    lags = Lags()
    async with aio.open_fleet(settings) as fleet, asyncio.TaskGroup() as tasks:
        for number in range(count):
            work = follow(fleet, total, lags) if kind == "plain" else consume(fleet, f"g{number}", total, lags)
            tasks.create_task(work)
        say("ready")
    ordered = sorted(lags)
    at = {share: ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99)} if ordered else {}
    return {"lag_p50_s": at.get(0.5), "lag_p99_s": at.get(0.99), "heard": len(ordered)}


async def tasks_that_wait(settings: Settings, ids: list[str], span_s: float) -> float:
    """The CPU seconds of so many tasks of one event loop, each waiting for a job."""
    async with aio.open_fleet(settings) as fleet:
        tasks = [asyncio.create_task(fleet.wait([job_id])) for job_id in ids]
        while not all(wait.looked for wait in fleet._hub._everybody()) or len(fleet._hub._waits) < len(ids):  # noqa: SLF001 - measured from inside
            await fleet.alive()
        say("ready")
        before = time.process_time()
        await asyncio.sleep(span_s)
        spent = time.process_time() - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return spent


def threads_that_wait(settings: Settings, ids: list[str], span_s: float) -> float:
    """The same of so many threads."""
    over = threading.Event()
    with open_fleet(settings) as fleet:
        threads = [threading.Thread(target=wait_in_thread, args=(fleet, job_id, over), daemon=True) for job_id in ids]
        for thread in threads:
            thread.start()
        time.sleep(3.0)  # each has tracked and looked
        say("ready")
        before = time.process_time()
        time.sleep(span_s)
        spent = time.process_time() - before
        over.set()
        for thread in threads:
            thread.join()
    return spent


def wait_in_thread(fleet: Fleet, job_id: str, over: threading.Event) -> None:
    """Wait for a job that never ends, in pieces so that it can be told to stop."""
    while not over.is_set():
        fleet.wait([job_id], timeout_s=20.0)


def main() -> None:
    """Be what is asked for."""
    url, name, kind, count, much = sys.argv[1:]
    allow_many_connections()
    settings = Settings(redis_url=url, fleet=name)
    ids = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(int(count))]
    if kind in {"plain", "group"}:
        found = asyncio.run(followers(settings, kind, int(count), int(much)))
    elif kind == "tasks":
        found = {"cpu_s": asyncio.run(tasks_that_wait(settings, ids, float(much)))}
    else:
        found = {"cpu_s": threads_that_wait(settings, ids, float(much))}
    say(json.dumps(found))


if __name__ == "__main__":
    main()

"""Programs that live on what the fleet tells, and write down what they were told.

python -m tests.chaos.consumer reader NOTES              every transition from the first on, by cursor
python -m tests.chaos.consumer member NOTES NAME         a consumer of the group; what it is given it notes, then asks on
python -m tests.chaos.consumer waiter NOTES BURSTS…      waits for each acknowledged burst of these producers
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from contextlib import suppress
from pathlib import Path

from fleetpoll import aio
from fleetpoll.client.fleet import open_fleet
from fleetpoll.client.waiting import Waited
from fleetpoll.errors import RedisUnavailable
from fleetpoll.settings import Settings, load
from tests.chaos.notes import Burst, Entry, Notebook, Wait, read

GROUP = "chaos"
BEGINNING = "0-0"
RETRY_AFTER_S = 8.0
LOOK_S = 0.3
THREADED = 7
"""Every so manieth wait is a thread's, the others asyncio's."""


def reader(notes: Notebook) -> None:
    """Follow the stream for ever."""
    with open_fleet(load(os.environ)) as fleet:
        for transition in fleet.events(after=BEGINNING):
            if transition is not None:
                notes.write(Entry.of(transition))


def member(notes: Notebook, name: str) -> None:
    """Consume for ever; joining is tried until Redis is there."""
    with open_fleet(load(os.environ)) as fleet:
        while True:
            try:
                for transition in fleet.consume(GROUP, name, after=BEGINNING, retry_after_s=RETRY_AFTER_S):
                    if transition is not None:
                        notes.write(Entry.of(transition))
            except RedisUnavailable:
                continue


async def waiter(notes: Notebook, bursts: list[Path]) -> None:
    """Wait for everything that is acknowledged."""
    waits, begun = set[asyncio.Task[None]](), set[str]()
    async with aio.open_fleet(load(os.environ)) as fleet:
        while True:
            for burst in itertools.chain.from_iterable(read(path, Burst) for path in bursts):
                if burst.acknowledged and burst.ids[0] not in begun:
                    begun.add(burst.ids[0])
                    threaded = len(begun) % THREADED == 0
                    waits.add(asyncio.create_task(one_wait(fleet, notes, burst.ids, threaded=threaded)))
            await passed(LOOK_S)
            waits = {wait for wait in waits if not (wait.done() and wait.result() is None)}


async def passed(seconds: float) -> None:
    """That much time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def one_wait(fleet: aio.Fleet, notes: Notebook, ids: list[str], *, threaded: bool) -> None:
    """Wait for these jobs; a wait that could not begin is begun again."""
    while True:
        try:
            done = await asyncio.to_thread(blocking_wait, fleet.settings, ids) if threaded else await fleet.wait(ids)
        except RedisUnavailable:
            await passed(LOOK_S)
            continue
        reached = {job_id: status.value for job_id, status in done.reached.items()}
        notes.write(Wait(ids, reached, done.gone, "thread" if threaded else "asyncio"))
        return


def blocking_wait(settings: Settings, ids: list[str]) -> Waited:
    """The same in a thread."""
    with open_fleet(settings) as fleet:
        return fleet.wait(ids)


def main(kind: str, notes: str, *more: str) -> None:
    """The process."""
    if kind == "reader":
        reader(Notebook(Path(notes)))
    elif kind == "member":
        member(Notebook(Path(notes)), *more)
    else:
        asyncio.run(waiter(Notebook(Path(notes)), [Path(path) for path in more]))


if __name__ == "__main__":
    main(*sys.argv[1:])

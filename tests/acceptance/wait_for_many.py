"""A process with many asyncio tasks, each of which waits for one job; run by test_many_waits.

Arguments: the Redis URL, the fleet, how many. Says "ready" when all wait, and writes one JSON object at the end: the most
memory it had, in MiB, and for each job the monotonic time at which its task went on, and the status that it was told.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from fleetpoll import aio
from fleetpoll.settings import Settings
from tests.ids import make_ids

Woken = dict[str, tuple[float, str]]


async def main(url: str, name: str, count: int) -> Woken:
    """Wait for all of them, each in a task of its own."""
    woken: Woken = {}

    async def wait(job_id: str) -> None:
        waited = await fleet.wait([job_id])
        woken[job_id] = (time.monotonic(), waited.reached.get(job_id, "gone"))

    async with aio.open_fleet(Settings(redis_url=url, fleet=name)) as fleet, asyncio.TaskGroup() as tasks:
        for job_id in make_ids(count):
            tasks.create_task(wait(job_id))
        while [hub_wait.looked for hub_wait in fleet._hub._everybody()] != [True] * count:
            await fleet.alive()  # any await will do
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    return woken


def peak_mb() -> float:
    """The most memory that this process has had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    told = asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    json.dump({"peak_mb": peak_mb(), "woken": told}, sys.stdout)

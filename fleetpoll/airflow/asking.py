"""One hook for all triggers of an event loop that ask AWS in the same way, and a thread of its own to do so.

A client of boto3's costs 9 MB and a tenth of a second: a thousand triggers that lose their fleet at once cannot have one
each. The thread waits for tokens, for as long as it takes. In the loop's own pool it would keep everybody else's names from
being looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from fleetpoll.airflow.hooks import BatchClientHook


class Asker:
    """A hook that triggers ask AWS with, one after the other."""

    def __init__(self, hook: BatchClientHook) -> None:
        self.hook, self.users = hook, 0
        self._thread = ThreadPoolExecutor(1, "fleetpoll-asker")

    async def describe(self, job_id: str) -> dict[str, Any]:
        """What AWS says of a job. Raises what the hook raises."""
        # Made where Airflow's connections can be had; shielded as in BatchJobTrigger._settings.
        await asyncio.shield(sync_to_async(lambda: self.hook.client)())
        loop, within = asyncio.get_running_loop(), copy_context()  # what is logged is of the trigger that asks
        return await loop.run_in_executor(self._thread, within.run, self.hook.get_job_description, job_id)

    def close(self) -> None:
        """Close the hook, once the call that is under way has returned."""
        self._thread.submit(self.hook.close)
        self._thread.shutdown(wait=False)


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Asker]] = WeakKeyDictionary()


@asynccontextmanager
async def asking(way: Hashable, make: Callable[[], BatchClientHook]) -> AsyncIterator[Asker]:
    """The asker for all of the running event loop that ask in this way; closed when its last user leaves."""
    askers = _of_loop.setdefault(asyncio.get_running_loop(), {})
    if way not in askers:
        askers[way] = Asker(make())
    asker = askers[way]
    asker.users += 1
    try:
        yield asker
    finally:
        asker.users -= 1
        if not asker.users:
            del askers[way]
            asker.close()

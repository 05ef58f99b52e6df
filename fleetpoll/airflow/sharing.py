"""One fleet for all triggers of an event loop that want the same one.

Everywhere else in this house the edge builds what is shared and hands it down. Here the edge is Airflow's triggerer: it
makes each trigger by itself from what was serialised, and has no place where something of ours could wait for the next one.
A connection and a reader of the stream for each of thousands of triggers would be a flood, so they find each other here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import msgspec

from fleetpoll.aio import Fleet, open_fleet
from fleetpoll.clock import system_mono
from fleetpoll.errors import StateError
from fleetpoll.settings import Settings

LINGER_S = 30.0
"""How long a fleet stays open after its last user: triggers come and go in waves."""
WATCH_S = 5.0
"""How often it is looked whether workers are alive, once for all users."""


class SharedFleet:
    """An open fleet, and whether anybody polls for it."""

    def __init__(self, settings: Settings, forget: Callable[[SharedFleet], None]) -> None:
        self._settings, self._forget = settings, forget
        self._users, self._left = 0, system_mono()
        self._deserted, self._attended = asyncio.Event(), asyncio.Event()
        self._opened: asyncio.Future[Fleet] = asyncio.get_running_loop().create_future()
        self._opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())  # nobody may ask for it
        self._keeper = asyncio.create_task(self._keep(), name=f"fleet {settings.fleet}")

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Fleet]:
        """The fleet, open for as long as the block lasts. Raises what opening it raised."""
        self._users += 1
        try:
            yield await asyncio.shield(self._opened)
        finally:
            self._users -= 1
            self._left = system_mono()

    async def deserted(self, for_s: float) -> None:
        """Returns once no worker has been alive for `for_s` seconds on end; time without Redis counts as time before it."""
        while True:
            await self._deserted.wait()
            try:
                await asyncio.wait_for(self._attended.wait(), for_s)
            except TimeoutError:
                return

    async def attended(self) -> None:
        """Returns once a worker is alive."""
        await self._attended.wait()

    async def _keep(self) -> None:
        """Open the fleet and hold it until nobody has used it for a while.

        A task of its own, so that it is closed where it was opened, whichever trigger came first and whichever goes last.
        """
        try:
            async with open_fleet(self._settings) as fleet:
                self._opened.set_result(fleet)
                while self._users or system_mono() - self._left < LINGER_S:
                    await self._look(fleet)
                    await asyncio.sleep(WATCH_S)
                self._forget(self)  # before the first await of closing: from here on there are no new users
        except Exception as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)
        finally:
            self._forget(self)
            self._opened.cancel()

    async def _look(self, fleet: Fleet) -> None:
        try:
            there = bool(await fleet.alive())
        except StateError:
            return  # nobody can tell
        now, before = (self._attended, self._deserted) if there else (self._deserted, self._attended)
        before.clear()
        now.set()


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, SharedFleet]] = WeakKeyDictionary()


def shared_fleet(settings: Settings) -> SharedFleet:
    """The fleet of these settings that the running event loop shares; opened if need be, and closed some time after use."""
    fleets = _of_loop.setdefault(asyncio.get_running_loop(), {})
    key = msgspec.json.encode(settings)

    def forget(gone: SharedFleet) -> None:
        if fleets.get(key) is gone:  # else its successor is there already
            del fleets[key]

    if key not in fleets:
        fleets[key] = SharedFleet(settings, forget)
    return fleets[key]

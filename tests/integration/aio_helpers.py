"""What the tests of the fleet for asyncio share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fleetpoll import aio
from fleetpoll.jobs import Transition
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms

LONG_S = 20.0
"""More than anything here should take; who waits that long has missed something."""


def run(test: Callable[[aio.Fleet], Awaitable[None]], settings: Settings) -> None:
    """A test in a fleet and an event loop of its own."""

    async def main() -> None:
        async with asyncio.timeout(LONG_S), aio.open_fleet(settings) as fleet:
            await test(fleet)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    turn = asyncio.Event()
    while not condition():
        asyncio.get_running_loop().call_later(0.01, turn.set)
        await turn.wait()
        turn.clear()


async def turns(count: int) -> None:
    """Let others run for so many turns of the loop."""
    for _ in range(count):
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()


async def heard(transitions: AsyncIterator[Transition | None], count: int) -> list[str]:
    """The jobs of the next transitions."""
    found = list[str]()
    while len(found) < count:
        transition = await anext(transitions)
        found += [transition.job_id] if transition else []
    return found


def clients(rooms: Rooms) -> list[dict[str, str]]:
    """Who is connected."""
    found: Any = rooms.client.client_list()
    return list(found)


def readers(rooms: Rooms) -> list[str]:
    """The connections of those who wait for news."""
    return [client["id"] for client in clients(rooms) if client["cmd"] == "xread"]


def cut_readers(rooms: Rooms) -> None:
    """Take their connections away from those who wait for news."""
    for reader in readers(rooms):
        rooms.client.client_kill_filter(_id=reader)

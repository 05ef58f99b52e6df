"""Conversations with Redis that are written once, for threads and for asyncio: a generator says which command comes next.

Each `yield` is one command, whose reply it becomes; an error of ours is raised there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fleetpoll.errors import StateError

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.live import LiveConnection
    from fleetpoll.state.scripts import Argument

Result = TypeVar("Result")
Steps = Generator["tuple[Argument, ...]", Any, Result]


def perform(client: Connection, steps: Steps[Result]) -> Result:
    """Hold a conversation."""
    try:
        command = next(steps)
        while True:
            try:
                reply = client.execute_command(*command)
            except StateError as error:
                command = steps.throw(error)
            else:
                command = steps.send(reply)
    except StopIteration as done:
        return cast("Result", done.value)


async def perform_live(client: LiveConnection, steps: Steps[Result]) -> Result:
    """Hold a conversation, and let others run while Redis thinks."""
    try:
        command = next(steps)
        while True:
            try:
                reply = await client.execute_command(*command)
            except StateError as error:
                command = steps.throw(error)
            else:
                command = steps.send(reply)
    except StopIteration as done:
        return cast("Result", done.value)

"""One consumer of a consumer group, for a thread. What it does is `fleetpoll.state.groups.Member`'s business."""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fleetpoll.client.following import pause_s
from fleetpoll.errors import RedisUnavailable, StateError
from fleetpoll.state.steps import perform

if TYPE_CHECKING:
    from fleetpoll.jobs import Transition
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.groups import Member

RETRY_AFTER_S = 60.0


def some_name() -> str:
    """A name for a consumer that no other has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Consumer:
    """The transitions that are this consumer's, each at least once; None whenever a moment passed without one.

    Asking for the next acknowledges the one before. One that was not acknowledged, because the loop was left or the process
    died, is given again: to a consumer of the same name at once, to any other when `retry_after_s` have passed. The same may
    happen to one that the loop took longer for, and to one that was acknowledged in the last second before Redis crashed.
    """

    def __init__(self, client: Connection, member: Member) -> None:
        self._client, self._member = client, member
        perform(client, member.join())

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> Transition | None:
        """The next one. Goes on by itself when Redis was away."""
        try:
            return perform(self._client, self._member.advance())
        except RedisUnavailable:
            time.sleep(pause_s())
            return None

    def acknowledge(self) -> None:
        """Do not give the last one again. Needed only before the loop is left: it goes without saying otherwise."""
        perform(self._client, self._member.acknowledge())

    def close(self) -> None:
        """Leave the group. What was not acknowledged stays to be given again."""
        with suppress(StateError):
            perform(self._client, self._member.leave())

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the group."""
        self.close()

"""The channel that wakes waiting workers: it rings when jobs were tracked, orders given, or AWS has begun to work again.

Waiting on it costs no Redis command. A ring that is missed costs nothing but time: who waits also has a latest moment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from fleetpoll.state.connection import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.client import PubSub

    from fleetpoll.clock import Mono
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

SLICE_S = 0.25
"""How often a wait looks whether it should end early; a signal handler can do no more than set a flag."""


class Ring(StrEnum):
    """Why the doorbell rang, what matters most first."""

    ORDER = "order"
    RECOVERED = "recovered"
    TRACK = "track"


class Doorbell:
    """One worker's ear at the door."""

    def __init__(self, client: Connection, keys: Keys, mono: Mono) -> None:
        self._client, self._keys, self._mono = client, keys, mono
        self._pubsub: PubSub | None = None

    def listen(self) -> None:
        """Subscribe, so that no ring from now on is missed; anew if the connection was lost."""
        if self._pubsub is None:
            pubsub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py has not typed it
            with translated():
                pubsub.subscribe(self._keys.doorbell)
            self._pubsub = pubsub

    def wait(self, wait_s: float, stop: Callable[[], bool], *wake: Ring) -> Ring | None:
        """Wait `wait_s` seconds, or less if the bell rings for one of `wake` or `stop` becomes true.

        Returns what rang, else None. Raises RedisUnavailable when the connection is lost.
        """
        until = self._mono() + wait_s
        while (left := until - self._mono()) > 0 and not stop():
            heard = self._next(min(left, SLICE_S))
            for ring in Ring:
                if ring in heard and ring in wake:
                    return ring
        return None

    def _next(self, wait_s: float) -> set[str]:
        """What rang within `wait_s`, and all that rang before while nobody listened. A newer release may ring otherwise."""
        self.listen()
        assert self._pubsub is not None  # noqa: S101 - listen has just made it
        heard: set[str] = set()
        try:
            with translated():
                while message := self._pubsub.get_message(timeout=0.0 if heard else wait_s):
                    heard.add(str(message["data"]))
        except UnicodeDecodeError:  # somebody else's publish on our channel
            return set()
        except Exception:
            self.close()
            raise
        return heard

    def close(self) -> None:
        """Stop listening."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None

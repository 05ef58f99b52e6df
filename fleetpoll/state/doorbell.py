"""The channel that wakes waiting workers: it rings when jobs were tracked, orders given, or AWS has begun to work again.

Waiting on it costs no Redis command. A ring that is missed costs nothing but time: who waits also has a latest moment.
One connection hears the rings of many fleets, on any node of a Cluster: nodes pass on what is published.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from fleetpoll.state.connection import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.client import PubSub

    from fleetpoll.clock import Mono
    from fleetpoll.state.connection import Connection

SLICE_S = 0.25
"""How often a wait looks whether it should end early; a signal handler can do no more than set a flag."""


class Ring(StrEnum):
    """Why the doorbell rang, what matters most first."""

    ORDER = "order"
    RECOVERED = "recovered"
    TRACK = "track"


RINGS = frozenset(Ring)


class Doorbell:
    """One worker's ear at the doors of its fleets, `doors`: channel -> fleet."""

    def __init__(self, doors: Mapping[str, str], mono: Mono) -> None:
        self._doors, self._mono = doors, mono
        self._pubsub: PubSub | None = None
        self.client: Connection | None = None  # whose server is listened at

    def listen(self, client: Connection) -> None:
        """Subscribe there, so that no ring from now on is missed. Raises StateError."""
        pubsub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py has not typed it
        with translated():
            pubsub.subscribe(*self._doors)
        self._pubsub, self.client = pubsub, client

    def wait(self, wait_s: float, stop: Callable[[], bool]) -> set[tuple[str, Ring]]:
        """Wait `wait_s` seconds at most, until the bell of a fleet rings or `stop` becomes true.

        Returns who rang and why, all that rang before while nobody listened as well. Raises StateError when the connection
        is lost; it is closed then.
        """
        until, heard = self._mono() + wait_s, set[tuple[str, Ring]]()
        while not heard and not stop():
            left = until - self._mono()
            heard = self._next(max(0.0, min(left, SLICE_S)))
            if left <= SLICE_S:
                break
        return heard

    def _next(self, wait_s: float) -> set[tuple[str, Ring]]:
        """What rang within `wait_s`. A newer release may ring otherwise, and somebody else may publish on our channels."""
        assert self._pubsub is not None  # noqa: S101 - who waits has listened
        heard: set[tuple[str, Ring]] = set()
        try:
            with translated():
                while message := self._pubsub.get_message(timeout=0.0 if heard else wait_s):
                    if message["data"] in RINGS and message["channel"] in self._doors:
                        heard.add((self._doors[message["channel"]], Ring(message["data"])))
        except UnicodeDecodeError:
            return heard
        except Exception:
            self.close()
            raise
        return heard

    def close(self) -> None:
        """Stop listening."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = self.client = None

"""Follow the stream for ever, over restarts of Redis: the cursor holds our place, so nothing is missed or repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import Transition
from fleetpoll.state.events import BLOCK_S, Events

REDIS_RETRY_S = 0.5


def follow(events: Events, after: str) -> Iterator[Transition | None]:
    """Every transition after the cursor; None whenever a moment passed without one, be it that Redis is away."""
    while True:
        try:
            page = events.read(after, block_s=BLOCK_S)
        except RedisUnavailable:
            time.sleep(REDIS_RETRY_S)
            page = []
        for transition in page:
            after = transition.cursor
            yield transition
        if not page:
            yield None

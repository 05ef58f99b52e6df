"""Follow the stream for ever, over restarts of Redis: the cursor holds our place, so nothing is missed or repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import Transition
from fleetpoll.state.events import BLOCK_S, Events

REDIS_RETRY_S = 0.5


def pause_s() -> float:
    """How long to leave a Redis alone that is away; jittered, because it is away for everybody."""
    return REDIS_RETRY_S * random.uniform(0.5, 1.5)


def read_on(events: Events, after: str, block_s: float) -> list[Transition]:
    """What comes after the cursor within `block_s` (≤ 2 s), oldest first; nothing, after a pause, while Redis is away.

    Raises EventsTrimmed when the follower was overtaken.
    """
    try:
        return events.read_on(after, block_s)
    except RedisUnavailable:
        time.sleep(pause_s())
        return []


def follow(events: Events, after: str) -> Iterator[Transition | None]:
    """Every transition after the cursor; None whenever a moment passed without one, be it that Redis is away."""
    while True:
        page = read_on(events, after, BLOCK_S)
        for transition in page:
            after = transition.cursor
            yield transition
        if not page:
            yield None

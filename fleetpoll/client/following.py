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


def follow(events: Events, after: str) -> Iterator[Transition | None]:
    """Every transition after the cursor; None whenever a moment passed without one, be it that Redis is away."""
    ours = away = False  # the cursor is that of an entry that we have read; Redis was away since
    while True:
        try:
            if away and ours:
                after = events.placed(after)
            away, page = False, events.read_on(after, BLOCK_S)
        except RedisUnavailable:
            time.sleep(pause_s())
            away, page = True, []
        for transition in page:
            after, ours = transition.cursor, True
            yield transition
        if not page:
            yield None

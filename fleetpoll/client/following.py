"""Follow the stream for ever, over restarts of Redis: the cursor holds our place, so nothing is missed or repeated."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator

from fleetpoll.errors import RedisUnavailable
from fleetpoll.jobs import Transition
from fleetpoll.state.events import BLOCK_S, RECENT, Events

REDIS_RETRY_S = 0.5


def pause_s() -> float:
    """How long to leave a Redis alone that is away; jittered, because it is away for everybody."""
    return REDIS_RETRY_S * random.uniform(0.5, 1.5)


def follow(events: Events, after: str) -> Iterator[Transition | None]:
    """Every transition after the cursor; None whenever a moment passed without one, be it that Redis is away."""
    recent = deque[str](maxlen=RECENT)
    began = False
    while True:
        try:
            if not began:
                recent.extend(events.before(after))
                began = True
            after, page = events.read_on(after, BLOCK_S, recent)
        except RedisUnavailable:
            time.sleep(pause_s())
            page = []
        recent.extend(transition.cursor for transition in page)
        yield from page
        if not page:
            yield None

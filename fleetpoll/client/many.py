"""Many fleets, asked the same at once: one whose Redis is away holds nobody up, and is said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import msgspec

from fleetpoll.client.fleet import Fleet, open_fleet, redis_url
from fleetpoll.errors import StateError
from fleetpoll.settings import Settings

AT_ONCE = 16
"""Fleets that are asked side by side: each may take seconds to be silent."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Heard(Generic[Answer]):
    """What a fleet answers, or why it does not."""

    settings: Settings
    answer: Answer | None
    error: StateError | None = None


def ask_each(fleets: Sequence[Settings], ask: Callable[[Fleet], Answer]) -> Iterator[Heard[Answer]]:
    """What each of the fleets answers, in their order; they are on one Redis, or in one Cluster."""
    with redis_url(fleets[0]) as url, ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(partial(_asked, url, ask), fleets)


def _asked(url: str, ask: Callable[[Fleet], Answer], settings: Settings) -> Heard[Answer]:
    """What one fleet answers."""
    try:
        with open_fleet(msgspec.structs.replace(settings, redis_url=url)) as fleet:
            return Heard(settings, ask(fleet))
    except StateError as error:
        return Heard(settings, None, error)

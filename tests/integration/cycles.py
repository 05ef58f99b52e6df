"""Cycles as workers make them, on an API at some URL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import Mono, system_mono
from fleetpoll.cycle import Cycle, Wait
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms

Build = Callable[..., Cycle]


def nap(wait_s: float) -> bool:
    """Wait, without anything that could cut it short."""
    threading.Event().wait(wait_s)
    return True


@contextmanager
def builder(rooms: Rooms, settings: Settings) -> Iterator[Build]:
    """Makes cycles of a fleet, each as another worker would; their connections are closed in the end."""
    apis: list[BatchApi] = []

    def cycle(url: str, wait: Wait = nap, mono: Mono = system_mono, **more: Any) -> Cycle:
        own = msgspec.structs.replace(settings, endpoint_url=url, **more)
        apis.append(BatchApi(own))
        return Cycle(rooms, apis[-1], own, mono, Random(17), wait)

    yield cycle
    for api in apis:
        api.close()

"""What the tests of the bucket share, and those of the cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import system_mono
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Allowance
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, Rooms
from tests.integration.cycles import Build, builder


@pytest.fixture
def make(rooms: Rooms) -> Callable[..., FleetBucket]:
    """Makes buckets of one operation, each as another process would, with an allowance of the test's own."""

    def bucket(
        rate: float = 10.0,
        burst: float | None = None,
        *,
        rate_min: float = 0.5,
        start: float | None = None,
        worker: bool = False,
        operation: str = DESCRIBE,
    ) -> FleetBucket:
        allowance, key = Allowance(operation, rate, rate_min, burst, start), rooms.keys.bucket(operation)
        return FleetBucket(rooms.client, rooms.scripts, key, allowance, system_mono, worker=worker)

    return bucket


@pytest.fixture
def build(rooms: Rooms, settings: Settings) -> Iterator[Build]:
    """Makes a cycle on an API at some URL."""
    with builder(rooms, settings) as cycle:
        yield cycle


@pytest.fixture
def given(redis_url: str, settings: Settings, rooms: Rooms) -> Settings:
    """The test's own fleet on the session's server, which other clients leave clean."""
    return msgspec.structs.replace(settings, redis_url=redis_url)


@pytest.fixture
def api_at() -> Iterator[Callable[..., BatchApi]]:
    """Makes a BatchApi for a URL and settings."""
    made: list[BatchApi] = []

    def make(url: str | None, **more: Any) -> BatchApi:
        made.append(BatchApi(Settings(endpoint_url=url, **more)))
        return made[-1]

    yield make
    for api in made:
        api.close()

"""The embedded server: where it is, how much it holds, and who uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fleetpoll.client.checkup.finding import Finding, Grade, graded
from fleetpoll.client.checkup.server import megabytes
from fleetpoll.embedded.visit import visit
from fleetpoll.settings import Settings
from fleetpoll.text import plural

ROOM = 2.0
"""An AOF that is shortened is there twice."""
ROOM_MIN = 200e6


def check_embedded(settings: Settings) -> Iterator[Finding]:
    """The embedded server of this machine. Nothing where the settings name another."""
    if settings.redis_url is not None:
        return
    place = visit(settings.redis_server, settings.state_home)
    found = "the embedded server of this machine; others need FLEETPOLL_REDIS_URL"
    others = [pid for pid in place.users or () if pid != os.getpid()]
    used = "" if place.users is None else f", {plural(len(others), 'other user')}"
    yield Finding("embedded", Grade.OK, f"{found}; {place.socket}{used}")
    tight = place.free < max(ROOM_MIN, ROOM * place.size)
    found = f"{megabytes(place.size)} in {place.directory}, {megabytes(place.free)} free on its disk"
    advice = "Make room: without any it refuses to write, and the fleet stands still. FLEETPOLL_STATE_HOME moves it."
    yield graded("disk", tight, found, advice)

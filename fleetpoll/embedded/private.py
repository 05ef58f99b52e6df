"""A server for one purpose only: a demo, a test, a benchmark. When the block ends it is gone, so that its folder can go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpoll.embedded.binary import find_server
from fleetpoll.embedded.home import open_home
from fleetpoll.embedded.keeper import try_lock
from fleetpoll.embedded.sharing import join

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE_S = 30.0
POLL_S = 0.02


@contextlib.contextmanager
def private_server(server: str | None, folder: Path) -> Iterator[str]:
    """The URL of a server on a folder of its own. Other processes may use it within the block."""
    home = open_home(folder, find_server(server, os.environ.get("PATH", os.defpath)).flavour)
    try:
        with join(server, folder, linger_s=0.0) as url:
            yield url
    finally:
        lock = os.open(home.keeper_lock, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + GONE_S
        while not try_lock(lock, fcntl.LOCK_EX) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        os.close(lock)

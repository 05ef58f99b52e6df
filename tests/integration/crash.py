"""A server that dies."""

from __future__ import annotations

import os
import signal

from fleetpoll.state.rooms import Rooms


def kill_server(rooms: Rooms) -> None:
    """Let the server die with all that it was told on its disk; its keeper starts it again."""
    rooms.client.config_set("appendfsync", "always")
    os.kill(int(rooms.client.info("server")["process_id"]), signal.SIGKILL)

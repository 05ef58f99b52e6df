"""sd_notify: tells systemd, if it listens, that the service is ready, alive, or stopping."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send `state` (READY=1, WATCHDOG=1, STOPPING=1, STATUS=…) to NOTIFY_SOCKET; False when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), address)
    except OSError:
        return False
    return True

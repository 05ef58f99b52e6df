"""Connections whose answers are there in time as a whole.

A time-out of a socket bounds each pause: whoever sends a byte now and then, headers without end or a body in drops, would
hold a delivery for ever.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any

import urllib3

from fleetpoll.clock import system_mono


class Remaining(io.RawIOBase):
    """What comes in from `sock`, as long as its time-out has not passed since this was made. Raises TimeoutError then."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw, self._sock = raw, sock
        self._until = system_mono() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, into: Any, /) -> int | None:
        """Some bytes, within the time that is left."""
        left_s = self._until - system_mono()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s)
        return self._raw.readinto(into)

    def close(self) -> None:
        """Close the file that is beneath."""
        if not self.closed:
            self._raw.close()
        super().close()


class Answering(HTTPResponse):
    """An answer that is read within the socket's time-out: urllib3 has set it to what sending has left of the whole."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(Remaining(self.fp.detach(), sock))


class Plain(urllib3.connection.HTTPConnection):
    """One of http."""

    response_class = Answering


class Tls(urllib3.connection.HTTPSConnection):
    """One of https."""

    response_class = Answering


class PlainPool(urllib3.HTTPConnectionPool):
    """Those of http."""

    ConnectionCls = Plain


class TlsPool(urllib3.HTTPSConnectionPool):
    """Those of https."""

    ConnectionCls = Tls


POOLS = {"http": PlainPool, "https": TlsPool}

"""The exporter's HTTP: /metrics, /healthz, and a word at / for people.

Each request has a thread, which ends with the process.
"""

from __future__ import annotations

import errno
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingTCPServer
from urllib.parse import urlsplit

from prometheus_client.exposition import MetricsHandler
from prometheus_client.registry import Collector, CollectorRegistry

from fleetpoll.errors import SettingsError

REQUEST_S = 10.0
"""Who has not sent a request, or taken the answer, by then is hung up on."""
WHY = {
    errno.EADDRINUSE: "somebody else listens there: end them, or give another --port",
    errno.EACCES: "this user may not: give a --port from 1024 on",
    errno.EADDRNOTAVAIL: "this machine has no such address: give one of its own as --host, or 0.0.0.0 for all of them",
}
"""What to do when a system refuses an address."""


class Handler(MetricsHandler):
    """One request."""

    server_version, sys_version = "fleetpoll", ""  # which Python it is helps only those who mean ill
    timeout = REQUEST_S
    token = ""

    def do_GET(self) -> None:  # noqa: N802 - the library calls it so
        """Answer it."""
        path = urlsplit(self.path).path
        if path == "/healthz":
            self.say(HTTPStatus.OK, "ok\n")
        elif path == "/":
            self.say(HTTPStatus.OK, "fleetpoll's metrics are at /metrics\n")
        elif path != "/metrics":
            self.say(HTTPStatus.NOT_FOUND, "There is nothing here: the metrics are at /metrics.\n")
        elif not self.trusted():
            self.say(HTTPStatus.UNAUTHORIZED, "Send the token of FLEETPOLL_METRICS_TOKEN: Authorization: Bearer TOKEN.\n")
        else:
            super().do_GET()

    def trusted(self) -> bool:
        """Whether the token was sent, if one is wanted."""
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return not self.token or (known and scheme.lower() == "bearer")

    def say(self, status: HTTPStatus, words: str) -> None:
        """Answer in words."""
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(words.encode())


class Server(ThreadingTCPServer):
    """Listens from its making on. No name is looked up, as the library's own server would."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up is no news."""


@contextmanager
def serving(collector: Collector, host: str, port: int, token: str = "") -> Iterator[str]:
    """Serve for as long as the block lasts; gives the URL. Port 0 is any that is free. Raises SettingsError."""
    registry = CollectorRegistry()
    registry.register(collector)
    handler = type("Request", (Handler,), {"registry": registry, "token": token})
    server = listening(host, port, handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="http", daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def listening(host: str, port: int, handler: type[Handler]) -> Server:
    """A server that listens there. Raises SettingsError with what to do if that cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, ValueError):
        raise SettingsError(f"--host {host!r} is no address that this machine knows: give one of its own.") from None
    bound = type("Bound", (Server,), {"address_family": family})
    try:
        server = bound(address, handler)
    except OSError as error:
        why = WHY.get(error.errno or 0, f"the system says: {error.strerror}")
        raise SettingsError(f"{host} port {port} cannot be listened on: {why}.") from None
    assert isinstance(server, Server)  # noqa: S101 - it is made from it
    return server

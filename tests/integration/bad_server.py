"""An HTTP server that answers badly, as told: what boto3 is faced with on a bad day."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNKNOWN = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
GOOD = json.dumps({"jobs": [{"jobId": UNKNOWN, "status": "RUNNING"}]}).encode()
HANG_S = 5.0


@dataclass
class Answer:
    """What the bad server says, and how it goes wrong."""

    status: int = 200
    body: bytes = GOOD
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # promises a longer body than it sends
    reset: bool = False  # resets the connection instead
    hang: bool = False  # is silent for a while instead
    withheld: bool = False  # is silent for a while after the head


class BadServer(ThreadingHTTPServer):
    """Says `answer` to each request, or only to those that name the `culprit`, and keeps what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BadHandler)
        self.answer, self.asked, self.over = Answer(), list[Any](), threading.Event()
        self.culprit = ""
        self.heads, self.bodies = list[dict[str, str]](), list[bytes]()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer_to(self, authorization: str) -> Answer:
        """What is said to whoever signs so."""
        del authorization
        return self.answer if self.culprit in str(self.asked[-1]) else Answer(200, b'{"jobs": []}')

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class BadHandler(BaseHTTPRequestHandler):
    """One connection to the bad server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BadServer

    def do_POST(self) -> None:
        """Answer as told."""
        request = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(request)
        self.server.heads.append({name.lower(): value for name, value in self.headers.items()})
        self.server.asked.append(json.loads(request) if request.startswith(b"{") else request)
        answer = self.server.answer_to(self.headers.get("Authorization", ""))
        if answer.hang:
            self.server.over.wait(HANG_S)
        if answer.reset or answer.hang:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + 100 * answer.cut))
        self.end_headers()
        if answer.withheld:
            self.server.over.wait(HANG_S)
        self.wfile.write(answer.body)
        self.close_connection = answer.cut

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(given: BadServer | None = None) -> Iterator[BadServer]:
    """A bad server for as long as the block lasts."""
    with given or BadServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()

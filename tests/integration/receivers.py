"""A receiver of webhooks: a real HTTP server in a thread, that answers as it is told and remembers what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Item = dict[str, Any]
Reply = tuple[int, dict[str, str]]
OK: Reply = (204, {})


@dataclass(frozen=True, slots=True)
class Message:
    """One POST."""

    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        """Its id."""
        return self.headers["webhook-id"]

    @property
    def items(self) -> list[Item]:
        """The transitions in it."""
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]


@dataclass
class Receiver:
    """Answers each message as `reply` says of its transitions; None: it hangs up."""

    reply: Callable[[list[Item]], Reply | None] = lambda _: OK
    url: str = ""
    came: list[Message] = field(default_factory=list)
    done: list[Message] = field(default_factory=list)  # those that were answered with 2xx
    hold: threading.Event = field(default_factory=threading.Event)  # nothing is answered until it is set

    @property
    def jobs(self) -> list[str]:
        """The jobs of what was taken, in its order."""
        return [item["job_id"] for message in self.done for item in message.items]


class Handler(BaseHTTPRequestHandler):
    """Takes what is posted."""

    protocol_version = "HTTP/1.1"
    state: Receiver

    def do_POST(self) -> None:
        """Remember a message, and answer it."""
        state, body = self.state, self.rfile.read(int(self.headers["content-length"]))
        message = Message({name.lower(): value for name, value in self.headers.items()}, body)
        state.came.append(message)
        state.hold.wait(30)
        reply = state.reply(message.items)
        if reply is None:
            self.close_connection = True
            return
        if reply[0] // 100 == 2:
            state.done.append(message)
        try:
            self.send_response(reply[0])
            for name, value in ({"content-length": "0"} | reply[1]).items():
                self.send_header(name, value)
            self.end_headers()
        except OSError:
            self.close_connection = True  # who sent it is gone

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A sender that was killed is what some tests are about."""


@contextmanager
def receiver(*, held: bool = False) -> Iterator[Receiver]:
    """A receiver on loopback."""
    state = Receiver()
    if not held:
        state.hold.set()
    handler = type("Ours", (Handler,), {"state": state})
    with Server(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.hold.set()
            server.shutdown()
            thread.join()

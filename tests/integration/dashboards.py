"""A dashboard in a thread of the test's own process, and a browser without a window."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fleetpoll.dashboard.server import Dashboard, Plan, listening, server_of
from fleetpoll.settings import Settings
from tests.integration.cli_helpers import wait_until

TOKEN = "a-token-for-these-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """As JSON."""
        return json.loads(self.body)


@dataclass
class Browser:
    """Asks a server, with some headers each time."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own; `_` in the name of a header stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), (JSON if body else {}) | named)
            response = connection.getresponse()
            heads = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, heads, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """What a request that must succeed brings."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.json
        return answer.json

    def ids(self, query: str = "") -> list[str]:
        """The ids of a page of the table."""
        return [job["job_id"] for job in self.get(f"/api/jobs?{query}")["jobs"]]

    @contextmanager
    def stream(self, **headers: str) -> Iterator[Stream]:
        """Follow what happens, for as long as the block lasts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/api/stream", headers=self.headers | {n.replace("_", "-"): v for n, v in headers.items()})
        response = connection.getresponse()
        try:
            yield Stream(response)
        finally:
            response.close()
            connection.close()


class Stream:
    """Server-sent events as they come."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response, self.status, self.last_id = response, response.status, ""

    def next(self, *kinds: str) -> tuple[str, Any]:
        """The next event of one of these kinds, and what it says."""
        kind = ""
        while line := self.response.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data" and kind in kinds:
                return kind, json.loads(value)
        raise EOFError("the stream has ended")


@contextmanager
def serving(url: str, *fleets: Settings, **plan: Any) -> Iterator[Browser]:
    """A dashboard of these fleets on the server at `url`, for as long as the block lasts."""
    with serving_at(url, fleets, Plan(port=0, **plan)) as (browser, _):
        yield browser


@contextmanager
def serving_at(url: str, fleets: Sequence[Settings], plan: Plan) -> Iterator[tuple[Browser, Dashboard]]:
    """The same, with what is behind it."""
    ready, dashboard = threading.Event(), Dashboard(fleets, url, plan)
    with listening(plan) as door:
        server = server_of(dashboard, plan, ready.set)
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        try:
            assert ready.wait(20)
            yield Browser(door.getsockname()[1]), dashboard
        finally:
            server.should_exit = True
            thread.join()


def indexed(browser: Browser) -> None:
    """Wait until the index is there."""
    wait_until(lambda: browser.get("/api/jobs")["indexed"] == 1, "the index")

"""What those do who send half of a request, too much of it, or ask while Redis hangs: they hold up nobody else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from fleetpoll.dashboard import api
from fleetpoll.dashboard import server as served
from fleetpoll.dashboard.pulse import FRESH_S
from fleetpoll.errors import SettingsError
from fleetpoll.settings import Settings
from fleetpoll.state import connection
from fleetpoll.state.rooms import Rooms
from tests.integration.cli_helpers import wait_until
from tests.integration.dashboards import BEARER, TOKEN, Browser, serving
from tests.servers import DURABLE, server

POST = "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
REPLY_S = 0.5
"""How long a reply of Redis's is waited for here."""
ASKING = 8


@pytest.fixture
def browser(redis_url: str, settings: Settings, rooms: Rooms) -> Iterator[Browser]:
    """A dashboard with a token that nobody has."""
    with serving(redis_url, settings, token=TOKEN) as found:
        yield found


def sent(port: int, words: str) -> str:
    """What the server says to that until it ends the connection, which it must."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(words.encode())
        with wire.makefile("rb") as answer:
            return answer.read().decode()


def test_a_request_that_never_ends_is_not_waited_for(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for its head, be it the first of a connection or a later one, nor for its body: 500 would lock all out."""
    monkeypatch.setattr(served, "IDLE_CONNECTION_S", 0.5)
    monkeypatch.setattr(api, "BODY_S", 0.2)
    whole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    halves = ("GET / HT", f"{whole}GET / HT", f"{POST}Connection: close\r\nContent-Length: 9\r\n\r\n{{")
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda half: sent(browser.port, half)[:12], halves)
    assert list(answers) == ["", "HTTP/1.1 200", "HTTP/1.1 408"]


def test_what_is_too_long_is_no_fault_of_the_servers(browser: Browser) -> None:
    """A body without a length, or a name that no file can have: a sentence, not a traceback."""
    chunk = "x" * 0x2000
    answer = sent(browser.port, f"{POST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n{chunk}\r\n0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400")
    assert "more than 4,096 bytes" in answer
    assert browser.ask("GET", f"/static/{'x' * 300}").status == 404


def test_redis_that_hangs_is_waited_for_once(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """All who ask how things stand hear after one wait that it does not answer, not one after the other."""
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", REPLY_S)
    with server(tmp_path, *DURABLE) as redis, serving(redis.url, settings) as browser:
        browser.get("/api/status")
        with redis.client() as client:
            client.client_pause(60_000)
        with ThreadPoolExecutor(ASKING) as pool:
            wait_until(lambda: browser.ask("GET", "/api/status").status == 503, "what was known to be too old")
            told = monotonic()
            wait_until(lambda: monotonic() - told > 2 * FRESH_S, "the failure to be too old as well")
            began = monotonic()
            answers = list(pool.map(lambda _: browser.ask("GET", "/api/status").status, range(ASKING)))
        assert set(answers) == {503}
        assert monotonic() - began < ASKING * REPLY_S / 2


def test_a_page_of_another_site_learns_nothing(redis_url: str, settings: Settings, rooms: Rooms) -> None:
    """Not even how long an answer takes, where there is no token; a link to the page itself may be anywhere."""
    with serving(redis_url, settings) as browser:
        for path, status in (("/", 200), ("/api/jobs?q=secret", 403), ("/api/stream", 403)):
            assert browser.ask("GET", path, Sec_Fetch_Site="cross-site").status == status


def test_two_dashboards_of_a_host_do_not_sign_each_other_out(browser: Browser) -> None:
    """Browsers send a cookie to all ports of a host: its name says which it is for."""
    one, other = (
        browser.ask("POST", "/api/session", {"token": TOKEN}, Host=f"localhost:{port}").headers["set-cookie"].split(";")[0]
        for port in (8080, 8081)
    )
    assert one.partition("=")[0] != other.partition("=")[0]
    both = f"{one}; {other}"
    for port in (8080, 8081):
        assert browser.ask("GET", "/api/status", Host=f"localhost:{port}", Cookie=both).status == 200
    assert browser.ask("GET", "/api/status", Host="localhost:8082", Cookie=both).status == 401
    assert browser.ask("GET", "/api/status", **BEARER).status == 200


@pytest.mark.parametrize(
    "plan", [{"root_path": "fleet"}, {"root_path": "/a\r\nX: y"}, {"allowed_hosts": ("https://x.example",)}]
)
def test_a_plan_that_cannot_work_is_refused(settings: Settings, plan: dict[str, str]) -> None:
    """A prefix that is none, a name that no browser sends: said at once, not found out by a page that does not load."""
    with pytest.raises(SettingsError, match=r"--root-path|--allow-host"):
        served.Dashboard([settings], "redis://127.0.0.1:1", served.Plan(**plan))  # type: ignore[arg-type] # some of its fields

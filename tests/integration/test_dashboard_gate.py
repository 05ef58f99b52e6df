"""Who may see the dashboard, who may steer, and by which names it is addressed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.dashboard import door, gate
from fleetpoll.dashboard.server import Dashboard, Plan
from fleetpoll.errors import SettingsError
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from tests.integration.dashboards import BEARER, TOKEN, Browser, serving, serving_at

DATA = ("/api/status", "/api/history", "/api/jobs", "/api/job?id=x", "/api/workers", "/api/events", "/api/stream")
OPEN = ("/", "/static/index.html", "/healthz", "/api/session")


@pytest.fixture(scope="module")
def stage(redis_url: str) -> Iterator[tuple[Browser, Dashboard, Fleet]]:
    """A dashboard with a token and controls, and the fleet that it shows."""
    settings = Settings(fleet=f"gate-{secrets.token_hex(4)}")
    rooms = open_rooms(redis_url, settings)
    with serving_at(redis_url, [settings], Plan(port=0, token=TOKEN, controls=True)) as (browser, dashboard):
        yield browser, dashboard, Fleet(rooms, settings)
    rooms.client.delete(rooms.keys.bucket(DESCRIBE), rooms.keys.order)
    rooms.close()


@pytest.fixture
def guarded(stage: tuple[Browser, Dashboard, Fleet]) -> Browser:
    """A browser that nobody has used."""
    return Browser(stage[0].port)


@pytest.fixture
def fleet(stage: tuple[Browser, Dashboard, Fleet]) -> Fleet:
    """The fleet."""
    return stage[2]


def test_without_the_token_nobody_sees_data(guarded: Browser) -> None:
    """The page itself is for everybody, what it shows is not; the answer says how to come in, and in JSON."""
    assert [guarded.ask("GET", path).status for path in OPEN] == [200] * len(OPEN)
    for path in DATA:
        answer = guarded.ask("GET", path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "Sign in" in answer.json["error"]
    assert guarded.ask("POST", "/api/control", {"action": "pause"}).status == 403


def test_a_bearer_and_a_session_come_in(guarded: Browser, fleet: Fleet) -> None:
    """A program sends the token, a browser gives it once for a cookie that no script and no other site can use."""
    assert guarded.ask("GET", "/api/status", **BEARER).status == 200

    signed = guarded.ask("POST", "/api/session", {"token": TOKEN})
    cookie = signed.headers["set-cookie"]
    assert (signed.status, signed.body) == (204, b"")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie

    guarded.headers["Cookie"] = cookie.partition(";")[0]
    assert guarded.get("/api/session")["signed_in"] is True
    assert guarded.ask("GET", "/api/status").status == 200
    assert guarded.ask("DELETE", "/api/session").status == 204
    nothing = {"fleets": [], "version": "", "token_needed": True, "signed_in": False, "controls": True}
    assert guarded.get("/api/session") == nothing
    assert guarded.ask("GET", "/api/session", **BEARER).json["fleets"] == [fleet.settings.fleet]
    assert guarded.ask("GET", "/api/status").status == 401


def test_tokens_cannot_be_guessed_at_will(
    guarded: Browser, stage: tuple[Browser, Dashboard, Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong token is answered late; after ten an address is not heard for a while, not even with the right one."""
    monkeypatch.setattr(door, "WRONG_S", 0.0)
    wrong = [guarded.ask("POST", "/api/session", {"token": "no"}).status for _ in range(gate.WRONG_MAX)]
    assert wrong == [401] * gate.WRONG_MAX
    assert guarded.ask("POST", "/api/session", {"token": TOKEN}).status == 429
    assert guarded.ask("GET", "/api/status", **BEARER).status == 429
    stage[1].door.gate._wrong.clear()


def test_what_is_remembered_of_callers_is_bounded() -> None:
    """However many sign in or guess, the oldest are forgotten; and a session ends by itself."""
    now = 0.0
    guard = gate.Gate(TOKEN, mono=lambda: now)
    words = [guard.open_session() for _ in range(gate.SESSIONS_MAX + 1)]
    for number in range(gate.ADDRESSES_MAX + 10):
        guard.try_token("wrong", f"address {number}")
    assert (guard.in_session(words[0]), guard.in_session(words[-1])) == (False, True)
    assert len(guard._wrong) == gate.ADDRESSES_MAX
    now = gate.SESSION_S + 1
    assert not guard.in_session(words[-1])


def test_strangers_names_are_refused(guarded: Browser) -> None:
    """A name that leads here without being ours is how a page of a stranger's would read what is shown."""
    for host in ("evil.example", "127.0.0.1.evil.example:80", "", "user@127.0.0.1", "10.0.0.1"):
        assert guarded.ask("GET", "/", Host=host).status == 400, host


def test_loopback_has_several_names(guarded: Browser) -> None:
    """By whichever of them, with any port: a tunnel may have another one."""
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"):
        assert guarded.ask("GET", "/", Host=host).status == 200, host


def test_names_can_be_told(redis_url: str, settings: Settings, rooms: Rooms) -> None:
    """Bound to all addresses it answers to each, and to names that were told."""
    plan = {"host": "0.0.0.0", "token": TOKEN, "allowed_hosts": ("Fleet.example",), "secure": True}  # noqa: S104 - to be tried
    with serving(redis_url, settings, **plan) as browser:
        hosts = ("10.1.2.3:8080", "fleet.example", "other.example")
        assert [browser.ask("GET", "/", Host=host).status for host in hosts] == [200, 200, 400]
        assert "Secure" in browser.ask("POST", "/api/session", {"token": TOKEN}).headers["set-cookie"]


def test_controls_do_what_they_say(guarded: Browser, fleet: Fleet) -> None:
    """The bucket and the order are those of the fleet, and the next status shows it."""
    guarded.headers |= BEARER

    def do(action: str, value: float | None = None) -> None:
        answer = guarded.ask("POST", "/api/control", {"action": action, "value": value})
        assert answer.status == 204, answer.json

    do("pause")
    assert fleet.bucket().view().paused
    assert guarded.get("/api/status")["rate"]["paused"] is True
    do("resume")
    do("pin", 3.5)
    assert (fleet.bucket().view().paused, fleet.bucket().view().pinned) == (False, 3.5)
    do("unpin")
    do("drain")
    assert guarded.get("/api/status")["order"] == "drain"
    do("undrain")
    assert (fleet.bucket().view().pinned, fleet.order_standing()) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "stop"},
        {"action": "pin"},
        {"action": "pin", "value": 0},
        {"action": "pin", "value": 1e300},
        {"action": "pin", "value": "much"},
        {"action": "pause", "more": 1},
        ["pause"],
    ],
)
def test_a_control_that_makes_no_sense_is_refused(guarded: Browser, body: object) -> None:
    """With a sentence; nothing is done."""
    answer = guarded.ask("POST", "/api/control", body, **BEARER)
    assert answer.status == 400, answer.json
    assert answer.json["error"].endswith(".")


def test_no_page_of_another_origin_steers(guarded: Browser, fleet: Fleet) -> None:
    """The browser says where a request comes from, even if the cookie were sent along; programs say nothing."""
    port = guarded.port
    tries: list[tuple[dict[str, str], int]] = [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://127.0.0.1:{port + 1}"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}, 204),
        ({"Content_Type": "text/plain"}, 400),
    ]
    for headers, status in tries:
        assert guarded.ask("POST", "/api/control", {"action": "pause"}, **BEARER, **headers).status == status, headers
        assert fleet.bucket().view().paused is (status == 204)
        fleet.bucket().pause(False)


def test_controls_are_off_unless_asked_for(redis_url: str, settings: Settings, rooms: Rooms) -> None:
    """The token alone gives no orders, and without a token there are no controls at all."""
    with serving(redis_url, settings, token=TOKEN) as browser:
        answer = browser.ask("POST", "/api/control", {"action": "pause"}, **BEARER)
        assert (answer.status, "--controls" in answer.json["error"]) == (403, True)
    for plan in (Plan(controls=True), Plan(token="short")):
        with pytest.raises(SettingsError, match="token"):
            Dashboard([settings], redis_url, plan)


def test_what_is_sent_is_bounded(guarded: Browser) -> None:
    """Long queries, bodies and heads are refused before anybody reads them."""
    assert guarded.ask("GET", "/api/session?" + "q" * 5_000).status == 400
    assert guarded.ask("POST", "/api/session", {"token": "x" * 5_000}).status == 413
    assert guarded.ask("GET", "/", Cookie="x" * 70_000).status == 431

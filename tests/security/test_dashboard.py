"""The dashboard needs no more of Redis than a reader has, and gives nobody's secrets and nobody's markup away."""

from __future__ import annotations

from fleetpoll.client.fleet import Fleet
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.access import Role
from fleetpoll.state.rooms import open_rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import move, wait_until
from tests.integration.dashboards import BEARER, TOKEN, indexed, serving
from tests.security.conftest import PASSWORD, Login
from tests.servers import Server

WORDS = '</script><img src=x onerror=alert(1)>\x1b]0;\x07"'


def test_a_readers_rights_are_enough(guarded: Server, login: Login, settings: Settings) -> None:
    """For all that is shown; to steer is an operator's, and Redis refuses it to others with what to do about it."""
    rooms, ids = open_rooms(guarded.url, settings), make_ids(2)
    rooms.schedule.track(ids)
    with serving(login(Role.READER), settings, token=TOKEN, controls=True) as browser:
        browser.headers |= BEARER
        indexed(browser)
        with browser.stream() as stream:
            stream.next("status")
            move(rooms, {ids[0]: JobStatus.FAILED}, job_name=WORDS, reason=WORDS)
            assert stream.next("transitions")[1]["transitions"][0]["reason"] == WORDS
        for path in ("status", "history", "workers", "events", f"job?id={ids[0]}"):
            browser.get(f"/api/{path}")
        answer = browser.ask("POST", "/api/control", {"action": "drain"})
        assert (answer.status, "fleetpoll acl" in answer.json["error"]) == (503, True)
    with serving(login(Role.OPERATOR), settings, token=TOKEN, controls=True) as browser:
        for action in ("pause", "resume", "drain", "undrain", "unpin"):
            assert browser.ask("POST", "/api/control", {"action": action}, **BEARER).status == 204
    assert Fleet(rooms, settings).order_standing() is None
    rooms.close()


def test_foreign_words_are_json_and_nothing_else(guarded: Server, settings: Settings) -> None:
    """Whatever a job is called: it is no answer's type, no header, and no line of a stream."""
    rooms, ids = open_rooms(guarded.url, settings), make_ids(1)
    rooms.schedule.track(ids)
    move(rooms, {ids[0]: JobStatus.RUNNING}, job_name=WORDS + "\n\nevent: status\n", status_reason=WORDS)
    with serving(guarded.url, settings) as browser:
        wait_until(lambda: browser.get("/api/jobs?q=onerror")["total"] == 1, "the job")
        for path in ("jobs", f"job?id={ids[0]}", "events", "jobs?q=%3Cscript%3E", "nothing/%3Cscript%3E"):
            answer = browser.ask("GET", f"/api/{path}")
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
        with browser.stream(Last_Event_ID="0-1") as stream:
            assert stream.next("transitions")[1]["transitions"][0]["job_name"].startswith(WORDS)
            assert stream.next("status")[1]["tracked"] == 1
    rooms.client.flushall()
    rooms.close()


def test_no_answer_has_the_password_of_redis(guarded: Server, login: Login, settings: Settings) -> None:
    """Not even when Redis refuses it."""
    url = login(Role.READER).replace(PASSWORD, f"{PASSWORD}-not")
    with serving(url, settings, token=TOKEN) as browser:
        for path in ("status", "jobs", "events"):
            answer = browser.ask("GET", f"/api/{path}", **BEARER)
            assert (answer.status, PASSWORD in answer.body.decode()) == (503, False)

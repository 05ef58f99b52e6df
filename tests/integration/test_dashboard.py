"""What the dashboard shows is what the fleet knows, and it shows it as it happens."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import public_beat
from fleetpoll.dashboard import api, desk, follower
from fleetpoll.dashboard.server import Dashboard, Plan
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts
from tests.ids import make_ids
from tests.integration.cli_helpers import move, wait_until
from tests.integration.dashboards import Browser, indexed, serving, serving_at
from tests.servers import DURABLE, server

LIVE_S = 2.0
BACK_S = 5.0


@pytest.fixture
def fleet(rooms: Rooms, settings: Settings) -> Fleet:
    """The fleet that is shown."""
    return Fleet(rooms, settings)


@pytest.fixture
def shown(redis_url: str, settings: Settings, rooms: Rooms, fleet: Fleet) -> Iterator[tuple[Browser, Dashboard]]:
    """A dashboard without a token, of a fleet with five jobs."""
    fleet.track(make_ids(5))
    with serving_at(redis_url, [settings], Plan(port=0)) as found:
        yield found


def test_the_page_is_served_with_its_policy(shown: tuple[Browser, Dashboard]) -> None:
    """No inline script, no stranger's; a file that the browser has is not sent again; nothing outside is a file."""
    browser, _ = shown
    page = browser.ask("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    again = browser.ask("GET", "/static/index.html", If_None_Match=page.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for path in ("../api.py", "%2e%2e/api.py", "/etc/passwd", "nothing.js", "", "x%00"):
        assert browser.ask("GET", f"/static/{path}").status == 404, path
    assert browser.ask("GET", "/api/status").headers["cache-control"] == "no-store"


def test_readers_tell_what_the_fleet_knows(shown: tuple[Browser, Dashboard], fleet: Fleet, rooms: Rooms) -> None:
    """Status, workers, events and a job are those of the library's calls."""
    browser, (one, two, *_) = shown[0], make_ids(5)
    rooms.roster.beat("here", Facts("host", 1, 1_000, 5.0))
    rooms.roster.beat("gone", Facts("host", 2, 2_000, 5.0), now_ms=3_000)
    move(rooms, {one: JobStatus.RUNNING, two: JobStatus.FAILED}, job_name="<b>name</b>", log_stream="step/default/0f")
    move(rooms, {one: JobStatus.SUCCEEDED})

    status, seen = browser.get("/api/status"), fleet.status()
    assert {name: status[name] for name in seen.public() if name != "workers"} == {
        name: value for name, value in seen.public().items() if name != "workers"
    }
    assert ([beat["id"] for beat in status["workers"]], [beat["id"] for beat in status["silent"]]) == (["here"], ["gone"])
    assert (status["redis"], status["due"]) == ({"answers": True}, fleet.due())
    assert browser.get("/api/workers") == [
        public_beat(beat) | {"silent": beat.worker_id == "gone"} for beat in fleet.workers()
    ]
    assert browser.get("/api/events?limit=2") == [step.public() for step in rooms.events.recent(2)]

    wait_until(lambda: browser.get(f"/api/job?id={one}")["timeline_complete"], "the timeline")
    job = browser.get(f"/api/job?id={one.upper()}")
    assert job | fleet.get([one])[one].public(one) == job
    assert [(step["from"], step["to"]) for step in job["timeline"]] == [("UNSEEN", "RUNNING"), ("RUNNING", "SUCCEEDED")]
    assert job["console_url"].endswith(f"#jobs/detail/{one}")
    assert (job["log_url"].endswith("step$252Fdefault$252F0f"), job["expected_end"]) == (True, None)
    assert browser.get("/api/history")["at"] == []


def test_what_makes_no_sense_is_refused_with_a_sentence(shown: tuple[Browser, Dashboard]) -> None:
    """In JSON, with what would make sense."""
    browser, _ = shown
    refused = {
        "/api/jobs?sort=size": 400,
        "/api/jobs?order=up": 400,
        "/api/jobs?page=0": 400,
        "/api/jobs?size=201": 400,
        "/api/jobs?status=DONE": 400,
        f"/api/jobs?q={'q' * 201}": 400,
        "/api/history?minutes=-1": 400,
        "/api/events?limit=many": 400,
        "/api/job?id=x": 400,
        f"/api/job?id={make_ids(1, start=99)[0]}": 404,
        "/api/status?fleet=other": 404,
        "/api/nothing": 404,
    }
    for path, status in refused.items():
        answer = browser.ask("GET", path)
        assert (answer.status, answer.json["error"][-1]) == (status, "."), path
    assert browser.ask("POST", "/api/status").status == 405


def test_the_table_follows_the_fleet(
    shown: tuple[Browser, Dashboard], fleet: Fleet, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that move are where they belong at once; those that come or go without a transition are found by their number."""
    monkeypatch.setattr(follower, "SIZE_EVERY_S", 0.05)
    browser, (one, two, three, four, five) = shown[0], make_ids(5)
    indexed(browser)
    assert browser.ids("sort=job_id&order=asc") == [one, two, three, four, five]

    move(rooms, {two: JobStatus.RUNNING, three: JobStatus.RUNNING}, job_name="Align")
    wait_until(lambda: browser.ids("status=RUNNING&sort=job_id") == [three, two], "those that run", LIVE_S)
    assert browser.ids("q=align&size=1&page=2&sort=job_id") == [two]

    fleet.untrack([five])
    assert five not in browser.ids()  # from now on, whatever the index believes
    fleet.untrack([three])
    more = make_ids(2, start=10)
    fleet.track(more)
    wait_until(lambda: browser.get("/api/jobs")["total"] == 5, "two have gone, two have come", LIVE_S)
    assert browser.ids("sort=job_id&order=asc") == [one, two, four, *more]


def test_rows_are_as_the_ledger_has_them(
    shown: tuple[Browser, Dashboard], rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the index has not heard of it yet, a job is shown as it is, and only where it belongs."""
    browser, dashboard = shown
    indexed(browser)
    one = make_ids(1)[0]
    (watched,) = dashboard.desks.values()
    held = watched.follower()
    monkeypatch.setattr(held, "_take_turn", lambda: held._stop.wait(0.01))
    move(rooms, {one: JobStatus.RUNNING})
    assert one not in browser.ids("status=UNSEEN")
    assert browser.ids("status=RUNNING") == [one]


def test_a_transition_is_told_at_once(shown: tuple[Browser, Dashboard], rooms: Rooms) -> None:
    """To everybody who follows, within two seconds; and again to who comes back and names what was heard last."""
    browser, (one, two, *_) = shown[0], make_ids(5)
    with browser.stream() as stream, browser.stream() as other:
        assert stream.next("status")[1]["tracked"] == 5
        began = rooms.roster.now_ms()
        move(rooms, {one: JobStatus.RUNNING})
        for each in (stream, other):
            (told,) = each.next("transitions")[1]["transitions"]
            assert (told["job_id"], told["to"]) == (one, "RUNNING")
        assert rooms.roster.now_ms() - began < LIVE_S * 1000
        assert stream.next("status")[1]["jobs"]["RUNNING"] == 1
    move(rooms, {two: JobStatus.RUNNING})
    with browser.stream(Last_Event_ID=stream.last_id) as again:
        missed = again.next("transitions")[1]
        assert ([step["job_id"] for step in missed["transitions"]], missed["more"]) == ([two], 0)
    with browser.stream(Last_Event_ID="nonsense") as refused:
        assert refused.status == 400


def test_there_are_only_so_many_streams(shown: tuple[Browser, Dashboard], monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused; when one has left there is room again."""
    monkeypatch.setattr(api, "STREAMS_MAX", 1)
    browser, dashboard = shown
    (watched,) = dashboard.desks.values()
    with browser.stream():
        wait_until(lambda: len(watched.streams) == 1, "a stream")
        assert browser.ask("GET", "/api/stream").status == 503
    wait_until(lambda: len(watched.streams) == 0, "it has left")
    with browser.stream() as stream:
        assert stream.status == 200


def test_an_index_is_let_go_when_nobody_looks(shown: tuple[Browser, Dashboard], monkeypatch: pytest.MonkeyPatch) -> None:
    """And made again when somebody does."""
    browser, dashboard = shown
    indexed(browser)
    (watched,) = dashboard.desks.values()
    first = watched.follower()
    monkeypatch.setattr(desk, "IDLE_S", -1.0)
    watched.rest()
    wait_until(lambda: not first._thread.is_alive(), "the reader has ended")
    indexed(browser)
    assert watched.follower() is not first


def test_who_is_overtaken_by_the_stream_reads_the_ledger(shown: tuple[Browser, Dashboard], rooms: Rooms) -> None:
    """Transitions that nobody keeps any more leave no gap in the table."""
    browser, dashboard = shown
    ids = make_ids(5)
    indexed(browser)
    (watched,) = dashboard.desks.values()
    move(rooms, {ids[0]: JobStatus.RUNNING})
    wait_until(lambda: browser.ids("status=RUNNING") == ids[:1], "the reader is there")
    with watched.follower()._reading:  # it cannot go on
        move(rooms, {ids[1]: JobStatus.RUNNING})
        move(rooms, {ids[2]: JobStatus.RUNNING})
        move(rooms, {ids[3]: JobStatus.RUNNING})
        rooms.client.xtrim(rooms.keys.events, maxlen=1, approximate=False)
    wait_until(lambda: len(browser.ids("status=RUNNING")) == 4, "all are where they belong")


def test_several_fleets_are_told_apart(redis_url: str, settings: Settings, rooms: Rooms, fleet: Fleet) -> None:
    """By name; the first of them if none is given."""
    fleet.track(make_ids(1))
    other = msgspec.structs.replace(settings, fleet=f"{settings.fleet}-2")
    with serving(redis_url, settings, other) as browser:
        assert browser.get("/api/session")["fleets"] == [settings.fleet, other.fleet]
        assert [browser.get(f"/api/status{which}")["tracked"] for which in ("", f"?fleet={other.fleet}")] == [1, 0]


def test_it_survives_a_restart_of_redis(tmp_path: Path, settings: Settings) -> None:
    """While Redis is away it says so and stays; it goes on by itself within five seconds of its return."""
    (one,) = make_ids(1)
    with server(tmp_path, *DURABLE) as redis, serving(redis.url, settings) as browser:
        rooms = open_rooms(redis.url, settings)
        rooms.schedule.track([one])
        indexed(browser)
        with browser.stream() as stream:
            stream.next("status")
            redis.kill()
            assert "Redis" in stream.next("trouble")[1]["error"]
            for path in ("/api/status", "/api/jobs", "/api/events", f"/api/job?id={one}"):
                answer = browser.ask("GET", path)
                assert (answer.status, "Redis" in answer.json["error"]) == (503, True), path
            assert browser.ask("GET", "/healthz").status == 200
            redis.start()
            began = rooms.roster.now_ms()
            assert stream.next("status")[1]["tracked"] == 1
            move(rooms, {one: JobStatus.RUNNING})
            assert stream.next("transitions")[1]["transitions"][0]["job_id"] == one
            assert rooms.roster.now_ms() - began < BACK_S * 1000
            assert browser.ids("status=RUNNING") == [one]
        rooms.close()


def test_a_browser_that_reads_nothing_is_no_burden(shown: tuple[Browser, Dashboard]) -> None:
    """Nor does it hold up the others."""
    browser, _ = shown
    stuck = http.client.HTTPConnection("127.0.0.1", browser.port)
    stuck.request("GET", "/api/stream")
    with browser.stream() as stream:
        assert stream.next("status")[1]["tracked"] == 5
    stuck.close()

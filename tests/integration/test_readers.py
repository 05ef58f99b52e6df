"""The rooms that read, and those who wait: events, ledger, roster, doorbell, janitor, the client's status and waits."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec
import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import system_mono
from fleetpoll.errors import EventsTrimmed, SettingsError, StateError
from fleetpoll.janitor import FORGOTTEN_BEATS, STEP, Janitor
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state import ledger
from fleetpoll.state.doorbell import Doorbell, Ring
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts, Order, OrderKind
from tests.ids import make_ids
from tests.integration.moves import move_all

NOW = 1_800_000_000_000
FACTS = Facts("host", 4711, NOW, beat_s=5.0, calls=3, version="1.0")
LONG_S = 20.0
"""More than anything here should take; who waits that long has missed something."""


def test_reading_on_from_a_cursor_leaves_no_gap(rooms: Rooms) -> None:
    """Pages of any size, read one after the other, give every transition once and in order."""
    rooms.schedule.track(make_ids(10), now_ms=NOW)
    for status in (JobStatus.RUNNABLE, JobStatus.RUNNING, JobStatus.SUCCEEDED):
        move_all(rooms, status, now_ms=NOW)
    everything, cursor, read = rooms.events.read(BEGINNING), BEGINNING, list[Transition]()

    while page := rooms.events.read(cursor, count=7):
        read += page
        cursor = page[-1].cursor

    assert read == everything
    assert [event.after for event in read] == ["RUNNABLE"] * 10 + ["RUNNING"] * 10 + ["SUCCEEDED"] * 10
    assert rooms.events.recent(3) == everything[:-4:-1]
    assert list(Fleet(rooms, Settings()).past_events(everything[4].cursor, limit=20)) == everything[5:25]


def test_the_end_is_where_only_news_follow(rooms: Rooms) -> None:
    """An empty stream ends at its beginning; otherwise what was before the end is not read."""
    assert rooms.events.end() == BEGINNING
    rooms.schedule.track(make_ids(1))
    move_all(rooms, JobStatus.RUNNING)
    end = rooms.events.end()

    assert rooms.events.read(end) == []
    move_all(rooms, JobStatus.FAILED)

    assert [event.after for event in rooms.events.read(end)] == [JobStatus.FAILED]


def test_a_blocking_read_and_a_follower_wake_up_for_news(rooms: Rooms) -> None:
    """Both wait at the end of the stream and are given what comes next; a follower says when a moment was quiet."""
    rooms.schedule.track(make_ids(1))
    follower = Fleet(rooms, Settings()).events()
    with ThreadPoolExecutor(2) as pool:
        assert next(follower) is None  # nothing for two seconds
        heard, read = pool.submit(next, follower), pool.submit(rooms.events.read, BEGINNING, block_s=2.0)
        move_all(rooms, JobStatus.RUNNING)

        assert [read.result(LONG_S)[0].after, getattr(heard.result(LONG_S), "after", None)] == [JobStatus.RUNNING] * 2
    assert rooms.events.read(rooms.events.end(), block_s=0.01) == []
    assert getattr(next(Fleet(rooms, Settings()).events(BEGINNING)), "before", None) is JobStatus.UNSEEN


def test_a_cursor_that_the_stream_has_left_behind_is_said_so(rooms: Rooms, settings: Settings) -> None:
    """Be it at the start or because a follower was overtaken; what is left can be read from the beginning."""
    fleet = Fleet(rooms, settings)
    rooms.schedule.track(make_ids(4), now_ms=NOW)
    move_all(rooms, JobStatus.RUNNING, now_ms=NOW)
    first, second, *_ = rooms.events.read(BEGINNING)
    follower = fleet.events(first.cursor)
    assert next(follower) == second
    facts: Any = rooms.client.xinfo_stream(rooms.keys.events)
    if "entries-added" in facts:  # else, on Redis 6.2, nobody can know that nothing was trimmed since that time
        assert list(fleet.past_events("1")) == rooms.events.read(BEGINNING)

    move_all(rooms, JobStatus.SUCCEEDED, now_ms=NOW)
    rooms.client.xtrim(rooms.keys.events, maxlen=2, approximate=False)
    left = rooms.events.read(BEGINNING)

    assert [event and event.after for event in islice(follower, 2)] == ["RUNNING"] * 2  # these it had read already
    for reader in (follower, fleet.events(second.cursor), fleet.past_events("1"), fleet.past_events(second.cursor)):
        with pytest.raises(EventsTrimmed, match=f"the oldest that is left is {left[0].cursor}"):
            next(reader)
    assert list(fleet.past_events(BEGINNING)) == left
    assert list(fleet.past_events(left[0].cursor)) == left[1:]
    assert list(fleet.past_events(left[1].cursor)) == []
    with pytest.raises(StateError):
        next(fleet.past_events("nonsense"))


def test_the_ledger_gives_what_is_tracked(rooms: Rooms) -> None:
    """Snapshots by id, in any number; ids that nobody tracks are left out."""
    ids = make_ids(2_500)
    rooms.schedule.track(ids[:-1], now_ms=NOW)

    assert rooms.ledger.get(ids) == dict.fromkeys(ids[:-1], Snapshot(tracked_ms=NOW))
    assert rooms.ledger.get([]) == {}


def test_a_job_is_the_same_in_capitals(rooms: Rooms, settings: Settings) -> None:
    """Whoever tracked it by such an id finds it and forgets it by the same; what is no id is refused, not unknown."""
    fleet, (job_id,) = Fleet(rooms, settings), make_ids(1, 0xABC)
    fleet.track([job_id.upper()])

    assert list(fleet.get([job_id.upper()])) == [job_id]
    assert fleet.untrack([job_id.upper()]) == 1
    for question in (fleet.get, fleet.untrack):
        with pytest.raises(SettingsError, match="is no job id"):
            question([job_id, "nonsense"])


def test_a_scan_gives_every_job_once_and_can_choose_by_status(rooms: Rooms) -> None:
    """All jobs, or those in some statuses."""
    ids = make_ids(1_234)
    rooms.schedule.track(ids, now_ms=NOW)
    done, running = (move_all(rooms, status, now_ms=NOW) for status in (JobStatus.FAILED, JobStatus.RUNNING))

    assert sorted(job_id for job_id, _ in rooms.ledger.scan()) == ids
    chosen = dict(rooms.ledger.scan([JobStatus.RUNNING, JobStatus.FAILED]))
    assert set(chosen) == {*running, *done}
    assert len(list(Fleet(rooms, Settings()).jobs(limit=7))) == 7


def test_a_scan_gives_no_job_twice_while_others_are_forgotten(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few ids it remembers: the table shrinks under it, and what it has given before may come again."""
    monkeypatch.setattr(ledger, "REMEMBERED", 500)
    ids = make_ids(20_000)
    rooms.schedule.track(ids)
    scan = rooms.ledger.scan()
    given = [job_id for job_id, _ in islice(scan, 12_000)]
    rooms.schedule.untrack(given[:11_000] + sorted(set(ids) - set(given))[:7_500])

    given += [job_id for job_id, _ in scan]
    assert len(given) == len(set(given)) >= 12_500


def test_a_beat_shows_who_is_alive_until_it_leaves(rooms: Rooms) -> None:
    """The roster holds each worker's last beat, the longest serving first."""
    younger = msgspec.structs.replace(FACTS, started_ms=NOW + 1)
    assert rooms.roster.beat("b", FACTS, now_ms=NOW) == (NOW, None, True)
    rooms.roster.beat("a", younger, now_ms=NOW + 2)
    rooms.roster.beat("b", FACTS, now_ms=NOW + 5_000)

    assert [(beat.worker_id, beat.beat_ms) for beat in rooms.roster.workers()] == [("b", NOW + 5_000), ("a", NOW + 2)]
    assert rooms.roster.workers()[0].facts == FACTS
    rooms.roster.leave("b")
    assert [beat.worker_id for beat in rooms.roster.workers()] == ["a"]


def test_orders_ride_back_on_the_beats(rooms: Rooms) -> None:
    """A beat brings the order that stands; taking it back ends it; the last order counts."""
    fleet = Fleet(rooms, Settings())
    fleet.order(OrderKind.DRAIN)
    order = rooms.roster.beat("a", FACTS)[1]
    assert order is not None
    assert (order, order.kind) == (fleet.order_standing(), OrderKind.DRAIN)

    fleet.order(OrderKind.STOP)
    assert getattr(rooms.roster.beat("a", FACTS)[1], "kind", None) is OrderKind.STOP
    fleet.order(None)
    assert (rooms.roster.beat("a", FACTS)[1], rooms.roster.order()) == (None, None)


def test_a_stop_is_not_for_those_who_came_after_it() -> None:
    """A drain holds for everybody, a stop for the workers that had started by then."""
    stop, drain = Order(OrderKind.STOP, NOW), Order(OrderKind.DRAIN, NOW)

    assert [stop.holds_for(NOW - 1), stop.holds_for(NOW), stop.holds_for(NOW + 1)] == [True, True, False]
    assert [drain.holds_for(NOW - 1), drain.holds_for(NOW + 1)] == [True, True]


@pytest.fixture
def doorbell(rooms: Rooms) -> Iterator[Doorbell]:
    """An ear at the fleet's door."""
    bell = Doorbell({rooms.keys.doorbell: "mine"}, system_mono)
    bell.listen(rooms.client)
    yield bell
    bell.close()


def test_the_doorbell_rings_when_jobs_are_tracked_or_an_order_is_given(rooms: Rooms, doorbell: Doorbell) -> None:
    """Who listens is woken at once, also by rings that came before the wait."""
    rooms.schedule.track(make_ids(1))
    assert doorbell.wait(LONG_S, lambda: False) == {("mine", Ring.TRACK)}

    rooms.roster.command(OrderKind.DRAIN)
    rooms.schedule.track(make_ids(2))
    assert doorbell.wait(LONG_S, lambda: False) == {("mine", Ring.ORDER), ("mine", Ring.TRACK)}
    assert doorbell.wait(0.0, lambda: False) == set()


def test_the_doorbell_passes_over_what_is_no_ring(rooms: Rooms, doorbell: Doorbell) -> None:
    """Tracking what is known already wakes nobody, nor does a newer release's ring, nor what is no text."""
    rooms.schedule.track(make_ids(1))
    doorbell.wait(LONG_S, lambda: False)
    rooms.schedule.track(make_ids(1))
    rooms.client.publish(rooms.keys.doorbell, "a newer ring")
    rooms.client.publish(rooms.keys.doorbell, b"\xff")
    began = time.monotonic()

    assert doorbell.wait(0.3, lambda: False) == set()
    assert time.monotonic() - began >= 0.3


def test_a_wait_at_the_doorbell_ends_when_it_should_stop(doorbell: Doorbell) -> None:
    """A flag that a signal handler sets is seen within a slice."""
    looks, began = itertools.count(), time.monotonic()

    assert doorbell.wait(LONG_S, lambda: next(looks) >= 2) == set()
    assert time.monotonic() - began < LONG_S / 2


def test_the_janitor_forgets_old_jobs_and_silent_workers_in_steps(rooms: Rooms, settings: Settings) -> None:
    """A sweep is bounded; live jobs, fresh ends and workers that beat stay."""
    now_ms = rooms.roster.now_ms()
    old_ms, silent_ms = now_ms - round(settings.finished_kept * 1000) - 1, FORGOTTEN_BEATS * round(settings.beat * 1000)
    rooms.schedule.track(make_ids(STEP + 100), now_ms=old_ms)
    for _ in range(0, STEP + 100, 100):
        move_all(rooms, JobStatus.SUCCEEDED, now_ms=old_ms)
    rooms.schedule.track(["fresh"], now_ms=now_ms)
    move_all(rooms, JobStatus.FAILED, now_ms=now_ms)
    rooms.schedule.track(["live"], now_ms=old_ms)
    for worker_id, beat_ms in (("silent", now_ms - silent_ms - 1), ("alive", now_ms)):
        rooms.roster.beat(worker_id, FACTS, now_ms=beat_ms)
    janitor = Janitor(rooms, settings)

    assert [janitor.sweep() for _ in range(3)] == [(STEP, 1), (100, 0), (0, 0)]

    assert sorted(job_id for job_id, _ in rooms.ledger.scan()) == ["fresh", "live"]
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 1, JobStatus.FAILED: 1}
    assert [beat.worker_id for beat in rooms.roster.workers()] == ["alive"]


def test_the_status_shows_the_fleet_at_a_glance(rooms: Rooms, settings: Settings) -> None:
    """Its shape is fixed, for those who parse it, and its figures come from what happened."""
    fleet, now_ms = Fleet(rooms, settings), rooms.roster.now_ms()
    rooms.schedule.track(make_ids(3), now_ms=now_ms - 10)
    move_all(rooms, JobStatus.SUCCEEDED, stopped_ms=now_ms - 4_000, now_ms=now_ms)
    rooms.schedule.track(["live"], now_ms=now_ms)
    rooms.roster.beat("alive", FACTS, now_ms=now_ms)
    rooms.roster.beat("silent", FACTS, now_ms=now_ms - 15_001)
    fleet.order(OrderKind.DRAIN)

    shown = fleet.status().public()

    assert shown.pop("health")["words"].startswith("The fleet is being drained")
    assert [beat.worker_id for beat in fleet.alive()] == [worker["id"] for worker in shown["workers"]] == ["alive"]
    assert list(shown.pop("workers")[0]) == ["id", "host", "pid", "started", "last_beat", "calls", "version", "doing"]
    assert shown == {
        "fleet": settings.fleet,
        "jobs": {"SUCCEEDED": 3, "UNSEEN": 1},
        "live": 1,
        "tracked": 4,
        "arrays": {"followed": 0, "children_not_over": 0},
        "rate": {"configured": 10.0, "granted": 5.0, "limit": None, "burst": 1.25, "pinned": None, "paused": False},
        "calls": {"total": 1, "throttled": 0, "failed": 0, "failures": {}, "ids": 3},
        "fill": 3.0,
        "lag": {"mean": 4.0, "p50": 4.0, "p99": 4.0},
        "trouble": [],
        "order": "drain",
    }


def test_an_empty_fleet_has_a_status_too(rooms: Rooms, settings: Settings) -> None:
    """What is not known yet is null, not zero."""
    shown = Fleet(rooms, settings).status().public()

    assert (shown["jobs"], shown["fill"], shown["workers"], shown["order"]) == ({}, None, [], None)
    assert shown["lag"] == {"mean": None, "p50": None, "p99": None}

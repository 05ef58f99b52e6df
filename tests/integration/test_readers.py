"""The rooms that read, and those who wait: events, ledger, roster, doorbell, janitor, the client's status and waits."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import msgspec
import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.waiter import Waiter
from fleetpoll.client.waiting import RECHECK_S, Arrival, Goal, Roll, Waited
from fleetpoll.errors import EventsTrimmed, SettingsError, StateError
from fleetpoll.janitor import FORGOTTEN_BEATS, STEP, Janitor
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.doorbell import Ring
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts, Order, OrderKind
from fleetpoll.state.schedule import Lease, Look
from tests.ids import make_ids
from tests.integration.cli_helpers import move as cli_move

NOW = 1_800_000_000_000
FACTS = Facts("host", 4711, NOW, beat_s=5.0, calls=3, version="1.0")
LONG_S = 20.0
"""More than anything here should take; who waits that long has missed something."""


def move(rooms: Rooms, status: JobStatus, *, stopped_ms: int = 0, now_ms: int | None = None) -> list[str]:
    """A lease whose jobs are all found in this status. Returns their ids."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=now_ms)
    assert isinstance(lease, Lease)
    looks = []
    for job_id, known in lease.jobs.items():
        record = msgspec.structs.replace(known, status=status, stopped_ms=stopped_ms, changed_ms=lease.claimed_ms)
        delay_s = None if status.terminal else 0.0
        looks.append(Look(job_id, delay_s, record, Transition.between(job_id, known, record)))
    rooms.schedule.settle(lease, looks, events_kept=100_000, asked=len(looks), now_ms=now_ms)
    return list(lease.jobs)


def test_reading_on_from_a_cursor_leaves_no_gap(rooms: Rooms) -> None:
    """Pages of any size, read one after the other, give every transition once and in order."""
    rooms.schedule.track(make_ids(10), now_ms=NOW)
    for status in (JobStatus.RUNNABLE, JobStatus.RUNNING, JobStatus.SUCCEEDED):
        move(rooms, status, now_ms=NOW)
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
    move(rooms, JobStatus.RUNNING)
    end = rooms.events.end()

    assert rooms.events.read(end) == []
    move(rooms, JobStatus.FAILED)

    assert [event.after for event in rooms.events.read(end)] == [JobStatus.FAILED]


def test_a_blocking_read_and_a_follower_wake_up_for_news(rooms: Rooms) -> None:
    """Both wait at the end of the stream and are given what comes next; a follower says when a moment was quiet."""
    rooms.schedule.track(make_ids(1))
    follower = Fleet(rooms, Settings()).events()
    with ThreadPoolExecutor(2) as pool:
        assert next(follower) is None  # nothing for two seconds
        heard, read = pool.submit(next, follower), pool.submit(rooms.events.read, BEGINNING, block_s=2.0)
        move(rooms, JobStatus.RUNNING)

        assert [read.result(LONG_S)[0].after, getattr(heard.result(LONG_S), "after", None)] == [JobStatus.RUNNING] * 2
    assert rooms.events.read(rooms.events.end(), block_s=0.01) == []
    assert getattr(next(Fleet(rooms, Settings()).events(BEGINNING)), "before", None) is JobStatus.UNSEEN


def test_a_cursor_that_the_stream_has_left_behind_is_said_so(rooms: Rooms, settings: Settings) -> None:
    """Be it at the start or because a follower was overtaken; what is left can be read from the beginning."""
    fleet = Fleet(rooms, settings)
    rooms.schedule.track(make_ids(4), now_ms=NOW)
    move(rooms, JobStatus.RUNNING, now_ms=NOW)
    first, second, *_ = rooms.events.read(BEGINNING)
    follower = fleet.events(first.cursor)
    assert next(follower) == second
    assert list(fleet.past_events("1")) == rooms.events.read(BEGINNING)  # from before the first, which nobody has trimmed

    move(rooms, JobStatus.SUCCEEDED, now_ms=NOW)
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


def test_jobs_are_given_in_the_order_in_which_they_get_there(rooms: Rooms, settings: Settings) -> None:
    """First those that are there, then each as it comes, and last the time-out of those that do not."""
    fleet, (one, two, three, four) = Fleet(rooms, settings), make_ids(4)
    fleet.track([one, two, three])
    assert move(rooms, JobStatus.RUNNING) == [one, two, three]
    cli_move(rooms, {two: JobStatus.SUCCEEDED})

    arrivals = fleet.as_completed([one, two, three, four], timeout_s=1.0)
    order = [next(arrivals)]
    cli_move(rooms, {three: JobStatus.FAILED}, exit_code=3)
    cli_move(rooms, {one: JobStatus.SUCCEEDED})
    order += islice(arrivals, 2)

    assert [(a.job_id, a.status, a.exit_code) for a in order] == [
        (two, JobStatus.SUCCEEDED, None),
        (three, JobStatus.FAILED, 3),
        (one, JobStatus.SUCCEEDED, None),
    ]
    with pytest.raises(TimeoutError, match="1 of 4 jobs"):
        next(arrivals)


def test_a_wait_for_all_tells_of_each(rooms: Rooms, settings: Settings) -> None:
    """The callback is given each job once; who is pending when the time is up is in the answer."""
    fleet, (one, two), told = Fleet(rooms, settings), make_ids(2), list[Arrival]()
    fleet.track([one])
    move(rooms, JobStatus.FAILED)

    waited = fleet.wait_all([one, two], timeout_s=0.05, on_each=told.append)

    assert [(arrival.job_id, arrival.status) for arrival in told] == [(one, JobStatus.FAILED)]
    assert waited == Waited({one: JobStatus.FAILED}, [two], [])


def test_the_ledger_gives_what_is_tracked(rooms: Rooms) -> None:
    """Snapshots by id, in any number; ids that nobody tracks are left out."""
    ids = make_ids(2_500)
    rooms.schedule.track(ids[:-1], now_ms=NOW)

    assert rooms.ledger.get(ids) == dict.fromkeys(ids[:-1], Snapshot(tracked_ms=NOW))
    assert rooms.ledger.get([]) == {}


def test_a_scan_gives_every_job_once_and_can_choose_by_status(rooms: Rooms) -> None:
    """All jobs, or those in some statuses."""
    ids = make_ids(1_234)
    rooms.schedule.track(ids, now_ms=NOW)
    done, running = (move(rooms, status, now_ms=NOW) for status in (JobStatus.FAILED, JobStatus.RUNNING))

    assert sorted(job_id for job_id, _ in rooms.ledger.scan()) == ids
    chosen = dict(rooms.ledger.scan([JobStatus.RUNNING, JobStatus.FAILED]))
    assert set(chosen) == {*running, *done}
    assert len(list(Fleet(rooms, Settings()).jobs(limit=7))) == 7


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


def test_the_doorbell_rings_when_jobs_are_tracked_or_an_order_is_given(rooms: Rooms) -> None:
    """Who listens is woken at once, also by a ring that came before the wait."""
    rooms.doorbell.listen()
    rooms.schedule.track(make_ids(1))
    assert rooms.doorbell.wait(LONG_S, lambda: False, Ring.TRACK, Ring.ORDER) is Ring.TRACK

    rooms.roster.command(OrderKind.DRAIN)
    assert rooms.doorbell.wait(LONG_S, lambda: False, Ring.TRACK, Ring.ORDER) is Ring.ORDER


def test_the_doorbell_passes_over_what_is_not_waited_for(rooms: Rooms) -> None:
    """Other rings, those of a newer release too, and tracking what is known already wake nobody."""
    rooms.schedule.track(make_ids(1))
    rooms.doorbell.listen()
    rooms.schedule.track(make_ids(1))
    rooms.roster.command(None)
    rooms.client.publish(rooms.keys.doorbell, "a newer ring")
    began = time.monotonic()

    assert rooms.doorbell.wait(0.3, lambda: False, Ring.TRACK) is None
    assert time.monotonic() - began >= 0.3


def test_a_wait_at_the_doorbell_ends_when_it_should_stop(rooms: Rooms) -> None:
    """A flag that a signal handler sets is seen within a slice."""
    looks, began = itertools.count(), time.monotonic()

    assert rooms.doorbell.wait(LONG_S, lambda: next(looks) >= 2, Ring.TRACK) is None
    assert time.monotonic() - began < LONG_S / 2


def test_the_janitor_forgets_old_jobs_and_silent_workers_in_steps(rooms: Rooms, settings: Settings) -> None:
    """A sweep is bounded; live jobs, fresh ends and workers that beat stay."""
    now_ms = rooms.roster.now_ms()
    old_ms, silent_ms = now_ms - round(settings.finished_kept * 1000) - 1, FORGOTTEN_BEATS * round(settings.beat * 1000)
    rooms.schedule.track(make_ids(STEP + 100), now_ms=old_ms)
    for _ in range(0, STEP + 100, 100):
        move(rooms, JobStatus.SUCCEEDED, now_ms=old_ms)
    rooms.schedule.track(["fresh"], now_ms=now_ms)
    move(rooms, JobStatus.FAILED, now_ms=now_ms)
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
    move(rooms, JobStatus.SUCCEEDED, stopped_ms=now_ms - 4_000, now_ms=now_ms)
    rooms.schedule.track(["live"], now_ms=now_ms)
    rooms.roster.beat("alive", FACTS, now_ms=now_ms)
    rooms.roster.beat("silent", FACTS, now_ms=now_ms - 15_001)
    fleet.order(OrderKind.DRAIN)

    shown = fleet.status().public()

    assert [beat.worker_id for beat in fleet.alive()] == [worker["id"] for worker in shown["workers"]] == ["alive"]
    assert list(shown.pop("workers")[0]) == ["id", "host", "pid", "started", "last_beat", "calls", "version"]
    assert shown == {
        "fleet": settings.fleet,
        "jobs": {"SUCCEEDED": 3, "UNSEEN": 1},
        "live": 1,
        "tracked": 4,
        "rate": {"configured": 10.0, "granted": 5.0, "limit": None, "burst": 1.25, "pinned": None, "paused": False},
        "calls": {"total": 1, "throttled": 0, "failed": 0, "ids": 3},
        "fill": 3.0,
        "lag": {"mean": 4.0, "p50": 4.0, "p99": 4.0},
        "order": "drain",
    }


def test_an_empty_fleet_has_a_status_too(rooms: Rooms, settings: Settings) -> None:
    """What is not known yet is null, not zero."""
    shown = Fleet(rooms, settings).status().public()

    assert (shown["jobs"], shown["fill"], shown["workers"], shown["order"]) == ({}, None, [], None)
    assert shown["lag"] == {"mean": None, "p50": None, "p99": None}


def test_a_wait_for_jobs_that_are_there_already_ends_at_once(rooms: Rooms, settings: Settings) -> None:
    """Nothing needs to happen any more; a job that has ended has started, too."""
    fleet, ids = Fleet(rooms, settings), make_ids(2)
    fleet.track(ids)
    move(rooms, JobStatus.RUNNING)
    assert fleet.wait(ids, Goal.RUNNING) == Waited(dict.fromkeys(ids, JobStatus.RUNNING), [], [])

    move(rooms, JobStatus.FAILED)
    assert fleet.wait(ids) == fleet.wait(ids, Goal.RUNNING) == Waited(dict.fromkeys(ids, JobStatus.FAILED), [], [])


def test_a_wait_tracks_its_jobs_and_ends_with_the_last_of_them(rooms: Rooms, settings: Settings) -> None:
    """It hears of progress and returns when all are there; a status on the way is not the goal."""
    fleet, ids, heard, begun = Fleet(rooms, settings), make_ids(2), list[tuple[int, int]](), threading.Event()

    def on_change(reached: int, total: int) -> None:
        heard.append((reached, total))
        begun.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fleet.wait, ids, Goal.COMPLETE, LONG_S, on_change)
        assert begun.wait(LONG_S)
        for status in (JobStatus.RUNNING, JobStatus.SUCCEEDED):
            assert sorted(move(rooms, status)) == ids
        waited = waiting.result(LONG_S)

    assert waited == Waited(dict.fromkeys(ids, JobStatus.SUCCEEDED), [], [])
    assert (heard[0], heard[-1], waited.timed_out) == ((0, 2), (2, 2), False)


def test_a_wait_that_runs_out_of_time_says_who_is_missing(rooms: Rooms, settings: Settings) -> None:
    """The jobs that got there are told apart from those that did not."""
    fleet = Fleet(rooms, settings)
    fleet.track(make_ids(1))
    (done,) = move(rooms, JobStatus.SUCCEEDED)
    late = make_ids(2)[1]

    waited = fleet.wait([done, late], timeout_s=0.05)

    assert (waited, waited.timed_out) == (Waited({done: JobStatus.SUCCEEDED}, [late], []), True)
    with pytest.raises(SettingsError, match="is no job id"):
        fleet.wait(["nonsense"])


def test_a_wait_for_a_job_that_is_untracked_meanwhile_ends(rooms: Rooms) -> None:
    """At the next look at the ledger the job is gone, which is neither reached nor pending."""
    (job_id,) = make_ids(1)
    clock = itertools.count(0.0, RECHECK_S + 1)
    roll = Roll([job_id], Goal.COMPLETE)

    for _ in Waiter(rooms, roll, mono=lambda: next(clock)).pages():
        rooms.schedule.untrack([job_id])

    assert roll.waited() == Waited({}, [], [job_id])

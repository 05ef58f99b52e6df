"""Threads that wait for jobs: the client's waits, on a real server."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.waiter import Waiter
from fleetpoll.client.waiting import RECHECK_S, Arrival, Goal, Roll, Waited
from fleetpoll.embedded.private import private_server
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms, open_rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import move, serves, wait_until
from tests.integration.crash import kill_server
from tests.integration.moves import move_all

LONG_S = 20.0
"""More than anything here should take; who waits that long has missed something."""


def test_jobs_are_given_in_the_order_in_which_they_get_there(rooms: Rooms, settings: Settings) -> None:
    """First those that are there, then each as it comes, and last the time-out of those that do not."""
    fleet, (one, two, three, four) = Fleet(rooms, settings), make_ids(4)
    fleet.track([one, two, three])
    assert move_all(rooms, JobStatus.RUNNING) == [one, two, three]
    move(rooms, {two: JobStatus.SUCCEEDED})

    arrivals = fleet.as_completed([one, two, three, four], timeout_s=1.0)
    order = [next(arrivals)]
    move(rooms, {three: JobStatus.FAILED}, exit_code=3)
    move(rooms, {one: JobStatus.SUCCEEDED})
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
    move_all(rooms, JobStatus.FAILED)

    waited = fleet.wait_all([one, two], timeout_s=0.05, on_each=told.append)

    assert [(arrival.job_id, arrival.status) for arrival in told] == [(one, JobStatus.FAILED)]
    assert waited == Waited({one: JobStatus.FAILED}, [two], [])


def test_a_wait_for_jobs_that_are_there_already_ends_at_once(rooms: Rooms, settings: Settings) -> None:
    """Nothing needs to happen any more; a job that has ended has started, too."""
    fleet, ids = Fleet(rooms, settings), make_ids(2)
    fleet.track(ids)
    move_all(rooms, JobStatus.RUNNING)
    assert fleet.wait(ids, Goal.RUNNING) == Waited(dict.fromkeys(ids, JobStatus.RUNNING), [], [])

    move_all(rooms, JobStatus.FAILED)
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
            assert sorted(move_all(rooms, status)) == ids
        waited = waiting.result(LONG_S)

    assert waited == Waited(dict.fromkeys(ids, JobStatus.SUCCEEDED), [], [])
    assert (heard[0], heard[-1], waited.timed_out) == ((0, 2), (2, 2), False)


def test_a_wait_that_runs_out_of_time_says_who_is_missing(rooms: Rooms, settings: Settings) -> None:
    """The jobs that got there are told apart from those that did not."""
    fleet = Fleet(rooms, settings)
    fleet.track(make_ids(1))
    (done,) = move_all(rooms, JobStatus.SUCCEEDED)
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


def test_a_wait_survives_the_crash_of_redis(tmp_path: Path, settings: Settings) -> None:
    """It goes on from its cursor when the server is back."""
    (one, two), begun = make_ids(2), threading.Event()
    with private_server(os.environ.get("TEST_REDIS_SERVER"), tmp_path) as url, ThreadPoolExecutor(1) as pool:
        rooms, own = open_rooms(url, settings), open_rooms(url, settings)
        waiting = pool.submit(Fleet(own, settings).wait, [one, two], Goal.COMPLETE, LONG_S, lambda *_: begun.set())
        assert begun.wait(LONG_S)
        kill_server(rooms)
        wait_until(lambda: serves(rooms), "the server is back")
        move(rooms, {one: JobStatus.SUCCEEDED})
        move(rooms, {two: JobStatus.FAILED})
        waited = waiting.result(LONG_S)
        rooms.close()
        own.close()

    assert waited.reached == {one: JobStatus.SUCCEEDED, two: JobStatus.FAILED}


def test_hundreds_of_threads_share_one_reader(rooms: Rooms, settings: Settings) -> None:
    """Each is told of its own job, however many there are, and only one of them reads the stream at a time."""
    fleet, ids = Fleet(rooms, settings), make_ids(300)
    with ThreadPoolExecutor(len(ids)) as pool:
        waits = [pool.submit(fleet.wait, [job_id], timeout_s=LONG_S) for job_id in ids]
        wait_until(lambda: len(fleet._ear._line) == len(ids) - 1, "all of them stand in line")
        readers = [client for client in rooms.client.client_list() if client["cmd"] == "xread"]
        for _ in range(3):
            move_all(rooms, JobStatus.SUCCEEDED)
        waited = [wait.result() for wait in waits]

    assert waited == [Waited({job_id: JobStatus.SUCCEEDED}, [], []) for job_id in ids]
    assert len(readers) == 1
    assert (fleet._ear._by_job, fleet._ear._line, fleet._ear._read) == ({}, {}, False)


def test_a_wait_that_is_not_gone_on_with_holds_nobody_up(rooms: Rooms, settings: Settings) -> None:
    """Who is busy with what he was told does not read; the others do, and he has his news when he asks."""
    fleet, (one, two, three) = Fleet(rooms, settings), make_ids(3)
    fleet.track([one, two, three])
    move(rooms, {one: JobStatus.SUCCEEDED})
    busy = fleet.as_completed([one, two], timeout_s=LONG_S)
    assert next(busy).job_id == one

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(fleet.wait, [two, three], timeout_s=LONG_S)
        wait_until(lambda: fleet._ear._read, "the other one reads")
        move(rooms, {two: JobStatus.FAILED})
        move(rooms, {three: JobStatus.SUCCEEDED})
        assert other.result().reached == {two: JobStatus.FAILED, three: JobStatus.SUCCEEDED}
    assert [arrival.job_id for arrival in busy] == [two]
    assert fleet._ear._by_job == {}


FORKED = """
import os, sys, threading
from fleetpoll.client.fleet import open_fleet
from fleetpoll.settings import Settings
url, name, ours, childs = sys.argv[1:]
with open_fleet(Settings(redis_url=url, fleet=name)) as fleet:
    thread = threading.Thread(target=fleet.wait, args=([ours],))
    thread.start()
    while not fleet._ear._read: pass
    if os.fork() == 0:
        print("waits", flush=True)
        os._exit(len(fleet.wait([childs], timeout_s=20).pending))
    status = os.wait()[1]
    fleet.untrack([ours])
    print(status, flush=True)
    os._exit(0)
"""


def test_a_wait_in_a_forked_process_reads_for_itself(rooms: Rooms, redis_url: str) -> None:
    """Nobody is there who read for it before the fork."""
    ids = make_ids(2)
    words = [sys.executable, "-W", "ignore", "-c", FORKED, redis_url, rooms.keys.fleet, *ids]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        wait_until(lambda: len(rooms.ledger.get(ids)) == 2, "both are tracked")
        move(rooms, {ids[1]: JobStatus.SUCCEEDED})
        assert process.stdout.readline() == "0\n"


def test_all_threads_ask_the_ledger_when_redis_was_away(tmp_path: Path, settings: Settings) -> None:
    """Whoever was reading for them tells them, so that none waits for news that the stream has lost."""
    ids = make_ids(20)
    with private_server(os.environ.get("TEST_REDIS_SERVER"), tmp_path) as url, ThreadPoolExecutor(len(ids)) as pool:
        rooms = open_rooms(url, settings)
        fleet = Fleet(rooms, settings)
        waits = [pool.submit(fleet.wait, [job_id], timeout_s=LONG_S) for job_id in ids]
        wait_until(lambda: len(fleet._ear._line) == len(ids) - 1, "all of them stand in line")
        kill_server(rooms)
        wait_until(lambda: serves(rooms), "the server is back")
        move_all(rooms, JobStatus.SUCCEEDED)
        rooms.client.delete(rooms.keys.events)  # the ledger alone knows
        assert [len(wait.result().reached) for wait in waits] == [1] * len(ids)
        rooms.close()

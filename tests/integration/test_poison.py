"""Calls that AWS refuses as a whole: one id is to blame, or several, or none of them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fleetpoll.errors import BadRequest, Throttled
from fleetpoll.jobs import NO_JOB, Array, JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.schedule import Lease
from tests.ids import make_ids
from tests.integration.cycles import Build, nap

RATE = 200.0
GOOD, BAD, SLOW_DOWN = 200, 400, 429


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that has calls to spare and wants to know at once."""
    return Settings(fleet=fleet_name, rate=RATE, rate_start=RATE, freshness=0.05)


class FussyServer(ThreadingHTTPServer):
    """Says that every job is RUNNING, but refuses a call that names one of the `culprits`, or any if it is in a `mood`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FussyHandler)
        self.culprits, self.asked = set[str](), list[list[str]]()
        self.mood: Callable[[], int] = lambda: 0  # the status of all answers from now on; 0 = none, it looks at the ids


class FussyHandler(BaseHTTPRequestHandler):
    """One connection to the fussy server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FussyServer

    def do_POST(self) -> None:
        """Describe all, or refuse all."""
        ids: list[str] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["jobs"]
        self.server.asked.append(ids)
        status = self.server.mood() or (200 if self.server.culprits.isdisjoint(ids) else 400)
        answer = {"message": "No."} if status != GOOD else {"jobs": [{"jobId": i, "status": "RUNNING"} for i in ids]}
        body = json.dumps(answer).encode()
        self.send_response(status)
        if status != GOOD:
            self.send_header("x-amzn-ErrorType", "TooManyRequestsException" if status == SLOW_DOWN else "ClientException")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fussy() -> Iterator[FussyServer]:
    """A running fussy server."""
    with FussyServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def url(fussy: FussyServer) -> str:
    """Where the fussy server is."""
    return f"http://127.0.0.1:{fussy.server_port}"


def statuses(rooms: Rooms) -> Counter[JobStatus]:
    """How many jobs were published to be in each status."""
    return Counter(event.after for event in rooms.events.read(BEGINNING))


def tokens(rooms: Rooms) -> int:
    """How many tokens were used."""
    used: Any = rooms.client.hget(rooms.keys.bucket(DESCRIBE), "c")
    return int(used or 0)


@pytest.mark.parametrize("culprits", [[0], [37], [99], [0, 1], [3, 50, 98]])
def test_a_poisoned_lease_is_split_until_the_culprits_are_alone(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build, culprits: list[int]
) -> None:
    """Only they are REJECTED, in AWS's words; all others are described in the same pass, each call with a token.

    One among 100 costs the call that was refused, 2 · log2(100) more, and one for nobody that shows who is to blame.
    """
    ids = make_ids(100)
    fussy.culprits = {ids[number] for number in culprits}
    rooms.schedule.track(ids)

    done = build(url).run()

    after = {event.job_id: event.after for event in rooms.events.read(BEGINNING)}
    expected = dict.fromkeys(ids, JobStatus.RUNNING) | dict.fromkeys(fussy.culprits, JobStatus.REJECTED)
    assert after == expected
    assert {rooms.ledger.get(ids)[job_id].status_reason for job_id in fussy.culprits} == {"ClientException: No."}
    assert (done.kept, done.lost, rooms.ledger.sizes()[0]) == (100, 0, 100 - len(culprits))
    assert done.calls == len(fussy.asked) == tokens(rooms) == rooms.ledger.totals().calls <= 1 + 15 * len(culprits)
    assert [asked for asked in fussy.asked if NO_JOB in asked] == [[NO_JOB]] * len(culprits)


def test_a_call_that_is_refused_whatever_it_asks_for_rejects_nobody(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build
) -> None:
    """An id is not to blame if AWS refuses to be asked for nobody: a few calls, and all are due again soon."""
    rooms.schedule.track(make_ids(100))
    fussy.mood = lambda: BAD

    done = build(url).run()

    assert isinstance(done.failure, BadRequest)
    assert (done.kept, done.lost, statuses(rooms)) == (0, 0, Counter())
    assert done.calls == len(fussy.asked) == tokens(rooms) == rooms.ledger.totals().failed == 8
    fussy.mood = lambda: 0
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=rooms.roster.now_ms() + 3_000)
    assert isinstance(lease, Lease)
    assert len(lease.jobs) == 100


def test_a_bad_minute_that_begins_amid_a_split_rejects_nobody(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build
) -> None:
    """Those that were described before are settled, the others come again."""
    ids = make_ids(100)
    fussy.culprits = {ids[90]}
    rooms.schedule.track(ids)
    fussy.mood = lambda: BAD if len(fussy.asked) > 2 else 0

    done = build(url).run()

    assert isinstance(done.failure, BadRequest)
    assert (done.kept, statuses(rooms)) == (50, Counter({JobStatus.RUNNING: 50}))


def test_a_throttle_amid_a_split_gives_all_that_are_left_back(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build
) -> None:
    """No further call is made for this lease."""
    ids = make_ids(100)
    fussy.culprits = {ids[90]}
    rooms.schedule.track(ids)
    fussy.mood = lambda: SLOW_DOWN if len(fussy.asked) > 2 else 0

    done = build(url).run()

    assert isinstance(done.failure, Throttled)
    assert (done.calls, done.kept, rooms.ledger.totals().throttled) == (3, 50, 1)
    lease = rooms.schedule.claim(60.0, margin_s=5.0)
    assert isinstance(lease, Lease)
    assert set(ids[50:]) <= set(lease.jobs)


def test_a_lease_that_runs_out_amid_a_split_is_left_alone(fussy: FussyServer, url: str, rooms: Rooms, build: Build) -> None:
    """No call is made for jobs that may be somebody else's by now; the culprit is found by whoever has them next."""
    ids = make_ids(100)
    fussy.culprits = {ids[0]}
    rooms.schedule.track(ids)
    late = build(url, mono=lambda: time.monotonic() + (3600 if len(fussy.asked) > 2 else 0)).run()
    assert (late.calls, late.kept, tokens(rooms), statuses(rooms)) == (3, 0, 3, Counter())

    done = build(url).run()

    assert (done.kept, statuses(rooms)) == (100, Counter({JobStatus.RUNNING: 99, JobStatus.REJECTED: 1}))


@pytest.mark.parametrize("calls", [3, 5])
def test_leases_too_short_for_a_split_find_the_culprits_all_the_same(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build, calls: int
) -> None:
    """A lease goes on where the one before it ended, so that a culprit holds up nobody for ever."""
    ids, before = make_ids(100), 0
    fussy.culprits = {ids[3], ids[70]}
    rooms.schedule.track(ids)
    cycle = build(url, wait=lambda wait_s: nap(wait_s) and len(fussy.asked) < before + calls)

    for _ in range(60):
        before = len(fussy.asked)
        cycle.run()

    assert {event.job_id for event in rooms.events.read(BEGINNING) if event.after is JobStatus.REJECTED} == fussy.culprits
    assert rooms.ledger.counts() == {JobStatus.RUNNING: 98, JobStatus.REJECTED: 2}


def test_a_rejected_job_that_is_opened_again_may_be_described(
    fussy: FussyServer, url: str, rooms: Rooms, build: Build
) -> None:
    """What AWS refused one day it may answer the next."""
    (job_id,) = make_ids(1)
    fussy.culprits = {job_id}
    rooms.schedule.track([job_id])
    build(url).run()
    fussy.culprits.clear()

    assert rooms.schedule.reopen([job_id], events_kept=100) == 1
    build(url).run()

    told = [(event.before, event.after) for event in rooms.events.read(BEGINNING)]
    assert told == [("UNSEEN", "REJECTED"), ("REJECTED", "UNSEEN"), ("UNSEEN", "RUNNING")]


def test_an_array_that_is_refused_is_followed_no_more(fussy: FussyServer, url: str, rooms: Rooms, build: Build) -> None:
    """Its children go on by themselves; and who is over already is not told to be over once more."""
    parent, over = make_ids(2)
    fussy.culprits = {parent, over}
    rooms.schedule.track([over])
    build(url).run()
    rooms.broods.adopt([parent, over])
    rooms.broods.follow(parent, Array(2))

    done = build(url).run()

    assert (done.kept, statuses(rooms), rooms.broods.sizes()) == (2, Counter({JobStatus.REJECTED: 2}), (0, 0))
    assert rooms.client.zrange(rooms.keys.schedule, 0, -1) == [f"{parent}:0", f"{parent}:1"]

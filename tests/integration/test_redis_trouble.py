"""A Redis that refuses: a full memory, a demotion, a password. On a server of the test's own."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.rig import wait_until
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.embedded.private import private_server
from fleetpoll.errors import RedisDenied, RedisUnavailable, SettingsError, StateError
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.connection import connect
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.limiter import ALONE_S, SteadfastLimiter
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from fleetpoll.state.roster import Facts

JOB = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that a test may spoil."""
    with private_server(None, tmp_path_factory.mktemp("own")) as url:
        yield url


@pytest.fixture
def own(own_url: str, settings: Settings) -> Iterator[Rooms]:
    """A fleet on it; afterwards the server is as it was."""
    rooms = open_rooms(own_url, settings)
    yield rooms
    rooms.client.replicaof("NO", "ONE")
    rooms.client.config_set("maxmemory", "0")
    rooms.client.flushall()
    rooms.close()


def test_a_full_memory_is_said_with_what_to_do(own: Rooms) -> None:
    """Nothing is half tracked, and what is known can still be read."""
    own.client.config_set("maxmemory", "1")

    with pytest.raises(RedisUnavailable, match="raise maxmemory"):
        own.schedule.track([JOB])

    assert own.ledger.sizes() == (0, 0)


def test_what_is_no_text_is_sent_all_the_same(own: Rooms) -> None:
    """A byte of a command line that is no UTF-8 becomes a question mark, in commands and in what scripts are given."""
    assert own.client.execute_command("ECHO", "a\udcff") == "a?"
    assert own.schedule.track(["\udcff"]) == 1
    assert list(own.ledger.get(["?"])) == ["?"]


def test_a_replica_is_said_to_be_one(own: Rooms) -> None:
    """After a demotion writes are refused for now; that is no error of ours."""
    own.client.replicaof("127.0.0.1", "1")

    with pytest.raises(RedisUnavailable, match="A failover is under way, or the URL leads to a replica"):
        own.schedule.track([JOB])


def test_a_primary_without_its_replicas_is_said_to_be_one(own: Rooms) -> None:
    """With min-replicas-to-write a primary that was cut off refuses what a failover would lose."""
    own.client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(RedisUnavailable, match="It wants more replicas than are there"):
            own.schedule.track([JOB])
    finally:
        own.client.config_set("min-replicas-to-write", 0)


def test_a_script_of_others_that_takes_long_is_waited_for(own: Rooms, own_url: str) -> None:
    """Redis answers BUSY meanwhile. That passes: a wait or a follower goes on."""
    own.client.config_set("lua-time-limit", 50)
    with ThreadPoolExecutor(1) as pool, connect(own_url) as other:
        slow = pool.submit(other.eval, "while true do end", 0)
        try:
            with pytest.raises(RedisUnavailable, match="Somebody's script is running"):
                wait_until(lambda: own.ledger.sizes() is None, 5, "BUSY")
        finally:
            own.client.script_kill()
        assert isinstance(slow.exception(5), StateError)
    assert own.ledger.sizes() == (0, 0)


def test_a_follower_survives_a_failover(own: Rooms) -> None:
    """A demotion ends the blocking read; the follower goes on from its place when there is a primary again."""
    events = Fleet(own, Settings()).events(BEGINNING)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(lambda: next(event for event in events if event is not None))
        wait_until(lambda: blocked_clients(own) > 0, 5, "the reader")
        own.client.replicaof("127.0.0.1", "1")
        own.client.replicaof("NO", "ONE")
        own.client.xadd(own.keys.events, {"job_id": JOB, "from": "RUNNING", "to": "SUCCEEDED"})

        assert heard.result(20).after is JobStatus.SUCCEEDED


def blocked_clients(rooms: Rooms) -> int:
    """How many clients wait in a blocking read."""
    info: Any = rooms.client.info("clients")
    return int(info["blocked_clients"])


def test_a_wrong_password_is_access_denied(own: Rooms, own_url: str) -> None:
    """The refusal names the URL's password, not a server that is not there."""
    own.client.config_set("requirepass", "secret")
    try:
        with pytest.raises(RedisDenied, match="right user and password"):
            open_rooms(own_url, Settings()).ledger.sizes()
    finally:
        own.client.config_set("requirepass", "")


@pytest.mark.parametrize(
    "url", ["http://localhost", "redis://h?ssl_cert_reqs=none", "redis://h?decode_responses=0", "redis://h:x"]
)
def test_a_url_that_will_not_do_is_refused_at_once(url: str) -> None:
    """A scheme or an option that nobody knows, or that is for us to set, is a wrong setting."""
    with pytest.raises(SettingsError, match="redis_url"):
        connect(url)


def test_a_worker_learns_that_redis_has_forgotten_it(own: Rooms) -> None:
    """The first beat is new, the next is not, and after a flush it is again."""
    facts = Facts("host", 1, 1, beat_s=5.0)

    news = [own.roster.beat("w", facts).new, own.roster.beat("w", facts).new]
    own.client.flushall()

    assert [*news, own.roster.beat("w", facts).new] == [True, False, True]


@pytest.fixture
def broken_cycle(own: Rooms) -> Iterator[Callable[[bool], Cycle]]:
    """Makes a cycle on a simulator; its wait for a token may be cut short by a loss of Redis."""
    with Simulator() as simulator:
        job_ids = simulator.populate(3)
        own.schedule.track(job_ids)
        settings = Settings(endpoint_url=simulator.url, freshness=0.01)
        lost = {"now": True}

        def wait(_: float) -> bool:
            if lost["now"]:
                raise RedisUnavailable("the doorbell's connection is gone")
            return True

        cycle = Cycle(own, BatchApi(settings), settings, system_mono, Random(1), wait, worker_id="w")

        def with_redis(there: bool) -> Cycle:  # noqa: FBT001 - the state itself is the argument
            lost["now"] = not there
            return cycle

        yield with_redis


def test_a_pass_that_redis_cut_short_gives_its_lease_back(own: Rooms, broken_cycle: Callable[[bool], Cycle]) -> None:
    """Its jobs are due again as soon as Redis is back, not only after the visibility timeout."""
    with pytest.raises(StateError):
        wait_until(lambda: broken_cycle(False).run().idle is None, 5, "a claim that finds jobs")

    done = broken_cycle(True).run()

    assert (done.kept, done.lost) == (3, 0)
    assert own.ledger.counts() == {JobStatus.SUBMITTED: 3}


def test_a_limiter_goes_on_alone_while_redis_is_away(tmp_path: Path, settings: Settings) -> None:
    """Far slower than the fleet, never unlimited; when Redis is back, its tokens are the fleet's again."""
    now = [0.0]
    with private_server(None, tmp_path) as url:
        rooms = open_rooms(url, settings)
        bucket = rooms.buckets[DESCRIBE]
        limiter = SteadfastLimiter(bucket, lambda: now[0], sharers=4)
        assert limiter.try_acquire()
    alone = [limiter.try_acquire(blocking=False) for _ in range(20)]
    with private_server(None, tmp_path) as again:
        assert again == url
        still_alone = limiter.try_acquire(blocking=False)
        now[0] += ALONE_S
        back = limiter.try_acquire(timeout=5)
        taken = bucket.view().tokens_granted
        rooms.close()

    assert alone == [True, *[False] * 19]
    assert (still_alone, back, taken) == (False, True, 2)


def test_a_limiter_that_went_alone_leaves_nothing_behind(own: Rooms) -> None:
    """No thread, though nobody closes it; nor does it remember each token that it ever took."""
    own.buckets[DESCRIBE].pin(2000.0)
    now, threads = [0.0], set(threading.enumerate())
    limiter = SteadfastLimiter(own.buckets[DESCRIBE], lambda: now[0], sharers=1)
    assert limiter.try_acquire()
    own.client.replicaof("127.0.0.1", "1")
    for _ in range(100):
        assert limiter.try_acquire(timeout=5)
    assert limiter._alone_bucket.count() == 100

    now[0] += ALONE_S
    assert limiter.try_acquire(timeout=5)
    assert limiter._alone_bucket.count() < 10
    assert set(threading.enumerate()) == threads


def test_asyncio_goes_on_alone_as_well(own: Rooms) -> None:
    """The same without a thread."""
    limiter = SteadfastLimiter(own.buckets[DESCRIBE], system_mono, sharers=1)
    own.client.replicaof("127.0.0.1", "1")

    async def tries() -> list[bool]:
        return [await limiter.try_acquire_async(timeout=1), await limiter.try_acquire_async(blocking=False)]

    assert asyncio.run(tries()) == [True, False]


def test_an_application_gets_a_limiter_without_redis(own: Rooms, settings: Settings) -> None:
    """Who starts while Redis is away is not kept from working, slowly."""
    own.client.replicaof("127.0.0.1", "1")

    limiter = Fleet(own, settings).limiter()

    assert limiter.try_acquire(blocking=False) is True
    assert limiter.try_acquire(blocking=False) is False


def test_a_pause_outlasts_the_loss_of_redis(tmp_path: Path, settings: Settings) -> None:
    """What an operator has paused does not begin again because nobody can be asked any more."""
    with private_server(None, tmp_path) as url:
        rooms = open_rooms(url, settings)
        limiter = SteadfastLimiter(rooms.buckets[DESCRIBE], system_mono, sharers=1)
        rooms.buckets[DESCRIBE].pause(True)
        paused = limiter.try_acquire(blocking=False)

    with pytest.raises(RedisUnavailable):
        limiter.try_acquire(blocking=False)
    rooms.close()
    assert paused is False


def test_each_outage_goes_by_the_rate_that_was_granted_last(own: Rooms) -> None:
    """Half of what one of the sharers has of it, however slow the fleet was at the outage before."""
    now = [0.0]
    bucket = own.buckets[DESCRIBE]
    limiter, rates = SteadfastLimiter(bucket, lambda: now[0], sharers=2), []
    for pinned in (2.0, 40.0):
        own.client.replicaof("NO", "ONE")
        bucket.pin(pinned)
        now[0] += ALONE_S
        assert limiter.try_acquire(timeout=5)
        own.client.replicaof("127.0.0.1", "1")
        assert limiter.try_acquire(timeout=5)
        rates.append(1000 / limiter._alone_ms)

    assert rates == [0.5, 10.0]


def test_a_time_out_is_not_begun_anew_when_redis_goes(own: Rooms) -> None:
    """What a caller has waited for the fleet's bucket is taken from what it waits alone."""
    now = [0.0]
    limiter = SteadfastLimiter(own.buckets[DESCRIBE], lambda: now[0], sharers=1)

    assert [limiter._rest_of(timeout, began) for timeout, began in ((2.0, -1.5), (2.0, -9.0), (-1, -9.0))] == [0.5, 0.0, -1]


@pytest.mark.parametrize("sign", ["/", "#", "?", "["])
def test_a_password_that_breaks_the_url_is_not_repeated(sign: str) -> None:
    """What is taken for the port is a piece of it; the sentence says how such a sign is written."""
    with pytest.raises(
        SettingsError, match=rf"host and port cannot be read\. In a password, write .*{re.escape(sign)}"
    ) as raised:
        connect(f"redis://:hush{sign}hush@localhost:6379/0")
    assert "hush" not in str(raised.value)

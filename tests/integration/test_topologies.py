"""Sentinels and Clusters: who is asked for the way, what moves, what is denied. On real ones of the tests' own."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from redis.crc import key_slot

from benchmarks.rig import wait_until
from fleetpoll import aio
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.clock import system_mono
from fleetpoll.errors import RedisDenied, RedisUnavailable
from fleetpoll.settings import Settings
from fleetpoll.state.doorbell import Doorbell, Ring
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.keys import Keys
from fleetpoll.state.rooms import Rooms, open_rooms
from tests.lossy import lossy
from tests.servers import Server, server
from tests.topologies import SERVICE, Cluster, Sentinel, cluster, linked, node_id

JOB, OTHER = (f"00000000-0000-4000-8000-{n:012d}" for n in range(2))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Cluster without replicas."""
    with cluster(tmp_path_factory.mktemp("cluster"), "p") as nodes:
        yield nodes


@pytest.fixture
def clustered(shards: Cluster, settings: Settings) -> Iterator[Rooms]:
    """A fleet in it."""
    rooms = open_rooms(shards.url, settings)
    yield rooms
    rooms.close()


class Move:
    """The fleet's slot on its way from one node to another, step by step."""

    def __init__(self, nodes: Cluster, fleet: str) -> None:
        self.slot = key_slot(Keys(fleet).schedule.encode())
        self._source = nodes.primary(fleet)
        self._target = next(one for one in nodes.servers if one is not self._source)
        self._bystanders = [one for one in nodes.servers if one not in {self._source, self._target}]

    def begin(self) -> None:
        """New keys are the target's from now on."""
        self._say(self._target, "IMPORTING", node_id(self._source))
        self._say(self._source, "MIGRATING", node_id(self._target))

    def end(self) -> None:
        """All keys are, and whoever of the two is asked says so; others hear of it later."""
        with self._source.client() as client:
            while keys := client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 100):
                client.execute_command("MIGRATE", "127.0.0.1", self._target.port, "", 0, 5000, "KEYS", *keys)
        for one in (self._target, self._source):
            self._say(one, "NODE", node_id(self._target))

    def _say(self, server: Server, *words: str) -> None:
        with server.client() as client:
            client.execute_command("CLUSTER SETSLOT", self.slot, *words)


def test_a_fleet_follows_its_slot(clustered: Rooms, shards: Cluster, settings: Settings) -> None:
    """For threads and for asyncio: MOVED is answered by going there, and costs no error."""
    clustered.schedule.track([JOB])

    async def both() -> tuple[int, int]:
        async with aio.open_fleet(Settings(fleet=settings.fleet, redis_url=shards.url)) as fleet:
            before = len(await fleet.get([JOB]))
            move = Move(shards, settings.fleet)
            move.begin()
            move.end()
            return before, len(await fleet.get([JOB]))

    assert asyncio.run(both()) == (1, 1)
    assert clustered.schedule.track([OTHER]) == 1
    assert clustered.ledger.sizes() == (2, 2)


def test_a_slot_that_is_moving_is_said_to(clustered: Rooms, shards: Cluster, settings: Settings) -> None:
    """That passes, and is no error of ours; a script is not run on one half of its keys."""
    clustered.schedule.track([JOB])
    move = Move(shards, settings.fleet)
    move.begin()

    with pytest.raises(RedisUnavailable, match="A slot is moving to another node"):
        clustered.roster.order()
    with pytest.raises(RedisUnavailable, match="A slot is moving to another node"):
        clustered.schedule.claim(60.0, margin_s=5.0)
    move.end()
    assert clustered.roster.order() is None
    assert clustered.ledger.sizes() == (1, 1)


def test_the_doorbell_rings_in_a_cluster(clustered: Rooms, shards: Cluster, settings: Settings) -> None:
    """Wherever its listener hangs: nodes tell each other, after a move of the slot as well."""
    other = open_rooms(shards.url, settings)
    with ExitStack() as stack:
        stack.callback(other.close)
        bell = Doorbell({clustered.keys.doorbell: "mine"}, system_mono)
        bell.listen(clustered.client)
        stack.callback(bell.close)
        for job in (JOB, OTHER):
            other.schedule.track([job])
            assert bell.wait(5.0, lambda: False) == {("mine", Ring.TRACK)}
            if job is JOB:
                move = Move(shards, settings.fleet)
                move.begin()
                move.end()


def test_a_node_of_a_cluster_is_no_single_server(shards: Cluster, settings: Settings) -> None:
    """Whoever gives a URL of one that has not the fleet's slot hears what it should begin with."""
    owner = shards.primary(settings.fleet)
    rooms = open_rooms(next(one.url for one in shards.servers if one is not owner), settings)

    with pytest.raises(RedisUnavailable, match=re.escape("redis+cluster://")):
        rooms.schedule.track([JOB])
    rooms.close()


def test_doctor_names_the_node_of_a_cluster(shards: Cluster, settings: Settings) -> None:
    """Where the fleet's keys are, and that there is more."""
    found = {one.check: one for one in check_up(Settings(fleet=settings.fleet, redis_url=shards.url), aws=False)}

    assert f"127.0.0.1:{shards.primary(settings.fleet).port}" in found["topology"].found
    assert "Cluster" in found["topology"].found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Sentinel]]:
    """A server and a Sentinel, each with a password of its own."""
    folder = tmp_path_factory.mktemp("guarded")
    with server(folder / "s") as one:
        sentinel = Sentinel(folder / "sentinel", one.port, 1)
        with one.client() as client, sentinel.client() as other:
            other.execute_command("SENTINEL SET", SERVICE, "auth-pass", "hush")
            other.execute_command("ACL SETUSER", "default", ">quiet", "resetpass", ">quiet")
            client.config_set("requirepass", "hush")
        yield one, sentinel
        sentinel.kill()


def sentinel_url(sentinel: Sentinel, **given: str) -> str:
    """How fleetpoll is told of it."""
    words = {"password": "hush", "own": "quiet", "service": SERVICE} | given
    return "redis+sentinel://:{password}@127.0.0.1:{port}/{service}?sentinel_password={own}".format(
        port=sentinel.port, **words
    )


def test_a_sentinel_has_a_password_of_its_own(guarded: tuple[Server, Sentinel], settings: Settings) -> None:
    """Each is denied for itself, and a service that the Sentinel does not know is said to be none."""
    _, sentinel = guarded
    rooms = open_rooms(sentinel_url(sentinel), settings)
    assert rooms.schedule.track([JOB]) == 1
    rooms.close()

    for url, kind, words in (
        (sentinel_url(sentinel, own="wrong"), RedisDenied, f"127.0.0.1:{sentinel.port}: "),
        (sentinel_url(sentinel, password="wrong"), RedisDenied, "right user and password"),
        (sentinel_url(sentinel, service="nobody"), RedisUnavailable, "nobody names a primary of nobody"),
    ):
        rooms = open_rooms(url, settings)
        with pytest.raises(kind, match=words) as raised:
            rooms.ledger.sizes()
        assert "wrong" not in str(raised.value)
        rooms.close()


@pytest.mark.parametrize("quiet", [False, True], ids=["that has read", "that has read nothing yet"])
def test_a_follower_does_not_wait_for_the_clock_of_a_primary_that_is_gone(
    tmp_path: Path, settings: Settings, *, quiet: bool
) -> None:
    """The new one has not heard of what it read last, and its clock is behind: it hears what comes nevertheless."""
    fields = {"job_id": JOB, "from": "RUNNING", "to": "SUCCEEDED"}
    key = Keys(settings.fleet).events
    with server(tmp_path / "old") as old, server(tmp_path / "new") as new, lossy(old.port) as line:
        for one in (old, new):
            with one.client() as client:
                client.xadd(key, fields, id="1-0")
        with old.client() as client:
            client.xadd(key, fields, id="99999999999999-0")
        rooms = open_rooms(line.url, settings)
        follower = Fleet(rooms, settings).events(None if quiet else BEGINNING)
        events = (event for event in follower if event is not None)
        if quiet:
            assert next(follower) is None
        else:
            assert [next(events).cursor for _ in range(2)] == ["1-0", "99999999999999-0"]

        line.go_away()
        line.port, line.away = new.port, False
        with new.client() as client, ThreadPoolExecutor(1) as pool:
            client.xadd(key, fields)
            assert pool.submit(next, events).result(10).cursor < "9"
        rooms.close()


@pytest.mark.parametrize("live", [False, True], ids=["threads", "asyncio"])
def test_an_application_leaves_a_primary_that_was_demoted(tmp_path: Path, settings: Settings, *, live: bool) -> None:
    """Its connections would stay open for ever, and refuse for ever; the name in the URL leads to the new primary by now."""
    with server(tmp_path / "old") as old, server(tmp_path / "new") as new, lossy(old.port) as line:
        given = msgspec.structs.replace(settings, redis_url=line.url)

        def demote() -> None:
            with old.client() as client:
                client.replicaof("127.0.0.1", new.port)
            line.port = new.port

        async def track_both() -> int:
            async with aio.open_fleet(given) as fleet:
                await fleet.track([JOB])
                demote()
                return await fleet.track([OTHER])

        if live:
            assert asyncio.run(track_both()) == 1
        else:
            with open_fleet(given) as fleet:
                fleet.track([JOB])
                demote()
                assert fleet.track([OTHER]) == 1


def test_track_may_wait_for_replicas(tmp_path: Path, settings: Settings) -> None:
    """It acknowledges only what so many of them have, also when it is repeated and finds the jobs known."""
    with (
        server(tmp_path / "primary", "--repl-diskless-sync-delay", "0") as primary,
        server(tmp_path / "replica", *replica_of(primary)) as replica,
    ):
        wait_until(lambda: linked(replica), 10, "the replica")
        careful = msgspec.structs.replace(settings, redis_url=primary.url, replicas_acked=1)
        rooms = open_rooms(primary.url, careful)
        assert rooms.schedule.track([JOB]) == 1

        replica.signal(signal.SIGSTOP)
        not_stored = r"on 0 of 1 replicas within 1 s: a failover may lose it\. Do it again"
        with pytest.raises(RedisUnavailable, match=not_stored):
            rooms.schedule.track([OTHER])
        with pytest.raises(RedisUnavailable, match=not_stored):
            asyncio.run(track_live(careful, [OTHER]))

        replica.signal(signal.SIGCONT)
        assert rooms.schedule.track([OTHER]) == asyncio.run(track_live(careful, [OTHER])) == 0
        with replica.client() as client:
            assert client.hlen(rooms.keys.ledger) == 2
        rooms.close()


async def track_live(settings: Settings, ids: list[str]) -> int:
    """The same call for asyncio."""
    async with aio.open_fleet(settings) as fleet:
        return await fleet.track(ids)


def replica_of(primary: Server) -> tuple[str, ...]:
    """Arguments of a server that follows another one."""
    return ("--replicaof", f"127.0.0.1 {primary.port}")

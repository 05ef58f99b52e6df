"""The rights of the roles, on a real server: all that a role is for works as its user, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, wait_until
from fleetpoll import aio
from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.client.checkup.finding import Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.sampling import sample_of
from fleetpoll.clock import system_mono
from fleetpoll.errors import RedisDenied
from fleetpoll.janitor import Janitor
from fleetpoll.jobs import JobStatus
from fleetpoll.metrics.reading import read
from fleetpoll.relay.command import Command
from fleetpoll.relay.relay import Plan, Relay
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.access import CALL, RIGHTS, Role, rules, url_of
from fleetpoll.state.connection import connect
from fleetpoll.state.doorbell import Doorbell
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.letters import Letter, Letters
from fleetpoll.state.load import load_of
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from fleetpoll.state.roster import Facts, OrderKind
from fleetpoll.state.schedule import Lease
from fleetpoll.state.scripts import VERBS, source
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move
from tests.security.conftest import Login
from tests.servers import Server

EXAMPLE = Path(__file__).parents[2] / "workers" / "deploy" / "redis-users.acl"
IDS = make_ids(3)
PAGES = {Group(JobStatus.RUNNING, "all", ""): Dwell()}
FACTS = Facts("host", 1, 1, beat_s=5.0)

Deed = Callable[[Rooms, Fleet], Any]


def claim(rooms: Rooms) -> Lease:
    """A lease."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, worker_id="w", now_ms=rooms.roster.now_ms() + 3_600_000)
    assert isinstance(lease, Lease)
    return lease


def listen(rooms: Rooms) -> None:
    """An ear at the door, for a moment."""
    bell = Doorbell({rooms.keys.doorbell: "mine"}, system_mono)
    bell.listen(rooms.client)
    bell.wait(0.01, lambda: False)
    bell.close()


def consume(rooms: Rooms, fleet: Fleet) -> None:
    """A round of a consumer group, from its making to its end."""
    with fleet.consume("group", "me", after=BEGINNING, retry_after_s=0.01) as consumer:
        assert next(consumer) is not None
        consumer.acknowledge()
    assert [group.name for group in fleet.groups()] == ["group"]
    assert fleet.drop_group("group")


def bury(rooms: Rooms) -> None:
    """A transition becomes a dead letter, after a relay has begun."""
    RELAYS["relay"](rooms, Fleet(rooms, Settings()))
    letter = Letter(rooms.events.read(BEGINNING)[0], "relay", "sink", 1, "no")
    Letters(rooms.client, rooms.keys).bury("relay", [letter])


READS: dict[str, Deed] = {
    "metrics": lambda rooms, _: (read(rooms), load_of(rooms.client)),
    "dead letters": lambda rooms, _: list(Letters(rooms.client, rooms.keys).all()),
    "status": lambda _, fleet: fleet.status(),
    "due": lambda _, fleet: fleet.due(),
    "figures": lambda _, fleet: (fleet.figures(), fleet.sample(), fleet.history()),
    "jobs": lambda _, fleet: list(fleet.jobs()),
    "get": lambda _, fleet: fleet.get(IDS),
    "events": lambda _, fleet: list(fleet.past_events(BEGINNING)),
    "events from a cursor that was trimmed": lambda rooms, _: rooms.events.read_on("1-1"),
    "follow": lambda _, fleet: next(iter(fleet.events(BEGINNING))),
    "groups": lambda _, fleet: fleet.groups(),
    "learnt": lambda _, fleet: (fleet.learnt(), fleet.learnt(PAGES), fleet.price(), fleet.oracle()),
    "budget show": lambda _, fleet: [fleet.bucket(operation).view() for operation in (DESCRIBE, "SubmitJob")],
    "order standing": lambda _, fleet: fleet.order_standing(),
    "doctor": lambda _, fleet: fleet.server(),
}
USES: dict[str, Deed] = {
    "track": lambda _, fleet: fleet.track(make_ids(1, 50)),
    "wait": lambda _, fleet: fleet.wait(IDS, timeout_s=0.0),
    "untrack": lambda _, fleet: fleet.untrack(IDS[:1]),
    "consume": consume,
    "limiter": lambda _, fleet: fleet.limiter("SubmitJob").try_acquire(timeout=2),
    "penalize": lambda rooms, _: rooms.buckets[DESCRIBE].penalize(1),
}
RELAYS: dict[str, Deed] = {
    "relay": lambda rooms, _: Relay(rooms, Plan(since=BEGINNING), Command("true", 5.0)).run(lambda: True),
    "bury": lambda rooms, _: bury(rooms),
}
STEERS: dict[str, Deed] = {
    "drop letters": lambda rooms, _: Letters(rooms.client, rooms.keys).drop(["1-1"]),
    "budget set": lambda _, fleet: fleet.bucket().pin(None),
    "budget pause": lambda _, fleet: fleet.bucket().pause(False),
    "drain": lambda _, fleet: fleet.order(OrderKind.DRAIN),
    "stop": lambda _, fleet: fleet.order(OrderKind.STOP),
    "resume": lambda _, fleet: fleet.order(None),
    "learn import": lambda _, fleet: fleet.teach(PAGES),
    "learn reset": lambda _, fleet: (fleet.forget(["align"]), fleet.forget_all()),
}
WORKS: dict[str, Deed] = {
    "beat": lambda rooms, _: rooms.roster.beat("w", FACTS),
    "leave": lambda rooms, _: rooms.roster.leave("w"),
    "claim and release": lambda rooms, _: rooms.schedule.release(claim(rooms), IDS, delay_s=0.0, call="throttled"),
    "settle": lambda rooms, _: move(rooms, dict.fromkeys(IDS, JobStatus.RUNNING)),
    "reserve": lambda rooms, _: rooms.buckets[DESCRIBE].refund(rooms.buckets[DESCRIBE].reserve(60.0)),  # type: ignore[arg-type]
    "penalize": USES["penalize"],
    "sweep": lambda rooms, _: Janitor(rooms, Settings()).sweep(),
    "sample": lambda rooms, _: rooms.history.add(sample_of(rooms)),
    "listen": lambda rooms, _: listen(rooms),
}
DEEDS = {Role.READER: READS, Role.CLIENT: USES, Role.RELAY: RELAYS, Role.OPERATOR: STEERS, Role.WORKER: WORKS}
MAY: dict[Role, dict[str, Deed]] = {
    Role.READER: READS,
    Role.CLIENT: READS | USES,
    Role.RELAY: READS | RELAYS,
    Role.OPERATOR: READS | USES | STEERS,
    Role.WORKER: WORKS,
}


@contextmanager
def as_user(url: str, fleet: str) -> Iterator[tuple[Rooms, Fleet]]:
    """The rooms and the fleet of a user."""
    settings = Settings(redis_url=url, fleet=fleet)
    rooms = open_rooms(url, settings, worker=True)
    yield rooms, Fleet(rooms, settings)
    rooms.close()


@pytest.fixture
def filled(guarded: Server, fleet_name: str) -> Iterator[Rooms]:
    """A fleet with jobs, transitions and a worker, made by the server's own master."""
    with as_user(guarded.url, fleet_name) as (rooms, _):
        rooms.schedule.track(IDS)
        move(rooms, dict.fromkeys(IDS, JobStatus.RUNNABLE))
        rooms.roster.beat("somebody", FACTS)
        yield rooms


def dump(rooms: Rooms) -> dict[str, Any]:
    """All that the server holds, by key."""
    return {str(key): rooms.client.execute_command("DUMP", key, NEVER_DECODE=True) for key in rooms.client.scan_iter()}


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, deeds in MAY.items() for name in deeds])
def test_a_role_can_do_what_it_is_for(filled: Rooms, login: Login, fleet_name: str, role: Role, name: str) -> None:
    """Each deed of each role succeeds as its user."""
    assert filled
    with as_user(login(role), fleet_name) as (rooms, fleet):
        MAY[role][name](rooms, fleet)


CANNOT = [
    *((Role.READER, name) for name in (USES | RELAYS | STEERS | WORKS) if name != "listen"),
    *(
        (Role.CLIENT, name)
        for name in ("drain", "stop", "resume", "learn reset", "settle", "listen", "bury", "drop letters")
    ),
    *((Role.RELAY, name) for name in ("track", "drain", "settle", "penalize", "drop letters")),
    *((Role.WORKER, name) for name in ("events", "consume", "learn reset")),
]


@pytest.mark.parametrize(("role", "name"), CANNOT)
def test_a_role_cannot_do_what_others_are_for(filled: Rooms, login: Login, fleet_name: str, role: Role, name: str) -> None:
    """It is denied with a sentence that says which command, and what to do."""
    assert filled
    deeds = READS | USES | RELAYS | STEERS | WORKS
    with (
        as_user(login(role), fleet_name) as (rooms, fleet),
        pytest.raises(RedisDenied, match=r"Redis denies access: .*fleetpoll acl ROLE"),
    ):
        deeds[name](rooms, fleet)


def test_a_reader_changes_nothing(filled: Rooms, login: Login, fleet_name: str) -> None:
    """Whatever it tries, done or denied, every key is as it was."""
    before = dump(filled)
    with as_user(login(Role.READER), fleet_name) as (rooms, fleet):
        for deed in (READS | USES | RELAYS | STEERS | WORKS).values():
            with suppress(RedisDenied):
                deed(rooms, fleet)

    assert dump(filled) == before


@pytest.mark.parametrize("role", list(Role))
def test_no_role_sees_another_fleet(filled: Rooms, login: Login, role: Role) -> None:
    """Neither by the library nor by hand, inside a script or outside: no key, no channel."""
    url = login(role, fleet="another")
    with as_user(url, filled.keys.fleet) as (rooms, fleet):
        for deed in MAY[role].values():
            with suppress(RedisDenied):
                deed(rooms, fleet)
                assert deed in (READS["doctor"], WORKS["listen"])
    keys, client = filled.keys, connect(url)
    for words in (
        ("HGETALL", keys.ledger),
        ("XRANGE", keys.events, "-", "+"),
        ("PUBLISH", keys.doorbell, "track"),
        ("SUBSCRIBE", keys.doorbell),
        ("EVAL", "return redis.call('HGETALL', KEYS[1])", 1, keys.ledger),
        ("EVAL", f"return redis.call('HGETALL', '{keys.ledger}')", 0),
    ):
        with pytest.raises(RedisDenied):
            client.execute_command(*words)
    client.close()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "command",
    [
        *("KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "ACL LIST", "CLIENT LIST", "MONITOR", "SCRIPT FLUSH"),
        *("SHUTDOWN", "REPLICAOF NO ONE", "FUNCTION LIST", "SLOWLOG GET", "PSUBSCRIBE *", "SAVE", "SWAPDB 0 1"),
    ],
)
def test_no_role_governs_the_server(guarded: Server, login: Login, role: Role, command: str) -> None:
    """Nor does any see what other fleets and users there are."""
    assert guarded
    client = connect(login(role))
    with pytest.raises(RedisDenied, match="permission"):
        client.execute_command(*command.split())
    client.close()


def test_asyncio_works_as_a_client(filled: Rooms, login: Login, fleet_name: str) -> None:
    """Tracking, reading, waiting and a consumer group, as threads do."""
    assert filled
    settings = Settings(redis_url=login(Role.CLIENT), fleet=fleet_name)

    async def use() -> int:
        async with aio.open_fleet(settings) as fleet:
            await fleet.track(make_ids(1, 60))
            with suppress(TimeoutError):
                await asyncio.wait_for(fleet.wait(IDS), 0.2)
            async with fleet.consume("live", "me", after=BEGINNING) as consumer:
                async for _ in consumer:
                    break
            return len(await fleet.get(IDS))

    assert asyncio.run(use()) == len(IDS)


def test_doctor_and_status_say_decently_what_they_may_not_see(filled: Rooms, login: Login, fleet_name: str) -> None:
    """No traceback: a warning, or a sentence that names the command and the way out."""
    assert filled
    for role in (Role.READER, Role.WORKER):
        settings = Settings(redis_url=login(role), fleet=fleet_name)
        findings = {one.check: one for one in check_up(settings, aws=role is Role.READER)}
        assert Grade.FAIL not in {finding.grade for finding in findings.values()}
        assert "does not say what it is" in findings["redis"].found
        assert "replica" not in findings["topology"].found
        if role is Role.READER:  # a call takes a token, which it cannot take
            assert "not asked: Redis denies access" in findings["aws"].found
            assert "command. Give its user" in findings["aws"].found.replace("command or subcommand", "command")  # 6.2
    done = Cli(login(Role.WORKER), fleet_name)("events", "groups")
    assert (done.returncode, done.stderr.count("\n")) == (77, 1)
    assert "run the 'xinfo" in done.stderr


def test_a_fleet_works_with_a_user_for_each_role(guarded: Server, login: Login, fleet_name: str) -> None:
    """Real workers and the command line, each with the rights of its role alone, bring jobs to their ends."""
    urls = {role: login(role) for role in Role}
    quick = {"freshness": 0.5, "workers": 1, "log_format": "json", "beat": 0.5}
    settings = Settings(fleet=fleet_name, **quick)  # type: ignore[arg-type]
    with Simulator(limited(50, life_min_s=0.5, life_max_s=1)) as aws, as_user(guarded.url, fleet_name) as (rooms, _):
        fleet = Rig(urls[Role.WORKER], guarded.folder, aws, settings, rooms)
        env = {"AWS_ENDPOINT_URL_BATCH": aws.url}
        with fleet.workers() as workers:
            fleet.await_pollers(1)
            submit = ("submit", "--name", "n", "--queue", "q", "--definition", "d", "-n", "3", "--track")
            submitted = Cli(urls[Role.CLIENT], fleet_name)(*submit, **env)
            waited = Cli(urls[Role.CLIENT], fleet_name)("wait", *submitted.stdout.split(), "--timeout", "20", **env)
            seen = Cli(urls[Role.READER], fleet_name).objects("events")
            refused = Cli(urls[Role.READER], fleet_name)("track", IDS[0])
            stopped = Cli(urls[Role.OPERATOR], fleet_name)("fleet", "stop")
            wait_until(lambda: workers.process.poll() is not None, 20, "the workers leave")
        assert '"level": "error"' not in workers.words()
    assert (submitted.returncode, stopped.returncode, refused.returncode) == (0, 0, 77)
    assert waited.returncode in (0, 1), waited.stderr
    assert sum(event["to"] in ("SUCCEEDED", "FAILED") for event in seen) == 3
    assert rooms.roster.order() is not None


def test_every_script_belongs_to_a_role() -> None:
    """A verb that is new is not forgotten here; and what a script runs can be read from its text."""
    covered = frozenset().union(*(rights.verbs for rights in RIGHTS.values()))
    assert covered == {*VERBS, "retire"}
    for verb in covered:
        assert source(verb).count("redis.call(") == len(CALL.findall(source(verb))), verb


def test_the_command_prints_what_the_server_takes(guarded: Server, fleet_name: str) -> None:
    """The hash of a password from standard input, never the password; and the line is one of an ACL file."""
    cli = Cli(guarded.url, fleet_name)
    done = cli("acl", "reader", "--password", "--setuser", stdin="hush-hush\n")
    words = done.stdout.split()
    with guarded.client() as root:
        assert root.execute_command(*words) == "OK"
        root.acl_deluser(words[2])
    assert "hush-hush" not in done.stdout + done.stderr
    assert cli("acl", "reader").stdout.startswith(f"user {fleet_name}.reader reset on #SHA256-OF-THE-PASSWORD ~fleetpoll:")
    assert [cli("acl", "reader", "--password").returncode, cli("acl", "nobody").returncode] == [2, 2]
    assert url_of("prod/eu.worker") == "redis://prod%2Feu.worker:PASSWORD@HOST:6379/0"


def test_the_example_is_what_the_command_prints() -> None:
    """The ACL file beside the units has each role of one fleet, and the server loads it once hashes are in."""
    lines = [line.split() for line in EXAMPLE.read_text().splitlines()]
    assert lines[0] == ["user", "default", "off"]
    assert lines[1:] == [["user", f"prod.{role}", *rules(role, "prod")] for role in Role]

"""What is in jobs and what is in Redis: no environment of a job's is kept, nothing is unbounded, garbage is survived."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks.rig import limited
from fleetpoll import aio
from fleetpoll.awsbatch.api import BatchApi, open_client
from fleetpoll.awsbatch.parse import NAME_MAX, WORDS_MAX, descriptions
from fleetpoll.cli.root import root
from fleetpoll.client.fleet import Fleet
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.janitor import Janitor
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import OPERATIONS, Rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move
from tests.integration.cycles import nap

CANARY = "canary-in-a-job"
IDS = make_ids(3)
READERS = [
    ("status",),
    ("jobs", "--json"),
    ("events", "--json"),
    ("fleet", "workers"),
    ("budget", "show"),
    ("learn", "show"),
]


def stored(rooms: Rooms) -> str:
    """All that Redis holds of the fleet, as text."""
    k, client = rooms.keys, rooms.client
    found: list[Any] = [client.hgetall(key) for key in (k.ledger, k.counts, k.totals, k.roster, k.dwell, k.leases)]
    found += [
        client.xrange(k.events),
        client.zrange(k.schedule, 0, -1),
        client.zrange(k.finished, 0, -1),
        client.get(k.price),
    ]
    return repr(found)


def test_what_a_job_is_given_stays_with_aws(rooms: Rooms, settings: Settings, redis_url: str) -> None:
    """Environment, command, parameters and tags of a job are in AWS's answer, and in nothing of ours."""
    with Simulator(limited(100, life_min_s=0.1, life_max_s=0.2)) as aws:
        own = msgspec.structs.replace(settings, endpoint_url=aws.url, rate=100, freshness=0.05, burst=100)
        client = open_client(own)
        answer = client.submit_job(
            jobName="secretive",
            jobQueue="q",
            jobDefinition="d",
            parameters={"key": CANARY},
            tags={"key": CANARY},
            containerOverrides={"environment": [{"name": "TOKEN", "value": CANARY}], "command": ["--token", CANARY]},
        )
        assert str(client.describe_jobs(jobs=[answer["jobId"]])).count(CANARY) == 4
        client.close()
        rooms.schedule.track([answer["jobId"]])
        cycle = Cycle(rooms, BatchApi(own), own, system_mono, Random(1), nap)
        for _ in range(200):
            if cycle.run().idle and rooms.ledger.sizes()[0] == 0:
                break
        assert rooms.ledger.sizes() == (0, 1)
        cycle._api._client.close()
    cli = Cli(redis_url, settings.fleet)
    said = [cli(*words) for words in (*READERS[:3], ("show", answer["jobId"]))]
    assert CANARY not in stored(rooms) + "".join(done.stdout + done.stderr for done in said)
    assert "secretive" in stored(rooms)


def test_words_of_a_job_are_bounded() -> None:
    """A reason of a megabyte becomes a line, a name that AWS would not allow as well."""
    long = "x" * 1_000_000
    container = {"reason": long, "logStreamName": long}
    job = {"jobId": IDS[0], "status": "FAILED", "jobName": long, "jobQueue": f"arn:aws:batch/{long}", "statusReason": long}
    found = descriptions(msgspec.json.encode({"jobs": [job | {"jobDefinition": long, "container": container}]}))[IDS[0]]
    assert (len(found.status_reason), len(found.reason)) == (WORDS_MAX, WORDS_MAX)
    assert (len(found.job_name), len(found.job_queue), len(found.log_stream)) == (NAME_MAX,) * 3
    assert len(msgspec.json.encode(found)) < 6000


GARBAGE = [
    "",
    "{",
    "[]",
    '["X"]',
    "null",
    "12",
    "nan nan",
    "-1e999",
    '["RUNNING",{}]',
    "1 {}",
    "drain x",
    "\ufffd\x00",
    "[" * 5000,
]
RAW = [b"\xff\xfe\x00", *(text.encode() for text in GARBAGE)]


def spoil(rooms: Rooms, raw: bytes) -> None:
    """Put the same garbage wherever a fleet reads."""
    k, client = rooms.keys, rooms.client
    for key in (k.counts, k.totals, k.roster, k.dwell, k.leases, *(k.bucket(operation) for operation in OPERATIONS)):
        fields = [*client.hkeys(key), "RUNNING", "calls", "w", "pin", "r", "b", "c", "RUNNING definition x", raw]
        client.hset(key, mapping=dict.fromkeys(fields, raw))
    client.hset(k.ledger, mapping={IDS[0]: raw, raw: raw})
    for key in (k.price, k.order):
        client.set(key, raw)
    client.xadd(
        k.events, {raw: raw, "job_id": raw, "from": raw, "to": raw, "created_at": raw, "exit_code": raw, "attempt": raw}
    )
    client.zadd(k.dwelt, {raw: 1})
    client.publish(k.doorbell, raw)


def read_all(fleet: Fleet) -> None:
    """Every reader there is."""
    fleet.status()
    assert len(list(fleet.jobs())) == len(IDS) + 1
    fleet.get(IDS)
    list(fleet.past_events(BEGINNING))
    next(iter(fleet.events(BEGINNING)))
    fleet.wait(IDS, timeout_s=0.0)
    fleet.workers()
    fleet.alive()
    fleet.order_standing()
    fleet.price()
    fleet.oracle()
    for operation in OPERATIONS:
        fleet.bucket(operation).view()
    with fleet.consume("g", "c", after=BEGINNING) as consumer:
        for _ in range(4):
            next(consumer)
    assert fleet.drop_group("g")


async def read_live(settings: Settings) -> None:
    """The readers of asyncio."""
    async with aio.open_fleet(settings) as fleet:
        await fleet.get(IDS)
        await fleet.alive()


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: repr(raw[:12]))
def test_garbage_in_redis_stops_no_reader(rooms: Rooms, given: Settings, raw: bytes) -> None:
    """No reader stumbles over what another program has written where the fleet reads."""
    rooms.schedule.track(IDS)
    move(rooms, dict.fromkeys(IDS, JobStatus.RUNNING))
    spoil(rooms, raw)
    read_all(Fleet(rooms, given))
    asyncio.run(read_live(given))


def test_a_worker_mends_a_record_that_cannot_be_read(rooms: Rooms, settings: Settings) -> None:
    """Its neighbours in the lease do not suffer, and the next look writes it anew."""
    rooms.schedule.track(IDS)
    rooms.client.hset(rooms.keys.ledger, IDS[1], b"\xff[garbage")
    assert Fleet(rooms, settings).get(IDS)[IDS[1]].status is JobStatus.UNKNOWN

    move(rooms, dict.fromkeys(IDS, JobStatus.RUNNING))

    assert {known.status for known in Fleet(rooms, settings).get(IDS).values()} == {JobStatus.RUNNING}
    Janitor(rooms, settings).sweep()


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_keys_of_another_kind_are_a_sentence(rooms: Rooms, redis_url: str, words: tuple[str, ...]) -> None:
    """Every key of the fleet is a string where it should be something else."""
    k = rooms.keys
    hashes = (k.ledger, k.counts, k.totals, k.roster, k.dwell, k.leases, *(k.bucket(operation) for operation in OPERATIONS))
    for key in (*hashes, k.schedule, k.finished, k.events, k.dwelt):
        rooms.client.set(key, "x")
    done = CliRunner().invoke(root, ["--redis-url", redis_url, "--fleet", k.fleet, *words])
    assert (done.exit_code, "Traceback" in done.stderr) == (70, False), done.stderr
    assert "WRONGTYPE" in done.stderr

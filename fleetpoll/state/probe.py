"""The reader of the server itself: which one it is, whether it keeps what it is given, how far away it is."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from redis.sentinel import SentinelConnectionPool

from fleetpoll.errors import RedisDenied, StateError

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection

PINGS = 5
OK = "ok"
FULL_COVERAGE = "cluster-require-full-coverage"


@dataclass(frozen=True, slots=True)
class Durability:
    """How well a server keeps what it is given. What it does not say is taken for good."""

    write_failed: bool = False  # the last write to the AOF
    rewrite_failed: bool = False  # the last try to shorten the AOF
    saving_refused: bool = False  # the last snapshot failed, and there is no AOF: it may refuse all writes
    delayed: int = 0  # fsyncs that its disk held up since it started
    aof_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """How full a server is, in bytes; 0 where it does not say, or has no limit."""

    used: int = 0
    limit: int = 0
    machine: int = 0
    evicted: int = 0  # keys that it threw away since it started


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself, by INFO: managed services do not answer CONFIG, which only a Cluster is asked for."""

    flavour: str  # redis or valkey
    version: str
    compatible: tuple[int, int] | None  # the Redis release whose commands it has; None: it does not say
    append_only: bool | None  # None: it does not say
    eviction: str  # its maxmemory-policy, '' when it does not say
    round_trip_s: float  # median of a few
    ahead_s: float  # its clock minus ours
    topology: str  # which server it is, and among which others
    all_or_none: bool | None = None  # a node that is gone stops a whole Cluster; None: it does not say, or is no Cluster
    durability: Durability = field(default_factory=Durability)
    memory: Memory | None = None  # None: it does not say
    replicas: int | None = None  # connected ones; None: it does not say
    runs_scripts: bool = True


def probe(client: Connection) -> ServerFacts:
    """Ask the server. Raises RedisUnavailable or StateError; a user without INFO learns less."""
    info: Any
    try:
        info = client.info("everything")
    except RedisDenied:
        info = {}
    release = re.match(r"(\d{1,9})\.(\d{1,9})", str(info.get("redis_version", "")))
    append_only = info.get("aof_enabled")
    trips, offsets = zip(*(_ask_time(client) for _ in range(PINGS)), strict=True)
    return ServerFacts(
        flavour=str(info.get("server_name", "redis")),
        version=str(info.get("valkey_version", info.get("redis_version", "?"))),
        compatible=(int(release[1]), int(release[2])) if release else None,
        append_only=None if append_only is None else bool(append_only),
        eviction=str(info.get("maxmemory_policy", "")),
        round_trip_s=median(trips),
        ahead_s=median(offsets),
        topology=topology(client, info),
        all_or_none=_all_or_none(client) if info.get("cluster_enabled") else None,
        durability=durability_of(info),
        memory=memory_of(info) if info else None,
        replicas=info.get("connected_slaves"),
        runs_scripts=_runs_scripts(client),
    )


def durability_of(info: dict[str, Any]) -> Durability:
    """What INFO tells of the AOF and of snapshots."""
    saved = info.get("rdb_last_bgsave_status", OK) == OK
    return Durability(
        write_failed=info.get("aof_last_write_status", OK) != OK,
        rewrite_failed=info.get("aof_last_bgrewrite_status", OK) != OK,
        saving_refused=not saved and not info.get("aof_enabled"),
        delayed=int(info.get("aof_delayed_fsync", 0)),
        aof_bytes=info.get("aof_current_size"),
    )


def memory_of(info: dict[str, Any]) -> Memory:
    """What INFO tells of memory."""
    names = ("used_memory", "maxmemory", "total_system_memory", "evicted_keys")
    return Memory(*(int(info.get(name, 0)) for name in names))


def _runs_scripts(client: Connection) -> bool:
    """Whether a script can be loaded and run: all verbs are scripts."""
    try:
        sha: Any = client.script_load("return 1")
        return bool(client.evalsha(sha, 0) == 1)
    except StateError:
        return False


def topology(client: Connection, info: dict[str, Any]) -> str:
    """In words, which server serves the fleet, and among which others."""
    replicas = info.get("connected_slaves")
    with_replicas = "" if replicas is None else f" with {replicas} replica{'' if replicas == 1 else 's'}"
    pool: Any = client.connection_pool
    if not isinstance(pool, SentinelConnectionPool):
        return ("a replica" if info.get("role") == "slave" else "one server") + with_replicas
    host, port = pool.master_address
    comma = with_replicas and ","
    if pool.service_name:
        return f"{host}:{port}, the primary of {pool.service_name} under Sentinels{comma}{with_replicas}"
    return f"{host}:{port}, the node of a Cluster that has this fleet's slot{comma}{with_replicas}"


def _all_or_none(client: Connection) -> bool | None:
    """Whether a Cluster needs a node for each slot; None if this user may not know, or nobody."""
    try:
        found: Any = client.config_get(FULL_COVERAGE)
    except StateError:
        return None
    return None if FULL_COVERAGE not in found else bool(found[FULL_COVERAGE] == "yes")


def _ask_time(client: Connection) -> tuple[float, float]:
    """One TIME: how long the answer took, and how far the server's clock was ahead of ours halfway."""
    asked_at, asked_wall = time.monotonic(), time.time()
    answer: Any = client.time()
    trip_s = time.monotonic() - asked_at
    return trip_s, int(answer[0]) + int(answer[1]) / 1e6 - (asked_wall + trip_s / 2)

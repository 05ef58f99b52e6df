"""The reader of the server itself: which one it is, whether it keeps what it is given, how far away it is."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from redis.sentinel import SentinelConnectionPool

from fleetpoll.errors import RedisDenied, StateError

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection

PINGS = 5
FULL_COVERAGE = "cluster-require-full-coverage"


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
    )


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

"""The reader of what a server does, for whomever: its memory, and the time that its commands take.

Servers count commands for all who use them: where a fleet is alone on its server, these are the fleet's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.sentinel import SentinelConnectionPool

from fleetpoll.errors import RedisDenied

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection

COMMAND = "cmdstat_"
"""What the lines of INFO commandstats begin with."""


@dataclass(frozen=True, slots=True)
class CommandLoad:
    """A command since the server began: how often it ran, and for how long in all."""

    calls: int
    total_s: float


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """A server, by INFO. `server` is where it is; `memory_max` is 0 without a limit."""

    server: str
    flavour: str
    version: str
    memory_used: int
    memory_max: int
    commands: dict[str, CommandLoad]


def load_of(client: Connection) -> ServerLoad | None:
    """What the server does; None if this user may not ask."""
    info: Any
    try:
        info = client.info("all")
    except RedisDenied:
        return None
    return ServerLoad(
        server=place_of(client),
        flavour=str(info.get("server_name", "redis")),
        version=str(info.get("valkey_version", info.get("redis_version", "?"))),
        memory_used=int(info.get("used_memory", 0)),
        memory_max=int(info.get("maxmemory", 0)),
        commands={
            name.removeprefix(COMMAND): CommandLoad(int(said["calls"]), int(said["usec"]) / 1e6)
            for name, said in info.items()
            if name.startswith(COMMAND)
        },
    )


def place_of(client: Connection) -> str:
    """Where the server is that answered last: HOST:PORT, or the path of its socket."""
    pool: Any = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        host, port = pool.master_address
        return f"{host}:{port}"
    given = pool.connection_kwargs
    return str(given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}")

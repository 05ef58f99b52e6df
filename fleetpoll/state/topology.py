"""Where the primary is, when the URL names no server but Sentinels, or nodes of a Cluster.

All keys of a fleet are in one slot. So a Cluster is to a fleet what a group of servers under Sentinels is: several servers,
one of which is the primary. redis-py's pool for Sentinels asks a manager where that is whenever it makes a connection; the
manager here asks Sentinels or nodes, whoever of them answers. One round through them is one try: nothing loops here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.asyncio import ConnectionPool as LivePool
from redis.asyncio import Redis as LiveRedis
from redis.asyncio.connection import SSLConnection as LiveSSLConnection
from redis.asyncio.retry import Retry as LiveRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.crc import key_slot
from redis.retry import Retry

from fleetpoll.errors import SettingsError

Address = tuple[str, int]
Pool = TypeVar("Pool")
Lookup = Generator[Address, Any, Address]
"""Yields whom to ask, is sent the answer or the error, and ends with the primary's address."""

LOOKUP_TIMEOUT_S = 1.0
"""For each step of asking one Sentinel or node: the next one may know as well."""
ASKED_MAX = 5
"""How many are asked in one try; the next one begins with others."""
DENIALS = (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError)
SCRIPT_DENIALS = ("ACL failure in script", "The user executing the script can't")
"""How servers deny a command or a key inside a script; from Redis 7.0 on that is no NOPERM."""
PORTS = {"sentinel": 26379, "cluster": 6379}
SERVICE = re.compile(r"[A-Za-z0-9._-]+")
FORM = re.compile(r"(rediss?)\+(sentinel|cluster)://(?:([^/?#]*)@)?([^/?#@]+)/?([^?#@]*)(?:\?([^#]*))?", re.ASCII)
EXAMPLES = "redis+sentinel://h1:26379,h2,h3/SERVICE, or redis+cluster://h1:6379,h2"


@dataclass(frozen=True, slots=True)
class Servers:
    """Several of which one is the primary. `service` is what Sentinels call them; '' stands for a Cluster."""

    service: str
    seeds: tuple[Address, ...]
    tls: bool
    options: dict[str, Any] = field(repr=False)  # of a connection to the servers, as redis-py reads them from a URL
    asking: dict[str, Any] = field(repr=False)  # the same for those who are asked

    def pool(self, kind: Callable[..., Pool], seeker: Seeker | LiveSeeker, given: dict[str, Any]) -> Pool:
        """A pool of redis-py's for Sentinels whose connections go where the seeker says."""
        return kind(self.service, seeker, ssl=self.tls, **(given | self.options))


def is_several(url: str) -> bool:
    """Whether a URL means to speak of several servers."""
    return re.match(r"rediss?\+", url) is not None


def is_cluster(url: str) -> bool:
    """Whether a URL means a Cluster, where each fleet may be on another node."""
    return re.match(r"rediss?\+cluster:", url) is not None


def servers_of(url: str) -> Servers | None:
    """The servers that a URL speaks of; None for the URL of one server. Raises SettingsError, and repeats no password."""
    if not is_several(url):
        return None
    parts = FORM.fullmatch(url)
    if parts is None:
        raise SettingsError(f"redis_url will not do: it is to have the form {EXAMPLES}.")
    scheme, kind, user, hosts, path, query = parts.groups(default="")
    seeds = tuple(address(host, PORTS[kind]) for host in hosts.split(","))
    service, db = name_of(path) if kind == "sentinel" else ("", path)
    if not re.fullmatch(r"\d{0,4}", db, re.ASCII) or (kind == "cluster" and db not in {"", "0"}):
        raise SettingsError("redis_url will not do: a database is a number behind the last /, in a Cluster 0 or nothing.")
    own, others = {}, []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if kind == "sentinel" and name in {"sentinel_username", "sentinel_password"}:
            own[name.removeprefix("sentinel_")] = value
        else:
            others.append((name, value))
    options: dict[str, Any] = parse_url(f"{scheme}://{user}{'@' if user else ''}nobody/{db}?{urlencode(others)}")  # type: ignore[no-untyped-call] # redis-py has not typed it
    for given in ("host", "connection_class"):
        options.pop(given, None)
    asking = {name: value for name, value in options.items() if name not in {"db", "max_connections"}}
    if kind == "sentinel":
        asking = {name: value for name, value in asking.items() if name not in {"username", "password"}} | own
    return Servers(service, seeds, scheme == "rediss", options, asking)


def address(text: str, port: int) -> Address:
    """A host and its port; `port` if it names none."""
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        if parts.hostname:
            return unquote(parts.hostname), parts.port or port
    raise SettingsError("redis_url will not do: a host or a port cannot be read. Hosts are separated by commas.")


def name_of(path: str) -> tuple[str, str]:
    """The service that a path names, and the database."""
    service, _, db = path.partition("/")
    if not SERVICE.fullmatch(service):
        raise SettingsError("redis_url will not do: the name under which Sentinels know the servers is to follow the hosts.")
    return service, db


@dataclass
class Whereabouts:
    """What is known of where the primary is, and how to ask for it; `home` is any key of the fleet's."""

    servers: Servers
    home: str
    hint: Address | None = None  # where a server has just sent us
    known: tuple[Address, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Nobody is known yet but those of the URL."""
        self.known = self.servers.seeds

    @property
    def question(self) -> tuple[str, ...]:
        """The command that is put to a Sentinel or a node."""
        return ("SENTINEL MASTER", self.servers.service) if self.servers.service else ("CLUSTER SLOTS",)

    def moved(self, error: redis.exceptions.MovedError) -> None:
        """A node has told who has the slot by now; without a host, whoever is asked next tells."""
        self.hint = (error.host, error.port) if error.host else None

    def lookup(self) -> Lookup:
        """Ask one after the other, each time another one first: what one believes may be out of date."""
        if self.hint is not None:
            found, self.hint = self.hint, None
            return found
        words: list[str] = []
        denied = False
        for asked in self.known[:ASKED_MAX]:
            self.known = (*(other for other in self.known if other != asked), asked)
            try:
                answer = yield asked
            except (redis.RedisError, OSError) as error:
                denied = denied or denial_in(error) is not None
                words.append(f"{asked[0]}:{asked[1]}: {error}".rstrip("."))
                continue
            place = self._sentinels_word(answer) if self.servers.service else self._nodes_word(answer, asked[0])
            if place is not None:
                return place
            words.append(f"{asked[0]}:{asked[1]} knows none that is up")
        kind = redis.exceptions.AuthenticationError if denied else redis.exceptions.ConnectionError
        whose = f"of {self.servers.service} " if self.servers.service else ""
        raise kind(f"nobody names a primary {whose}({'; '.join(words)})")

    def _sentinels_word(self, state: dict[str, Any]) -> Address | None:
        """The primary that a Sentinel names, unless it has it down."""
        up = state["is_master"] and not (state["is_sdown"] or state["is_odown"])
        return (state["ip"], int(state["port"])) if up else None

    def _nodes_word(self, ranges: list[Any], asked: str) -> Address | None:
        """The primary of the fleet's slot that a node names; the nodes that it knows are asked from now on as well.

        An empty host stands for that of the node that was asked.
        """
        slot, found = key_slot(self.home.encode()), None
        nodes = dict.fromkeys(self.servers.seeds)
        for first, last, *holders in ranges:
            places = [(holder[0] or asked, int(holder[1])) for holder in holders]
            nodes |= dict.fromkeys(places)
            if first <= slot <= last:
                found = places[0]
        self.known = tuple(dict.fromkeys([*(one for one in self.known if one in nodes), *nodes]))
        return found


class Seeker:
    """What redis-py's SentinelConnectionPool takes for its Sentinels."""

    def __init__(self, whereabouts: Whereabouts) -> None:
        self.whereabouts = whereabouts

    def discover_master(self, _service: str) -> Address:
        """The primary's address. Raises redis-py's ConnectionError when nobody tells."""
        lookup = self.whereabouts.lookup()
        try:
            asked = next(lookup)
            while True:
                try:
                    answer = self._ask(asked)
                except (redis.RedisError, OSError) as error:
                    asked = lookup.throw(error)
                else:
                    asked = lookup.send(answer)
        except StopIteration as found:
            return found.value  # type: ignore[no-any-return] # a generator's value is Any

    def _ask(self, asked: Address) -> Any:
        servers = self.whereabouts.servers
        kind = redis.SSLConnection if servers.tls else redis.Connection
        pool = redis.ConnectionPool(kind, retry=Retry(NoBackoff(), 0), **asking(servers, asked))
        with closing(redis.Redis.from_pool(pool)) as client:
            return client.execute_command(*self.whereabouts.question)  # type: ignore[no-untyped-call] # redis-py has not typed it


class LiveSeeker:
    """The same for asyncio."""

    def __init__(self, whereabouts: Whereabouts) -> None:
        self.whereabouts = whereabouts

    async def discover_master(self, _service: str) -> Address:
        """The primary's address. Raises redis-py's ConnectionError when nobody tells."""
        lookup = self.whereabouts.lookup()
        try:
            asked = next(lookup)
            while True:
                try:
                    answer = await self._ask(asked)
                except (redis.RedisError, OSError) as error:
                    asked = lookup.throw(error)
                else:
                    asked = lookup.send(answer)
        except StopIteration as found:
            return found.value  # type: ignore[no-any-return] # a generator's value is Any

    async def _ask(self, asked: Address) -> Any:
        servers = self.whereabouts.servers
        given: dict[str, Any] = {"connection_class": LiveSSLConnection} if servers.tls else {}
        pool = LivePool(retry=LiveRetry(NoBackoff(), 0), **given, **asking(servers, asked))
        async with LiveRedis.from_pool(pool) as client:
            return await client.execute_command(*self.whereabouts.question)  # type: ignore[no-untyped-call] # the same


def asking(servers: Servers, asked: Address) -> dict[str, Any]:
    """How a connection is opened to somebody who is to be asked, once."""
    host, port = asked
    waits = {"socket_connect_timeout": LOOKUP_TIMEOUT_S, "socket_timeout": LOOKUP_TIMEOUT_S}
    return {**servers.asking, **waits, "decode_responses": True, "protocol": 2, "host": host, "port": port}


def denial_in(error: BaseException) -> BaseException | None:
    """The denial that an error is; asyncio's connection wraps it at the handshake."""
    if any(sign in str(error) for sign in SCRIPT_DENIALS):
        return error
    return next((one for one in (error, error.__cause__) if isinstance(one, DENIALS)), None)

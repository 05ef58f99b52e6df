"""The one way to open a connection to Redis: to one server, or to the primary of several (see topology.py).

redis-py's own retries are off: it would send an EVALSHA again whose reply was lost, and so claim or spend twice.
Replies are text (`decode_responses`), settled here once. RESP2, because Redis 6.2 and Valkey speak it alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from fleetpoll.errors import RedisDenied, RedisSilent, RedisUnavailable, SettingsError, StateError
from fleetpoll.state.topology import Seeker, Whereabouts, denial_in, is_several, servers_of
from fleetpoll.text import masked

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 10_000
"""One for each thread that speaks with Redis at once, unless the URL says less; redis-py's own 100 fails who comes next."""
STORED_MS = 1000
"""How long replicas may take to store what they are waited for."""

OURS = frozenset(
    {"decode_responses", "encoding", "encoding_errors", "protocol", "retry_on_timeout"}
    | {"socket_timeout", "socket_connect_timeout"}
)
"""Options that everything here relies on."""
FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
SILENT = {
    "CERTIFICATE_VERIFY_FAILED": "A private CA is named in redis_url: rediss://HOST?ssl_ca_certs=FILE.",
    "loading": "It reads its data, and answers when it has.",
}
"""Why nobody serves us, by a word of redis-py's or of Redis' own, and what to do about it."""
FAILOVER = "A failover is under way, or the URL leads to a replica."
MOVING = "A slot is moving to another node of the Cluster."
ESCAPES = "In a password, write / # ? [ ] @ as %2F %23 %3F %5B %5D %40."
PLACE = re.compile(r" script: (?:on @|[0-9a-f]{40}\b).*", re.DOTALL)
PASSING = {
    "OutOfMemory": "Its memory is full: raise maxmemory.",
    "OOM": "Its memory is full: raise maxmemory.",
    "ReadOnly": FAILOVER,
    "READONLY": FAILOVER,
    "UNBLOCKED": FAILOVER,
    "MasterDown": FAILOVER,
    "NOREPLICAS": "It wants more replicas than are there.",
    "ClusterDown": FAILOVER,
    "TryAgain": MOVING,
    "AskError": MOVING,
    "MovedError": "A slot is moving, or the URL of a Cluster should begin with redis+cluster://.",
    "MISCONF": "It cannot write to its disk.",
    "BUSY ": "Somebody's script is running for longer than its busy-reply-threshold.",
}
"""Refusals that pass, by a word of redis-py's or of Redis' own, and what to do about them."""


class Packer:
    """Writes commands as redis-py does, which looks through all arguments in Python for buffers; we never send any.

    Half a surrogate, as of a command line that is no UTF-8, becomes a question mark, as `encoding_errors` has it.
    """

    def pack(self, name: str, *args: Any) -> list[bytes]:
        """A command as it goes over the wire."""
        words = (*name.split(), *args)
        try:
            return [pack_command(words)]
        except UnicodeEncodeError:
            words = tuple(word.encode(errors="replace") if isinstance(word, str) else word for word in words)
            return [pack_command(words)]


class Connection(redis.Redis):
    """A client whose errors are ours: RedisUnavailable when Redis is away, StateError when it refuses."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, one attempt; one that a node of a Cluster has sent elsewhere was none."""
        return self._sent(partial(super().execute_command, *args, **options))

    def execute_stored(self, replicas: int, *command: Any) -> Any:
        """One command: its answer, and how many replicas had what it wrote when there were so many or the time was up."""
        return self.execute_together(command, ("WAIT", replicas, STORED_MS), whole=False)

    def execute_together(self, *commands: tuple[Any, ...], whole: bool = True) -> Any:
        """Some commands on one connection, if `whole` all or none of them. Returns their answers."""

        def send() -> Any:
            pipeline: Any = self.pipeline(transaction=whole)
            for command in commands:
                pipeline.execute_command(*command)
            return pipeline.execute()

        return self._sent(send)

    def _sent(self, send: Callable[[], Any]) -> Any:
        try:
            with translated():
                try:
                    return send()
                except redis.exceptions.MovedError as error:
                    if not isinstance(self.connection_pool, SentinelConnectionPool):
                        raise
                    self.connection_pool.sentinel_manager.whereabouts.moved(error)
                    self.connection_pool.disconnect(inuse_connections=False)
                    return send()
        except RedisUnavailable:
            self.connection_pool.disconnect(inuse_connections=False)  # a demoted primary would refuse for ever on them
            raise


def stored(replicas: int, answer: Any, count: int) -> Any:
    """The answer to a command, if enough replicas have what it wrote."""
    if count < replicas:
        raise RedisUnavailable(
            f"Redis has stored it on {count} of {replicas} replicas within {STORED_MS / 1000:g} s: a failover may lose it."
            f" Do it again, that is safe. Are the replicas up, and is replicas_acked right?"
        )
    return answer


def server_ms(client: Connection) -> int:
    """Redis TIME in ms."""
    now: Any = client.time()
    return time_ms(now)


def time_ms(now: tuple[int, int]) -> int:
    """An answer to TIME in ms."""
    whole, micro = now
    return int(whole) * 1000 + int(micro) // 1000


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into ours, each with what to do next. NOSCRIPT passes: redis-py answers it by itself."""
    try:
        yield
    except redis.exceptions.NoScriptError:
        raise
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        denial = denial_in(error)
        if denial is not None:
            raise denied(denial) from error
        words = str(error).rstrip(".")
        advice = next((SILENT[sign] for sign in SILENT if sign in words), "Is it running, and is the URL right?")
        raise RedisSilent(f"Redis does not answer: {words}. {advice}") from error
    except redis.exceptions.RedisError as error:
        if denial_in(error) is not None:
            raise denied(error) from error
        words = said_by(error)
        remedy = next((PASSING[sign] for sign in PASSING if sign in f"{type(error).__name__} {words}"), None)
        if remedy is None:
            raise StateError(f"Redis refused a command: {words}.") from error
        raise RedisUnavailable(f"Redis cannot serve for now: {words}. {remedy}") from error


def denied(error: BaseException) -> RedisDenied:
    """A denial of redis-py's as ours."""
    advice = "Does redis_url hold the right user and password?"
    if not isinstance(error, redis.exceptions.AuthenticationError):
        advice = "Give its user that right, or use one that has it: `fleetpoll acl ROLE` prints what each role needs."
    return RedisDenied(f"Redis denies access: {said_by(error)}. {advice}")


def said_by(error: BaseException) -> str:
    """What Redis said, without the place in a script or a pipeline, which says nothing to users."""
    return PLACE.sub("", str(error)).rpartition("of pipeline caused error: ")[2].rstrip(".")


def connect(url: str, home: str = "") -> Connection:
    """A client for `url`, whose form is told in settings.py. Nothing is sent until the first command.

    In a Cluster it speaks with the primary of the slot of the key `home`. Raises SettingsError for a URL that will not do.
    """
    with refused_urls(url):
        servers, given = servers_of(url), {"retry": Retry(NoBackoff(), 0), "command_packer": Packer(), **options(url)}
        if servers is None:
            client = Connection.from_url(url, **given)
        else:
            seeker = Seeker(Whereabouts(servers, home))
            client = Connection.from_pool(servers.pool(SentinelConnectionPool, seeker, given))
        client.connection_pool.make_connection()  # connects nothing; a wrong option of the URL shows here, not later
    assert isinstance(client, Connection)  # noqa: S101 - from_url is annotated as the base class
    return client


def options(url: str) -> dict[str, Any]:
    """What every connection is opened with, whoever waits for its replies."""
    return {
        "decode_responses": True,
        "encoding_errors": "replace",  # what somebody else has put there is read as far as it goes
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": REPLY_TIMEOUT_S,
        "health_check_interval": 0,
        "max_connections": CONNECTIONS_MAX,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    }


@contextmanager
def refused_urls(url: str) -> Iterator[None]:
    """Raise SettingsError for a URL that redis-py refuses within the block, or that sets what is for us to set."""
    try:
        if not is_several(url):
            urlsplit(url).port  # noqa: B018 - it is read here, so that no message of redis-py's repeats a piece of the password
        given = parse_qs(url.partition("?")[2])
    except ValueError:
        raise SettingsError(f"redis_url will not do: host and port cannot be read. {ESCAPES}") from None
    if ours := OURS.intersection(given):
        raise SettingsError(f"redis_url sets {', '.join(sorted(ours))}, which is for fleetpoll to set: leave it out.")
    for name, file in ((option, file) for option in FILES for file in given.get(option, ())):
        if not os.access(file, os.R_OK):
            raise SettingsError(f"redis_url names a file that cannot be read: {name} = {file!r}.")
    try:
        yield
    except (TypeError, ValueError, redis.exceptions.RedisError) as error:
        raise SettingsError(f"redis_url will not do: {masked(str(error))}") from None

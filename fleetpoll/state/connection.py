"""The one way to open a connection to Redis.

redis-py's own retries are off: it would send an EVALSHA again whose reply was lost, and so claim or spend twice.
Replies are text (`decode_responses`), settled here once. RESP2, because Redis 6.2 and Valkey speak it alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fleetpoll.errors import RedisDenied, RedisUnavailable, SettingsError, StateError
from fleetpoll.text import masked

CONNECT_TIMEOUT_S = 2.0
REPLY_TIMEOUT_S = 5.0

OURS = frozenset(
    {"decode_responses", "encoding", "encoding_errors", "protocol", "retry_on_timeout"}
    | {"socket_timeout", "socket_connect_timeout"}
)
"""Options that everything here relies on."""
FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
SCRIPT_DENIALS = ("ACL failure in script", "The user executing the script can't")
"""How servers deny a command or a key inside a script; from Redis 7.0 on that is no NOPERM."""
DENIALS = (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError)
UNTRUSTED = "A private CA is named in redis_url: rediss://HOST?ssl_ca_certs=FILE."
FAILOVER = "A failover is under way, or the URL leads to a replica."
ESCAPES = "In a password, write / # ? [ ] @ as %2F %23 %3F %5B %5D %40."
PASSING = {
    "OutOfMemory": "Its memory is full: raise maxmemory.",
    "OOM": "Its memory is full: raise maxmemory.",
    "ReadOnly": FAILOVER,
    "READONLY": FAILOVER,
    "UNBLOCKED": FAILOVER,
    "MASTERDOWN": FAILOVER,
    "NOREPLICAS": "It wants more replicas than are there.",
    "CLUSTERDOWN": FAILOVER,
    "TRYAGAIN": FAILOVER,
    "MISCONF": "It cannot write to its disk.",
}
"""Refusals that pass, by a word of redis-py's or of Redis' own, and what to do about them."""


class Connection(redis.Redis):
    """A client whose errors are ours: RedisUnavailable when Redis is away, StateError when it refuses."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, one attempt."""
        with translated():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py has not typed it


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
    except DENIALS as error:
        raise denied(error) from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        if isinstance(error.__cause__, DENIALS):  # at the handshake, asyncio's connection wraps it
            raise denied(error.__cause__) from error
        words = str(error).rstrip(".")
        advice = UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in words else "Is it running, and is the URL right?"
        raise RedisUnavailable(f"Redis does not answer: {words}. {advice}") from error
    except redis.exceptions.RedisError as error:
        if any(sign in str(error) for sign in SCRIPT_DENIALS):
            raise denied(error) from error
        words = said_by(error)
        remedy = next((PASSING[sign] for sign in PASSING if sign in f"{type(error).__name__} {words}"), None)
        if remedy is None:
            raise StateError(f"Redis refused a command: {words}.") from error
        raise RedisUnavailable(f"Redis cannot serve for now: {words}. {remedy}") from error


def denied(error: Exception) -> RedisDenied:
    """A denial of redis-py's as ours."""
    advice = "Does redis_url hold the right user and password?"
    if not isinstance(error, redis.exceptions.AuthenticationError):
        advice = "Give its user that right, or use one that has it: `fleetpoll acl ROLE` prints what each role needs."
    return RedisDenied(f"Redis denies access: {said_by(error)}. {advice}")


def said_by(error: Exception) -> str:
    """What Redis said, without the place in a script or a pipeline, which says nothing to users."""
    return str(error).partition(" script:")[0].rpartition("of pipeline caused error: ")[2].rstrip(".")


def connect(url: str) -> Connection:
    """A client for `url` (redis://, rediss:// or unix://). Nothing is sent until the first command.

    Raises SettingsError for a URL that will not do.
    """
    with refused_urls(url):
        client = Connection.from_url(url, retry=Retry(NoBackoff(), 0), **options(url))
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
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    }


@contextmanager
def refused_urls(url: str) -> Iterator[None]:
    """Raise SettingsError for a URL that redis-py refuses within the block, or that sets what is for us to set."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here, so that no message of redis-py's repeats a piece of the password
        given = parse_qs(parts.query)
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

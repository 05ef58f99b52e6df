"""What a user of Redis may do in a fleet, found by trying: each command in a form that changes nothing.

Redis looks at the rights of a user before it looks at what a command would do. So a command is tried on a key that is never
there, or with an argument that it refuses; an answer that is no denial is a right. `ACL DRYRUN` would tell the same, and
only to those who govern the server. A denial leaves a line in the server's ACL LOG.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoPermissionError

from fleetpoll.errors import RedisDenied
from fleetpoll.state.access import RIGHTS, Role
from fleetpoll.state.connection import translated

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

ABSENT = "nothing"
"""Of the fleet's keys the one that nothing is ever put into."""
ELSEWHERE = re.compile(r"access (?:a|one of the) (?:key|channel)")
"""How Redis says that a command is allowed, but not here."""

UNTRIED = frozenset({"hsetnx", "multi", "select", "subscribe", "unsubscribe"})
"""They have no form that changes nothing; who has the rest of a role has them, too."""
HARMLESS = {
    "cluster|slots": "CLUSTER SLOTS",
    "del": "DEL K",
    "eval": "EVAL return(1) 0",
    "evalsha": "EVALSHA 0000000000000000000000000000000000000000 0",
    "exec": "EXEC",
    "exists": "EXISTS K",
    "get": "GET K",
    "hdel": "HDEL K f",
    "hexists": "HEXISTS K f",
    "hget": "HGET K f",
    "hgetall": "HGETALL K",
    "hincrby": "HINCRBY K f no-number",
    "hkeys": "HKEYS K",
    "hlen": "HLEN K",
    "hmget": "HMGET K f",
    "hscan": "HSCAN K 0",
    "hset": "HSET K f v lonely",
    "info": "INFO server",
    "ping": "PING",
    "publish": "PUBLISH C nothing",
    "script|load": "SCRIPT LOAD return(1)",
    "set": "SET K v NO-OPTION",
    "time": "TIME",
    "wait": "WAIT 0 0",
    "xack": "XACK K g 1-1",
    "xadd": "XADD K NOMKSTREAM * f v",
    "xautoclaim": "XAUTOCLAIM K g c 0 0",
    "xclaim": "XCLAIM K g c 0 1-1",
    "xdel": "XDEL K 1-1",
    "xgroup": "XGROUP DESTROY K g",
    "xinfo": "XINFO STREAM K",
    "xpending": "XPENDING K g",
    "xrange": "XRANGE K - + COUNT 1",
    "xread": "XREAD COUNT 1 STREAMS K 0",
    "xreadgroup": "XREADGROUP GROUP g c COUNT 1 STREAMS K >",
    "xrevrange": "XREVRANGE K + - COUNT 1",
    "xtrim": "XTRIM K MAXLEN 0",
    "zadd": "ZADD K no-number m",
    "zcard": "ZCARD K",
    "zcount": "ZCOUNT K 0 1",
    "zlexcount": "ZLEXCOUNT K - +",
    "zmscore": "ZMSCORE K m",
    "zrange": "ZRANGE K 0 0",
    "zrangebylex": "ZRANGEBYLEX K - +",
    "zrangebyscore": "ZRANGEBYSCORE K 0 1",
    "zrem": "ZREM K m",
    "zrevrange": "ZREVRANGE K 0 0",
    "zscore": "ZSCORE K m",
}
"""Each command as it is tried: K is the key that is never there, C the fleet's channel."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What was denied to whom."""

    user: str | None  # None: who may not even ask for his own name
    denied: frozenset[str]
    elsewhere: bool  # commands are allowed, but not on this fleet's keys or channel

    def missing(self, role: Role) -> frozenset[str]:
        """The commands that a role has and this user has not."""
        return RIGHTS[role].all() & self.denied

    @property
    def roles(self) -> list[Role]:
        """The roles that this user can act as."""
        return [] if self.elsewhere else [role for role in Role if not self.missing(role)]


def try_rights(client: Connection, keys: Keys) -> Tried:
    """Try every command that any role has, in one go. Raises RedisUnavailable."""
    key = keys.pattern.replace("*", ABSENT)
    places = {"K": key, "C": keys.doorbell}
    pipeline: Any = client.pipeline(transaction=False)
    for words in HARMLESS.values():
        pipeline.execute_command(*(places.get(word, word) for word in words.split()))
    with translated():
        answers = pipeline.execute(raise_on_error=False)
    denials = {
        command: str(answer)
        for command, answer in zip(HARMLESS, answers, strict=True)
        if isinstance(answer, NoPermissionError)
    }
    return Tried(who(client), frozenset(denials), any(map(ELSEWHERE.search, denials.values())))


def who(client: Connection) -> str | None:
    """The name of the user; None if it may not be asked for, as none of the roles may."""
    try:
        return str(client.execute_command("ACL", "WHOAMI"))
    except RedisDenied:
        return None

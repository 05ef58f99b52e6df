"""Who may do what in Redis: the rights of each role, as rules of Redis' ACL (6.2 or newer, and Valkey).

A role may touch the keys and the channel of its fleet and no others. Commands inside scripts are checked as well, so the
rights to a script are EVALSHA and the commands that stand in its text. Redis grants commands and keys apart from each
other, not this command on that key: whoever may write one key of the fleet may write all of them, with such commands as
the role has. Hence what each role lacks is what it cannot bring about: a reader has no command that writes; a client has
none that publishes a transition or gives an order (to open jobs again publishes one: that is an operator's); none has one
that looks at another fleet, lists keys, or governs the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from fleetpoll.errors import SettingsError
from fleetpoll.state.keys import Keys
from fleetpoll.state.scripts import source

CALL = re.compile(r"redis\.call\('([A-Z]+)'")
SHA256 = re.compile(r"[0-9a-f]{64}")
HASH_HERE = "SHA256-OF-THE-PASSWORD"
"""Stands where the hash of the password belongs; Redis refuses it, so that no user is made without one."""


class Role(StrEnum):
    """What somebody is to a fleet."""

    READER = "reader"  # status, figures, jobs, events, predictions: changes nothing
    CLIENT = "client"  # track and wait, consumer groups, AWS's calls through the buckets
    RELAY = "relay"  # sends transitions on, and keeps those that cannot be delivered
    OPERATOR = (
        "operator"  # the budget, orders, what is learnt, `track --again`, dead letters; and doctor with all it can tell
    )
    WORKER = "worker"  # claims, settles, beats


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role may do beside what those have that it includes."""

    commands: frozenset[str]
    verbs: frozenset[str] = frozenset()
    includes: Role | None = None

    def all(self) -> frozenset[str]:
        """Every command, those in scripts and of included roles among them, as an ACL names it."""
        inside = {command.lower() for verb in self.verbs for command in CALL.findall(source(verb))}
        return self.commands | inside | (RIGHTS[self.includes].all() if self.includes else CONNECTING)


def words(text: str) -> frozenset[str]:
    """Some words as a set."""
    return frozenset(text.split())


CONNECTING = words("ping select evalsha script|load time cluster|slots")
"""What everybody needs: to connect, to find the node of the fleet in a Cluster, and to run the scripts of the verbs."""

RIGHTS = {
    # `reserve` is no verb of the reader's: asked for no token it only looks, and HMGET is all that it needs then.
    Role.READER: Rights(words("get hget hgetall hlen hmget hscan zcard zcount xread xrange xrevrange xinfo exists")),
    Role.CLIENT: Rights(
        words("eval xack xautoclaim xgroup xreadgroup wait"),  # eval: the verb retire, which is seldom run
        words("track adopt untrack reserve penalize refund retire"),
        Role.READER,
    ),
    # xadd is for dead letters; whoever has it could publish as well, so that a relay is no client.
    Role.RELAY: Rights(words("eval xack xautoclaim xgroup xreadgroup multi exec xadd xtrim"), words("retire"), Role.READER),
    Role.OPERATOR: Rights(words("del set publish info multi exec hdel zrem xdel"), words("reopen steer teach"), Role.CLIENT),
    Role.WORKER: Rights(
        words("subscribe unsubscribe hexists hgetall hmget hscan zscore"),
        words("beat claim penalize refund release reserve sample settle sweep trouble")
        | words("adopt disband follow untrack"),  # arrays whose children are followed
    ),
}


def user_name(role: Role, fleet: str) -> str:
    """What the user of a role in a fleet is called, if nobody says otherwise."""
    return f"{fleet}.{role}"


def rules(role: Role, fleet: str, sha256: str = HASH_HERE, others: Sequence[str] = ()) -> list[str]:
    """The words of the ACL for a role: the user is made anew, may log in by the hashed password, and has these rights alone.

    It has them in `others`, too, as workers need that serve several fleets. Raises SettingsError for what is no SHA-256.
    """
    if sha256 != HASH_HERE and not SHA256.fullmatch(sha256):
        raise SettingsError("A SHA-256 is 64 hexadecimal digits in lower case.")
    fleets = [Keys(name) for name in (fleet, *others)]
    rights = sorted(RIGHTS[role].all())
    who = ["reset", "on", f"#{sha256}"]
    where = [f"~{keys.pattern}" for keys in fleets] + ["resetchannels"] + [f"&{keys.doorbell}" for keys in fleets]
    return [*who, *where, "-@all", *(f"+{command}" for command in rights)]


def url_of(user: str) -> str:
    """How redis_url names the user: its odd signs are escaped there."""
    return f"redis://{quote(user, safe='')}:PASSWORD@HOST:6379/0"

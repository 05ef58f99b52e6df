"""The Lua verbs: loaded from `lua/*.lua`, run by EVALSHA.

EVALSHA names a script by its content, so two releases run side by side during a rolling deploy.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import NoScriptError

from fleetpoll.errors import RedisUnavailable, StateError
from fleetpoll.state.connection import stored

if TYPE_CHECKING:
    from redis.commands.core import Script

    from fleetpoll.state.connection import Connection

VERBS = (
    *(
        "adopt",
        "beat",
        "claim",
        "disband",
        "follow",
        "penalize",
        "refund",
        "release",
        "reopen",
        "reserve",
        "retire",
        "sample",
        "settle",
        "steer",
        "sweep",
        "teach",
        "track",
        "trouble",
        "untrack",
    ),
)
LAW, LEARN, BROOD, SLEEP, COUNT, LAPSE = "law", "learn", "brood", "sleep", "count", "lapse"
HEADS = {
    **dict.fromkeys(("penalize", "refund", "reserve", "steer"), (LAW,)),
    **dict.fromkeys(("disband", "follow"), (BROOD,)),
    "settle": (LEARN, SLEEP, COUNT),
    "claim": (LAPSE,),
}
"""What some verbs begin with: what a bucket is, and at which rate it refills; how dwell times are learnt;
how the children of an array are woken, and which of them sleep; what is counted, and which leases ran out."""
REPEATABLE = frozenset(
    {"penalize", "release", "settle", "steer", "sweep", "teach", "track", "trouble", "untrack"}
    | {"adopt", "disband", "follow", "reopen", "sample"}
)
"""Verbs that are idempotent or fenced: a lost reply is answered by asking again. A token would be taken twice;
a claim is made anew by whoever is ready for it, and gives back what was lost. A throttle that is told twice counts twice
as long as it cuts nothing, and after a cut it is an older event.
A beat is not among them, because the next one comes anyway."""
ATTEMPTS = 3
PAUSE_S = 0.1

IDS_PER_SCRIPT = 500
"""How many ids one script call carries: long enough to be cheap, short enough not to hold Redis up."""

Argument = str | int | float


def source(verb: str) -> str:
    """The text of a verb's script, with its heads in front if it has any."""
    return "".join(text(name) for name in (*HEADS.get(verb, ()), verb))


def text(name: str) -> str:
    """The text of one file of lua/."""
    return (resources.files("fleetpoll.state") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def chunks(ids: Iterable[str], size: int = IDS_PER_SCRIPT) -> Iterator[list[str]]:
    """The ids in lists of `size`, the last one shorter."""
    rest = iter(ids)
    while chunk := list(islice(rest, size)):
        yield chunk


class Told(NamedTuple):
    """What a verb answered, and whether it had been run before by a call whose answer was lost."""

    answer: Any
    repeated: bool


class Scripts:
    """The verbs, bound to one connection."""

    def __init__(self, client: Connection) -> None:
        self._client = client
        self._scripts: dict[str, Script] = {verb: client.register_script(source(verb)) for verb in VERBS}

    def run(self, verb: str, keys: Sequence[str], args: Sequence[Argument], *, replicas: int = 0) -> Any:
        """Run a verb once, or, where that is harmless, up to three times while Redis is unavailable.

        Returns when so many `replicas` have what it wrote. Raises RedisUnavailable or StateError.
        """
        return self.tell(verb, keys, args, replicas=replicas).answer

    def tell(self, verb: str, keys: Sequence[str], args: Sequence[Argument], *, replicas: int = 0) -> Told:
        """Run a verb as `run` does, and tell whether this may not have been the first time."""
        attempts = ATTEMPTS if verb in REPEATABLE else 1
        for attempt in range(1, attempts + 1):
            try:
                script = self._scripts[verb]
                answer = self._stored(script, keys, args, replicas) if replicas else script(keys=keys, args=args)
            except NoScriptError as error:  # redis-py has just loaded it: somebody flushes scripts all the time
                raise StateError(f"Redis does not keep the script of {verb}: {error}") from error
            except RedisUnavailable:
                if attempt == attempts:
                    raise
                time.sleep(PAUSE_S * attempt * random.uniform(0.5, 1.5))
            else:
                return Told(stored(replicas, *answer) if replicas else answer, attempt > 1)
        raise AssertionError("unreachable")

    def _stored(self, script: Script, keys: Sequence[str], args: Sequence[Argument], replicas: int) -> Any:
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        try:
            return self._client.execute_stored(replicas, *command)
        except NoScriptError:
            self._client.script_load(script.script)
            return self._client.execute_stored(replicas, *command)

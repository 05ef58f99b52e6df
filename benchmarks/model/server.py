"""A server in this process that runs the bucket's own Lua scripts in virtual time.

It stands in for `fleetpoll.state.scripts.Scripts` and for the connection, so that the real FleetBucket runs on it: what is
measured here is the law that the fleet obeys, not a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

from fleetpoll.forecast.loop import Loop
from fleetpoll.state.allowance import Allowance
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.scripts import Argument, source

KEY = "bucket"
EPOCH_US = 1_800_000_000_000_000
"""Where virtual time begins on the server's clock: stamps must look like a real one's."""
REDIS = Path(__file__).with_name("redis.lua")


class Server:
    """Hashes in memory, and the verbs. TIME is the loop's; `heard` is told what scripts publish."""

    def __init__(self, loop: Loop, heard: Callable[[str, str], None] | None = None) -> None:
        self._loop = loop
        self._lua = LuaRuntime()
        self._run, self._command, hear = self._lua.execute(REDIS.read_text(encoding="utf-8"))
        self._compiled: dict[str, Any] = {}
        hear(heard)

    def clock_us(self) -> int:
        """The time as TIME has it."""
        return EPOCH_US + round(self._loop.now_s * 1e6)

    def run(self, verb: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run a verb, as `Scripts.run` does."""
        script = self._compiled.get(verb)
        if script is None:
            script = self._compiled[verb] = self._lua.compile(source(verb))
        words = [word if isinstance(word, str) else repr(word) for word in args]  # as redis-py writes numbers
        return _plain(self._run(script, self.clock_us(), len(keys), *keys, *words))

    def command(self, name: str, *words: Argument) -> Any:
        """Run one Redis command."""
        return _plain(self._command(self.clock_us(), name, *(str(word) for word in words)))

    def hgetall(self, key: str) -> dict[str, str]:
        """All fields of a hash."""
        flat = self.command("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def hset(self, key: str, field: str, value: Argument) -> int:
        """Set a field of a hash."""
        return int(self.command("HSET", key, field, value))

    def hdel(self, key: str, *fields: str) -> int:
        """Remove fields of a hash."""
        return int(self.command("HDEL", key, *fields))

    def delete(self, key: str) -> int:
        """Remove a key."""
        return int(self.command("DEL", key))

    def bucket(self, allowance: Allowance, key: str = KEY) -> FleetBucket:
        """The real bucket of one process of workers, on this server."""
        here: Any = self
        return FleetBucket(here, here, key, allowance, lambda: self._loop.now_s, worker=True)


def _plain(answer: tuple[Any, ...]) -> Any:
    """What redis-py would have made of the reply."""
    length, value, *items = answer
    return value if length < 0 else items

"""What the server says of its own time: the longest run of each script, and how long single calls took."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.settling import trimmed
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.scripts import VERBS, source

LOGGED_US = 100
"""What is shorter is not worth a line of the slow log, and never the longest."""
LOG_LENGTH = 20_000


class Witness:
    """Reads the slow log and the command statistics of one server."""

    def __init__(self, rooms: Rooms) -> None:
        self._client: Any = rooms.client
        self._client.config_set("slowlog-max-len", LOG_LENGTH)
        self._client.config_set("slowlog-log-slower-than", LOGGED_US)
        self._verbs = {rooms.client.register_script(source(verb)).sha: verb for verb in VERBS}
        self.runs_us: dict[str, list[int]] = {verb: [] for verb in VERBS}

    def look(self) -> None:
        """Note the runs of scripts since the last look."""
        for entry in self._client.slowlog_get(LOG_LENGTH):
            command = entry["command"]
            words = (command.decode() if isinstance(command, bytes) else command).split(" ")
            verb = self._verbs.get(words[1]) if words[0].upper() == "EVALSHA" else None
            if verb:
                self.runs_us[verb].append(int(entry["duration"]))
        self._client.slowlog_reset()

    def spent_us(self, call: Callable[[], object]) -> int:
        """The server's microseconds for the scripts of one call."""
        before = self._scripts_us()
        call()
        return self._scripts_us() - before

    def _scripts_us(self) -> int:
        stats = self._client.info("commandstats").get("cmdstat_evalsha")
        return int(stats["usec"]) if stats else 0

    def bytes_used(self, stream: str) -> int:
        """The server's memory, without that of the stream, whose length is a setting, and of the slow log, which we read."""
        self.look()
        return int(self._client.info("memory")["used_memory"]) - int(self._client.memory_usage(stream) or 0)


def mean(values: Iterable[int]) -> float:
    """Without the extremes."""
    return trimmed(iter(values))

"""A supervisor's pulse: a file that it stamps while its loop turns, for those who ask on the same host without Redis.

Kubernetes and the like kill what is not alive, and a worker is alive while Redis is away: it waits, and goes on by itself.
So what says that it lives must not depend on Redis. One file for each supervisor, named by its process id and by whose id
that is: the containers of a pod share /dev/shm, and in each of them the supervisor may be number 1. It is in the first
directory that takes it: a container may have a root that cannot be written. Stamps are monotonic time, which all processes
of a host share and nobody sets.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleetpoll.clock import Mono, system_mono
from fleetpoll.text import bounded

BASES = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - owner and mode are checked
"""None is ever on a network. Neither $TMPDIR nor $XDG_RUNTIME_DIR: a shell, a unit and a cron job have others."""
NAMESPACE = Path("/proc/self/ns/pid")

EVERY_S = 1.0
"""How often a supervisor stamps."""
STALE_S = 30.0
"""From here on its loop stands still: a tick is half a second, a look at its pollers milliseconds."""
NAMES_MAX = 80
FORGOTTEN_S = 86_400.0
"""What another container has not stamped for so long, nobody will."""
NAME = re.compile(r"^([0-9]{1,10})-([0-9]{1,20})\.pulse$")


@dataclass(frozen=True, slots=True)
class Felt:
    """The pulse of a supervisor that is there, and how old its last stamp is."""

    pid: int
    age_s: float

    @property
    def alive(self) -> bool:
        """Whether its loop turns."""
        return -EVERY_S < self.age_s <= STALE_S  # a stamp is rounded; one far ahead is of before the host's last start


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a probe, and why, in a line."""

    good: bool
    words: str


class Pulse:
    """The stamps of this process, which serves these fleets. Where no directory takes them there are none."""

    def __init__(self, fleets: Iterable[str], mono: Mono = system_mono) -> None:
        self._fleets, self._mono, self._next = " ".join(fleets), mono, 0.0
        self._file: Path | None = None

    def beat(self) -> None:
        """Stamp, unless that was a moment ago. A directory that is full, or gone as after a logout, is left for another."""
        now = self._mono()
        if now < self._next:
            return
        self._next, stamp = now + EVERY_S, f"{now:.3f} {self._fleets}\n"
        if self._file is None or not stamped(self._file, stamp):
            self._file = next((file for file in map(begun, directories()) if file and stamped(file, stamp)), None)

    def end(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def feel(fleets: Collection[str], mono: Mono = system_mono) -> list[Felt]:
    """The supervisors of this user on this host, or in this container, that serve any of these fleets."""
    found: dict[int, Felt] = {}
    for directory in directories():
        for pid, file in pulses(directory):
            with suppress(OSError, ValueError):
                stamp, *serves = file.read_text().split()
                if not set(fleets).isdisjoint(serves) and not (pid in found and found[pid].alive):
                    found[pid] = Felt(pid, mono() - float(stamp))
    return [felt for pid, felt in sorted(found.items()) if exists(pid)]


def living(fleets: Collection[str]) -> Verdict:
    """Whether a supervisor of this host turns. One that stands still counts if there is no other: it may be long dead."""
    felt = feel(fleets)
    if not felt:
        words = (
            f"no worker for {bounded(', '.join(fleets), NAMES_MAX)} runs here: start it by fleetpoll worker, as this user"
        )
        return Verdict(good=False, words=words)
    alive = [one for one in felt if one.alive]
    if not alive:
        words = f"the supervisor with pid {felt[0].pid} stands still: no sign of life for more than {STALE_S:g} s"
        return Verdict(good=False, words=words)
    return Verdict(good=True, words=f"the supervisor lives (pid {', '.join(str(one.pid) for one in alive)})")


def directories() -> list[Path]:
    """Where pulses may be, in the order in which they are tried."""
    return [base / f"fleetpoll-{os.geteuid()}" for base in BASES]


def namespace() -> int:
    """Among which processes ids are ours: a container has ids of its own. 0 where the system does not tell."""
    try:
        return NAMESPACE.stat().st_ino
    except OSError:
        return 0


def begun(directory: Path) -> Path | None:
    """The file for this process, if the directory is ours alone and takes it; what the dead have left there is removed."""
    file = directory / f"{os.getpid()}-{namespace()}.pulse"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if not private(directory):
            return None
        for pid, left in pulses(directory):
            if not exists(pid):
                left.unlink(missing_ok=True)
        for left in abandoned(directory):
            left.unlink(missing_ok=True)
    except OSError:
        return None
    return file


def stamped(file: Path, stamp: str) -> bool:
    """Whether the file takes a stamp: all of it at once, for those who read."""
    draft = file.with_suffix(".draft")
    try:
        draft.write_text(stamp)
        draft.replace(file)
    except OSError:
        return False
    return True


def pulses(directory: Path) -> Iterator[tuple[int, Path]]:
    """The files of a directory that are pulses, with whose they are; none of a directory that is not ours alone."""
    ours = namespace()
    with suppress(OSError):
        if private(directory):
            for file in directory.iterdir():
                if (match := NAME.match(file.name)) and int(match[2]) == ours:
                    yield int(match[1]), file


def abandoned(directory: Path) -> list[Path]:
    """The files of containers that are long gone. Raises OSError."""
    pulses_of_all = [file for file in directory.iterdir() if NAME.match(file.name)]
    return [file for file in pulses_of_all if file.stat().st_mtime < time.time() - FORGOTTEN_S]


def private(directory: Path) -> bool:
    """Whether nobody else can put anything there. Raises OSError if it is not there."""
    found = directory.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def exists(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

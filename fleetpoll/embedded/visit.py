"""What can be told of an embedded server by looking at its directory, without starting or joining it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleetpoll.embedded.binary import find_server
from fleetpoll.embedded.home import Home, default_state_home, open_home

LOCKS = Path("/proc/locks")
"""Linux tells there who holds which lock."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's data are, how much they are and could be, and which processes use the server (None: not told)."""

    directory: Path
    socket: Path
    size: int  # bytes
    free: int  # bytes of its disk
    users: tuple[int, ...] | None


def visit(server: str | None, state_home: str | None) -> Place:
    """Look at the directory of the server that these settings lead to. Raises EmbeddedError."""
    binary = find_server(server, os.environ.get("PATH", os.defpath))
    home = open_home(Path(state_home) if state_home else default_state_home(), binary.flavour)
    free = shutil.disk_usage(home.directory).free
    return Place(home.directory, home.socket, size_of(home.directory), free, users_of(home))


def size_of(directory: Path) -> int:
    """How many bytes the files below a directory have; some may go while we look."""
    size = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            with suppress(OSError):
                size += Path(folder, name).lstat().st_size
    return size


def users_of(home: Home) -> tuple[int, ...] | None:
    """The processes that hold the lock of users, as far as the system tells."""
    try:
        inode = home.users_lock.stat().st_ino
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return None
    held = [line.split() for line in lines if "FLOCK" in line and "->" not in line]
    return tuple(sorted({int(words[4]) for words in held if words[5].rpartition(":")[2] == str(inode)}))

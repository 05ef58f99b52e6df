"""The private directory of one embedded server, and where its socket is.

Whoever can enter the directory can read and write all data without a password, so it must be ours and closed to others;
when it is not, we refuse and say what to do, and never change the mode of something that we did not make.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fleetpoll.embedded.keeper import LOG, PID, SOCKET, USERS_LOCK
from fleetpoll.errors import EmbeddedError

_SOCKET_PATH_MAX = 100  # bytes; the systems' own limits are 103 (macOS) and 107 (Linux)
_KEEPER_LOCK = "keeper.lock"


@dataclass(frozen=True, slots=True)
class Home:
    """One server's directory. Its lock files are never deleted: a lock on a deleted file locks nobody out."""

    directory: Path
    socket: Path

    @property
    def users_lock(self) -> Path:
        """Held shared by everyone who uses the server, exclusively by the keeper while it stops the server."""
        return self.directory / USERS_LOCK

    @property
    def keeper_lock(self) -> Path:
        """Held by the one keeper, from before it is started until it is gone."""
        return self.directory / _KEEPER_LOCK

    @property
    def keeper_pid(self) -> Path:
        """There once the present keeper's server has answered; without it, what answers may be a server that is dying."""
        return self.directory / PID

    @property
    def log(self) -> Path:
        """What the server and its keeper have said."""
        return self.directory / LOG

    @property
    def url(self) -> str:
        """The server's address, as redis-py takes it."""
        return f"unix://{quote(str(self.socket))}?db=0"

    def make_socket_directory(self) -> None:
        """Make the directory of the socket if it is not the data directory. Only the owner of keeper.lock may."""
        if self.socket.parent != self.directory:
            _make_private(self.socket.parent)


def default_state_home() -> Path:
    """$XDG_STATE_HOME if it is an absolute path, as the XDG specification demands, else ~/.local/state."""
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    return configured if configured.is_absolute() else Path.home() / ".local" / "state"


def open_home(state_home: Path, flavour: str) -> Home:
    """The private directory for servers of this flavour, made if it is not there."""
    base = state_home.expanduser().absolute()
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{base} cannot be made: {error}. {_ADVICE}") from error
    # Resolved, so that every process derives the same socket path however it spells the way to the directory.
    directory = base.resolve() / "fleetpoll" / flavour
    _make_private(directory.parent)
    _make_private(directory)
    return Home(directory, _socket_path(directory))


def _socket_path(directory: Path) -> Path:
    """In the directory if the path is short enough for a socket, else in a private directory of its own.

    /tmp and not $TMPDIR or $XDG_RUNTIME_DIR: those differ between a shell and a cron job, which must meet here.
    """
    inside = directory / SOCKET
    if len(os.fsencode(inside)) <= _SOCKET_PATH_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path("/tmp", f"fleetpoll-{os.geteuid()}-{name}", SOCKET)  # noqa: S108 - owner and mode are checked


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()  # not stat: a link that somebody else planted must not pass for our directory
    except OSError as error:
        raise EmbeddedError(f"{directory} cannot be used for the embedded server: {error}. {_ADVICE}") from error
    if found.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{directory} belongs to user {found.st_uid}, but this is user {os.geteuid()}; "
            f"the embedded server is never shared between users. {_ADVICE}"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise EmbeddedError(
            f"{directory} is open to other users (mode {stat.S_IMODE(found.st_mode):o}), so its data would be, too; "
            f"close it with `chmod 700 {directory}`."
        )


_ADVICE = "Set FLEETPOLL_STATE_HOME to a directory of your own, or FLEETPOLL_REDIS_URL to a Redis that already runs."

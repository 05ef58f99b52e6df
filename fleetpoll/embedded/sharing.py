"""The door to the embedded server: `with join(...) as url:` starts it or joins it, and lets it go.

Any number of processes may stand in the door at once; keeper.py says how they, the keeper and the server find out about
each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpoll.embedded.binary import find_server
from fleetpoll.embedded.home import default_state_home, open_home
from fleetpoll.embedded.keeper import ask, try_lock
from fleetpoll.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpoll.embedded.binary import ServerBinary
    from fleetpoll.embedded.home import Home

_START_S = 60.0  # much, because loading the data is part of it; a start that fails is noticed at once
_ENTER_S = 60.0  # longer than a keeper takes to stop a server
_POLL_S = 0.02
_LOG_LINES = 12
_KEEPER = Path(__file__).with_name("keeper.py")
# A keeper outlives the command that starts it: it gets what programs need to run, and no credentials.
_KEEPER_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@contextlib.contextmanager
def join(server: str | None, state_home: Path | None, linger_s: float = 10.0) -> Iterator[str]:
    """Use the embedded server: start it if nobody uses it yet, give its URL, let it go `linger_s` after the last user.

    A user that dies counts as gone. A child made by a plain fork is a user of its own and may outlive its parent.
    """
    binary = find_server(server, os.environ.get("PATH", os.defpath))
    home = open_home(state_home or default_state_home(), binary.flavour)
    with _entered(home):
        _await_server(home, binary, linger_s)
        yield home.url


@contextlib.contextmanager
def _entered(home: Home) -> Iterator[None]:
    """Be counted as a user. Waits while a keeper is stopping the server: it will be started again, not joined."""
    with _opened(home.users_lock) as door:
        deadline = time.monotonic() + _ENTER_S
        while not try_lock(door, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                raise _trouble(home, f"The embedded server is stopping and has not stopped for {_ENTER_S:.0f} s.")
            time.sleep(_POLL_S)
        yield


def _await_server(home: Home, binary: ServerBinary, linger_s: float) -> None:
    """Return when the present keeper's server answers. Start that keeper if there is none."""
    started = False
    deadline = time.monotonic() + _START_S
    while True:
        with _opened(home.keeper_lock) as lock:
            if try_lock(lock, fcntl.LOCK_EX):
                if started:  # we are inside, so it cannot have left for lack of users
                    raise _trouble(home, "The embedded server could not be started.")
                _start_keeper(home, binary, linger_s, lock)
                started = True
        # A server whose keeper was killed still answers for a moment; without the pid file its answer does not count.
        if home.keeper_pid.exists() and ask(str(home.socket), "PING") == "+PONG":
            return
        if time.monotonic() > deadline:
            raise _trouble(home, f"The embedded server has not answered for {_START_S:.0f} s.")
        time.sleep(_POLL_S)


def _start_keeper(home: Home, binary: ServerBinary, linger_s: float, lock: int) -> None:
    home.keeper_pid.unlink(missing_ok=True)
    home.make_socket_directory()
    words = [str(home.directory), str(binary.path), str(home.socket), str(linger_s)]
    environment = {name: os.environ[name] for name in _KEEPER_ENVIRONMENT if name in os.environ}
    with _opened(home.log, os.O_APPEND) as log:
        result = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", _KEEPER, *words],  # -S: it needs no site-packages, and starts faster
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),  # keeper.lock goes over to the keeper and is never free in between
            start_new_session=True,  # Ctrl-C in our terminal is not meant for a server that others use
            cwd=home.directory,
            env=environment | {"LC_ALL": "C"},  # a locale that is not installed stops some servers from starting
            check=False,
        )
    if result.returncode != 0:
        raise _trouble(home, "The keeper of the embedded server could not be started.")


@contextlib.contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    """An open file. Closed, never unlocked: unlocking would take the lock from a process that inherited it, too."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be opened: {error}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _trouble(home: Home, sentence: str) -> EmbeddedError:
    """The error with what the server said last: the reason is almost always there."""
    try:
        lines = home.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        lines = []
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return EmbeddedError(f"{sentence} The last lines of {home.log}:\n{said}")

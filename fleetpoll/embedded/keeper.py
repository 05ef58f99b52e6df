"""The process that looks after one embedded server: starts it, revives it, and stops it when nobody uses it.

Run as a file by an isolated interpreter, so it imports the standard library and nothing else. It outlives the command
that started it. Locks, not pids, say who is alive, since the kernel lets go of a killed process's locks:

users.lock    shared by users. Whoever gets it exclusively knows that there are none and that none can come.
keeper.lock   taken by the user who starts the keeper, and inherited by it: there is no moment without an owner.
server.lock   taken by the keeper and inherited by the server, so it is held as long as either of them lives, and
              the next keeper cannot put a second server on the directory while a killed keeper's is still closing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

USERS_LOCK = "users.lock"
SERVER_LOCK = "server.lock"
PID = "keeper.pid"
SERVER_PID = "server.pid"
SOCKET = "redis.sock"
LOG = "server.log"

_TICK_S = 0.05
_FIRST_TICK_S = 0.01  # until the server answers, when somebody waits for it
_TAKE_OVER_S = 40.0  # less than users wait for the server: the reason must be in the log when they give up
_STOP_S = 20.0  # then SIGKILL; what was written is in the kernel's hands by then, so nothing is lost
_BACK_OFF_MIN_S = 0.05
_BACK_OFF_MAX_S = 5.0
_STEADY_S = 10.0  # a server that lived this long is restarted without delay
_PING_TIMEOUT_S = 1.0
_PR_SET_PDEATHSIG = 1


def ask(path: str, *command: str) -> str:
    """The first line of the server's answer to one command, or '' if it does not answer."""
    request = f"*{len(command)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in command)
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PING_TIMEOUT_S)
        connection.connect(path)
        connection.sendall(request.encode())
        return connection.recv(512).decode(errors="replace").partition("\r\n")[0]
    return ""


def try_lock(descriptor: int, mode: int) -> bool:
    """Whether the lock was had at once."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Server:
    """The one server process on the directory, alive or between two lives."""

    def __init__(self, directory: Path, program: str, socket_path: str, lock: int) -> None:
        self._directory = directory
        self._program = program
        self._socket_path = socket_path
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._back_off_s = _BACK_OFF_MIN_S
        self.answered = False

    def start(self) -> None:
        """Start the process, in a way that it dies with this one."""
        Path(self._socket_path).unlink(missing_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - the user's own choice of a server
            self._command(),
            stdin=subprocess.DEVNULL,
            pass_fds=(self._lock,),
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has no threads
        )
        self._started_at = time.monotonic()
        (self._directory / SERVER_PID).write_text(f"{self._process.pid}\n")

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": self._socket_path,
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "logfile": str(self._directory / LOG),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [self._program, *(word for name, value in options.items() for word in (f"--{name}", value))]

    def look(self) -> bool:
        """One look: notice an answer or a death, restart when it is time. False: it never worked and never will."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._restart_at:
                self.start()
        elif (code := self._process.poll()) is not None:
            self._process = None
            if not self.answered:
                _say(f"the server ended with code {code} before it answered")
                return False
            self._plan_restart(now, code)
        elif not self.answered:
            self.answered = ask(self._socket_path, "PING") == "+PONG"
        return True

    def _plan_restart(self, now: float, code: int) -> None:
        steady = now - self._started_at >= _STEADY_S
        self._back_off_s = _BACK_OFF_MIN_S if steady else min(self._back_off_s * 2, _BACK_OFF_MAX_S)
        self._restart_at = now + self._back_off_s
        _say(f"the server ended with code {code}; it is started again in {self._back_off_s:.1f} s")

    def stop(self) -> None:
        """End the process, cleanly if it lets itself be ended cleanly, and remove what it leaves."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                _say(f"the server did not stop within {_STOP_S:.0f} s and is killed")
                self._process.kill()
                self._process.wait()
        Path(self._socket_path).unlink(missing_ok=True)
        (self._directory / SERVER_PID).unlink(missing_ok=True)
        if Path(self._socket_path).parent != self._directory:
            with contextlib.suppress(OSError):
                Path(self._socket_path).parent.rmdir()


class Keeper:
    """Keeps a server while there are users, and `linger_s` longer: the next command is often seconds away."""

    def __init__(self, server: Server, pid_file: Path, users_lock: int, linger_s: float) -> None:
        self._server = server
        self._pid_file = pid_file
        self._users_lock = users_lock
        self._linger_s = linger_s
        self._idle_since: float | None = None
        self.stop_asked = False

    def run(self) -> int:
        """Keep the server until it is not needed (0) or was never able to start (1)."""
        while not self.stop_asked and not self._unneeded():
            answered_before = self._server.answered
            if not self._server.look():
                return 1
            if self._server.answered and not answered_before:
                # Users take its answers for ours from here on; and if it dies now, it is restarted, not given up.
                self._pid_file.write_text(f"{os.getpid()}\n")
            time.sleep(_TICK_S if self._server.answered else _FIRST_TICK_S)
        return 0

    def _unneeded(self) -> bool:
        """Whether nobody has used the server for `linger_s`. If so the door stays shut: users.lock is kept."""
        if not try_lock(self._users_lock, fcntl.LOCK_EX):
            self._idle_since = None
            return False
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since >= self._linger_s:
            return True
        fcntl.flock(self._users_lock, fcntl.LOCK_UN)
        return False


def _die_with(parent: int) -> Callable[[], None]:
    """A function for the new process: SIGTERM me when my parent dies. Only Linux knows how."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # looked up here: between fork and exec less can go wrong

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before prctl
            os._exit(1)

    return prepare


def _take_over(lock: int, socket_path: str) -> bool:
    """Wait until a killed keeper's server is gone; and ask it to go, for only Linux tells it that its keeper died."""
    deadline = time.monotonic() + _TAKE_OVER_S
    while not try_lock(lock, fcntl.LOCK_EX):
        ask(socket_path, "SHUTDOWN")
        if time.monotonic() > deadline:
            _say("an older server still runs on this directory and does not stop")
            return False
        time.sleep(_TICK_S)
    return True


def _say(message: str) -> None:
    sys.stderr.write(f"keeper {os.getpid()}: {message}\n")


def main(arguments: list[str]) -> int:
    """Keep a server on a directory; keeper.lock is already held, through a descriptor that this process inherited."""
    folder, program, socket_path, linger_s = arguments
    if os.fork():  # the user who started us waits for this half only, and never has a child that it did not expect
        return 0
    directory = Path(folder)
    server_lock = os.open(directory / SERVER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    users_lock = os.open(directory / USERS_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not _take_over(server_lock, socket_path):
        return 1
    server = Server(directory, program, socket_path, server_lock)
    keeper = Keeper(server, directory / PID, users_lock, float(linger_s))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(keeper, "stop_asked", True))
    try:
        server.start()
        return keeper.run()
    finally:
        (directory / PID).unlink(missing_ok=True)  # first: from here on nobody may join this server
        server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

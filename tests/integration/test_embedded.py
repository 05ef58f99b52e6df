"""The embedded server with real servers, real processes and real kills."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from fleetpoll.embedded.binary import find_server
from fleetpoll.embedded.home import Home, open_home
from fleetpoll.embedded.sharing import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
VENV_BIN = Path(sys.prefix, "bin").resolve()
OUTSIDE = os.pathsep.join(f for f in os.environ.get("PATH", "").split(os.pathsep) if Path(f).resolve() != VENV_BIN)
SECOND = shutil.which("redis-server", path=OUTSIDE)  # another flavour, on machines that have one
USER = """
import sys
from pathlib import Path
from fleetpoll.embedded.sharing import join
with join(sys.argv[2] or None, Path(sys.argv[1]), float(sys.argv[3])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class Site:
    """One state home, and the server that is used in it."""

    def __init__(self, state_home: Path, server: str | None) -> None:
        self.state_home = state_home
        self.server = server

    @property
    def home(self) -> Home:
        """Where the server's files are."""
        return open_home(self.state_home, find_server(self.server, "").flavour)

    def pid(self, name: str) -> int:
        """The server's or the keeper's process, by its pid file."""
        return int((self.home.directory / f"{name}.pid").read_text())

    def join(self, linger_s: float = 0.0) -> contextlib.AbstractContextManager[str]:
        """Use the server from this process."""
        return join(self.server, self.state_home, linger_s)

    def user(self) -> subprocess.Popen[str]:
        """Use the server from a new process, until its stdin is closed; it prints the URL."""
        words = [sys.executable, "-c", USER, str(self.state_home), self.server or "", "0"]
        return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def is_gone(self) -> bool:
        """Whether there is no keeper, no server and no socket."""
        locks = (self.home.keeper_lock, self.home.directory / "server.lock")
        return all(is_free(lock) for lock in locks) and not self.home.socket.exists()


@pytest.fixture(params=[None, SECOND] if SECOND else [None], ids=lambda server: "on-path" if server else "bundled")
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A place for one embedded server, which must be gone at the end."""
    here = Site(tmp_path, request.param)
    yield here
    wait_until(here.is_gone)


def is_free(lock: Path) -> bool:
    """Whether no process holds the lock."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_ended(pid: int) -> bool:
    """Whether the process does nothing any more; an init that is slow to bury it does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path("/proc", str(pid), "stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def wait_until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Return as soon as the condition holds; fail if that takes too long."""
    pause, deadline = threading.Event(), time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.02)


def ask(url: str, *command: str) -> Any:
    """The server's answer, over a connection of its own."""
    with contextlib.closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]


def says(url: str, expected: object, *command: str) -> bool:
    """Whether the server is there and answers this."""
    with contextlib.suppress(redis.ConnectionError):
        return bool(ask(url, *command) == expected)
    return False


def test_two_users_share_one_server(site: Site) -> None:
    """A second join gets the same URL and sees the first one's data, and the server outlives the first leave."""
    with site.join() as second:
        with site.join() as first:
            ask(first, "SET", "k", "v")
        assert first == second
        assert ask(second, "GET", "k") == "v"


def test_data_survive_the_last_leave(site: Site) -> None:
    """With no linger the server is gone after the last leave, and the data are there at the next join."""
    with site.join() as url:
        ask(url, "SET", "k", "v")
        processes = site.pid("server"), site.pid("keeper")
    wait_until(site.is_gone)
    for pid in processes:
        wait_until(functools.partial(is_ended, pid))
    with site.join() as url:
        assert ask(url, "GET", "k") == "v"


def test_rejoining_at_the_moment_of_stopping_loses_nothing(site: Site) -> None:
    """Leaving and joining again at once, over and over, always finds a server with all that was written."""
    for count in range(12):
        with site.join() as url:
            assert ask(url, "INCR", "n") == count + 1
        threading.Event().wait(0.05 * (count % 3))  # before, during and after the keeper's farewell


def test_a_server_lingers(site: Site) -> None:
    """Within the linger time the next user finds the same server process still running."""
    with site.join(linger_s=3.0):
        first = site.pid("server")
    threading.Event().wait(0.3)
    with site.join(linger_s=3.0):
        assert site.pid("server") == first


def test_a_killed_user_counts_as_gone(site: Site) -> None:
    """The server goes away after its only user is killed, though the user could not say good-bye."""
    with site.user() as user:
        assert user.stdout is not None
        assert user.stdout.readline().startswith("unix://")
        user.kill()
    wait_until(site.is_gone)


def test_a_killed_server_comes_back_with_its_data(site: Site) -> None:
    """The keeper restarts a server that was killed under its users, twice, and acknowledged writes are there."""
    with site.join() as url:
        for count in (1, 2):
            ask(url, "SET", "k", str(count))
            killed = site.pid("server")
            os.kill(killed, signal.SIGKILL)
            wait_until(functools.partial(says, url, str(count), "GET", "k"))
            assert site.pid("server") != killed


def test_a_killed_keeper_takes_the_server_with_it(site: Site) -> None:
    """A join right after the keeper was killed waits for the old server to close and starts another one on its data."""
    with site.join() as url:
        ask(url, "SET", "k", "v")
        old = site.pid("server")
        os.kill(site.pid("keeper"), signal.SIGKILL)
        with site.join() as again:
            assert site.pid("server") != old
            assert is_ended(old)
            assert ask(again, "GET", "k") == "v"


def test_leftovers_of_a_double_kill_are_no_obstacle(site: Site) -> None:
    """With keeper and server killed at once, the stale socket and pid files do not hinder the next join."""
    with site.join() as url:
        ask(url, "SET", "k", "v")
        for pid in (site.pid("keeper"), site.pid("server")):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_free(site.home.directory / "server.lock"))
    assert site.home.socket.exists()
    with site.join() as url:
        assert ask(url, "GET", "k") == "v"


def test_a_keeper_that_is_asked_to_stop_stops_cleanly(site: Site) -> None:
    """At SIGTERM, as at a shutdown of the machine, the keeper closes the server even under its users."""
    with site.join() as url:
        ask(url, "SET", "k", "v")
        os.kill(site.pid("keeper"), signal.SIGTERM)
        wait_until(site.is_gone)
        with site.join() as again:
            assert ask(again, "GET", "k") == "v"


def test_many_users_at_the_same_instant_get_one_server(site: Site) -> None:
    """Eight processes that join at once all get one server, from one keeper."""
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(site.user()) for _ in range(8)]
        urls = {user.stdout.readline().strip() for user in users if user.stdout}
        assert len(urls) == 1
        (url,) = urls
        assert says(url, 9, "INCRBY", "n", "9")
        assert site.home.log.read_text().count("eady to accept connections") == 1
        for user in users:
            user.communicate("", timeout=20)
            assert user.returncode == 0


def test_a_long_directory_name_moves_only_the_socket(site: Site) -> None:
    """When the path is too long for a socket, the socket alone lies elsewhere, in a private directory of its own."""
    site.state_home = site.state_home / ("d" * 60) / ("e" * 60)
    with site.join() as url:
        assert ask(url, "SET", "k", "v")
        elsewhere = site.home.socket.parent
        assert elsewhere != site.home.directory
        assert elsewhere.stat().st_mode & 0o777 == 0o700
    wait_until(site.is_gone)
    assert not elsewhere.exists()
    with site.join() as url:
        assert ask(url, "GET", "k") == "v"


def test_the_server_is_set_up_to_lose_nothing(site: Site) -> None:
    """Every write goes to the append-only file, nothing is evicted, and no port is open."""
    with site.join() as url:
        settings = ask(url, "CONFIG", "GET", "*")
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["maxmemory-policy"] == "noeviction"
        assert settings["port"] == "0"
        assert settings["save"] == ""
        assert site.home.socket.stat().st_mode & 0o777 == 0o700

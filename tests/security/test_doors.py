"""Doors of this machine: who listens where, and who may open the embedded server's."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rig import limited, rig, wait_until
from fleetpoll.embedded.home import open_home
from fleetpoll.embedded.private import private_server
from fleetpoll.errors import EmbeddedError
from fleetpoll.settings import Settings
from tests.integration.cli_helpers import SCRIPT

LISTENS = "0A"
LOOPBACK = "0100007F"
needs_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux' /proc")


def listening(pids: set[int]) -> set[str]:
    """The addresses, as /proc/net/tcp writes them, on which any of these processes listens."""
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS:
                sockets[f"socket:[{words[9]}]"] = words[1].partition(":")[0]
    return {sockets[name] for pid in pids for name in descriptors(pid) if name in sockets}


def descriptors(pid: int) -> Iterator[str]:
    """What a process has open."""
    try:
        for place in Path(f"/proc/{pid}/fd").iterdir():
            yield os.readlink(place)  # noqa: PTH115 - no path, such as socket:[1]
    except OSError:
        return


def below(parent: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = place.read_text()
        except OSError:
            continue
        parents[int(place.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = {parent}
    while more := {pid for pid, of in parents.items() if of in found} - found:
        found |= more
    return found


@needs_proc
def test_workers_and_the_embedded_server_listen_nowhere() -> None:
    """No port: not the supervisor, not its pollers, not the server and its keeper; the simulator on loopback."""
    quick = Settings(workers=1, beat=0.5, log_format="json")
    with rig(quick, limited(10)) as fleet, fleet.workers() as workers:
        fleet.await_pollers(1)
        home = next(fleet.directory.rglob("server.pid")).parent
        server = {int((home / name).read_text()) for name in ("server.pid", "keeper.pid")}
        of_workers, of_server = listening(below(workers.process.pid)), listening(server)
        mine = listening(below(os.getpid()))
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        (socket,) = home.glob("redis.sock")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert all(not stat.S_IMODE(place.stat().st_mode) & 0o077 for place in home.glob("*.lock"))
    assert (of_workers, of_server) == (set(), set())
    assert mine <= {LOOPBACK}


@needs_proc
@pytest.mark.parametrize(
    ("host", "address", "warned"),
    [("127.0.0.1", LOOPBACK, False), ("0.0.0.0", "00000000", True)],  # noqa: S104 - on request
)
def test_the_simulator_warns_when_it_is_open(host: str, address: str, warned: bool) -> None:  # noqa: FBT001 - a parameter
    """Loopback by default; whoever wants more is told what that means."""
    words = [SCRIPT, "simulate", "serve", "--host", host]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("http://")
        heard = listening({process.pid})
        process.terminate()
        said = process.stderr.read()
    assert heard == {address}
    assert bool(re.search(r"Warning: .*asks nobody for credentials", said)) is warned


def test_a_socket_folder_that_others_planted_is_refused(tmp_path: Path) -> None:
    """A long path has its socket in /tmp, where anybody may have been before: a link or an open folder is refused."""
    home = open_home(tmp_path / ("x" * 100), "valkey-9")
    folder = home.socket.parent
    assert folder.parent == Path("/tmp")  # noqa: S108 - that is the point
    folder.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedError, match="open to other users"):
            home.make_socket_directory()
    finally:
        folder.unlink()
    folder.mkdir(mode=0o755)
    try:
        with pytest.raises(EmbeddedError, match="chmod 700"):
            home.make_socket_directory()
    finally:
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused_with_its_server(tmp_path: Path) -> None:
    """Though root might use it."""
    with private_server(None, tmp_path):
        pass
    folder = tmp_path / "fleetpoll"
    os.chown(folder, 65_534, 65_534)
    with pytest.raises(EmbeddedError, match="belongs to user 65534"), private_server(None, tmp_path):
        pass


@pytest.mark.soak
def test_demo_serves_itself_alone(tmp_path: Path) -> None:
    """The whole demo: a server without a port, a simulator on loopback."""
    env = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    words = [SCRIPT, "demo", "--jobs", "20", "--workers", "1", "--life", "1:2"]
    heard: set[str] = set()
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:

        def over() -> bool:
            heard.update(listening(below(process.pid)))
            return process.poll() is not None

        wait_until(over, 60, "the demo ends")
    assert (process.returncode, heard) == (0, {LOOPBACK})

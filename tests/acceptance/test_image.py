"""The image, built by its own steps and run as PID 1, as nobody special, where nothing can be written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from benchmarks.rig import Rig, environment, limited, rig, wait_until
from fleetpoll.cli.root import root
from fleetpoll.settings import Settings
from tests.acceptance.engine import Container, Image, unavailable
from tests.deploying import TMP
from tests.servers import free_port, server

pytestmark = pytest.mark.soak
DRAIN_S = 30.0
ROLES = [role for role in ("dashboard", "metrics", "simulate serve") if role.split()[0] in root.commands]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, built once."""
    if why := unavailable():
        pytest.skip(why)
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Rig]:
    """A server on a port and a simulator, which a container reaches."""
    with (
        server(tmp_path / "redis") as one,
        rig(Settings(rate=20, workers=2, log_format="json"), limited(20), one.url) as fleet,
    ):
        yield fleet


@contextmanager
def container(image: Image, fleet: Rig, *words: str, **more: str) -> Iterator[Container]:
    """A container beside the fleet for as long as the block lasts."""
    ours = ("FLEETPOLL_", "AWS_")
    environ = {
        name: value
        for name, value in environment(fleet.settings, fleet.url, fleet.simulator.url).items()
        if name.startswith(ours)
    }
    running = image.run(list(words) or image.stage.command(), environ | more, fleet.directory / "container.log")
    try:
        yield running
    finally:
        running.end()


def state(pid: int) -> str:
    """R, S, Z … of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def answer(port: int, path: str) -> int:
    """The status that a server on loopback answers with; 0 when nobody does."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0


@pytest.mark.timeout(900)
def test_workers_are_pid_1_on_a_root_that_is_read_only(image: Image, fleet: Rig) -> None:
    """They work as user 10001 without a place to write but /tmp, bury orphans, and drain when PID 1 gets SIGTERM."""
    with container(image, fleet) as one:
        wait_until(lambda: len(fleet.rooms.roster.workers()) >= 2, 60, "pollers on the roster")
        ids = fleet.submit(200, life_min_s=1.0, life_max_s=2.0)
        wait_until(lambda: fleet.rooms.ledger.sizes()[0] == 0, 60, "every job seen to its end")
        assert len(ids) == 200

        for question in ("live", "ready"):
            answered = one.exec("fleetpoll", "doctor", "--probe", question)
            assert (answered.returncode, answered.stderr) == (0, ""), answered.stdout

        assert (
            one.exec("sh", "-c", "id -u; cat /proc/1/comm; touch /opt/x /var/lib/fleetpoll/x").stdout == "10001\nfleetpoll\n"
        )
        assert "Read-only" in one.exec("touch", "/var/lib/fleetpoll/x").stderr
        assert one.exec("touch", f"{TMP}/x").returncode == 0
        assert one.exec("sh", "-c", "sleep 0.2 & sleep 0.2 &").returncode == 0
        wait_until(lambda: len(one.children(one.first)) == 2, 10, "the orphans buried, the pollers there")
        assert [state(pid) for pid in one.children(one.first)].count("Z") == 0

        assert one.stop(signal.SIGTERM, DRAIN_S) == 0
        assert fleet.rooms.roster.workers() == []


@pytest.mark.timeout(900)
def test_a_killed_poller_is_replaced_under_pid_1(image: Image, fleet: Rig) -> None:
    """Burying orphans takes no exit code from the supervisor: it still learns who died, and replaces them."""
    with container(image, fleet) as one:
        wait_until(lambda: len(fleet.rooms.roster.workers()) >= 2, 60, "pollers on the roster")
        victim = one.children(one.first)[0]
        assert one.exec("sh", "-c", "sleep 0.1 &").returncode == 0
        assert one.exec("sh", "-c", "kill -9 $(cat /proc/1/task/1/children | cut -d' ' -f1)").returncode == 0
        wait_until(lambda: victim not in one.children(one.first) and len(one.children(one.first)) == 2, 20, "another poller")
        assert "poller died, replacing it" in (fleet.directory / "container.log").read_text()
        first = one.first
    wait_until(lambda: not state(first), 10, "nothing left of it")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ROLES)
def test_the_other_roles_run_in_it(image: Image, fleet: Rig, role: str) -> None:
    """Dashboard, exporter and simulator serve from the same image, and leave at SIGTERM."""
    port = free_port()
    words = ["fleetpoll", *role.split(), "--host", "127.0.0.1", "--port", str(port)]
    path = "/_simulator/live" if "simulate" in role else "/healthz"
    with container(image, fleet, *words, FLEETPOLL_DASHBOARD_TOKEN="a-token-of-some-length") as one:
        wait_until(lambda: answer(port, path) == 200, 30, f"an answer from {role}")
        assert one.stop(signal.SIGTERM, 10) in {0, 143}

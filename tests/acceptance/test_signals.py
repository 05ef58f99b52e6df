"""How worker processes are told to end, and what they tell the service manager."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from benchmarks.memory import memory_mb
from benchmarks.rig import Rig, Workers, alive, limited, rig, wait_until
from fleetpoll.settings import Settings, load
from workers.notify import notify
from workers.poller import signals_held
from workers.stopping import Stopping


def test_a_second_signal_stops_at_once() -> None:
    """A worker that waits for a slow answer drains at the first signal, and is gone soon after the second."""
    settings = Settings(workers=2, rate=20.0, log_format="json")
    with rig(settings, limited(20, latency_ms=15_000.0)) as fleet, fleet.workers() as workers:
        pids = fleet.await_pollers(2)
        fleet.submit(500)
        wait_until(lambda: arrived(fleet) >= 2, 10, "calls under way")

        workers.process.send_signal(signal.SIGTERM)
        wait_until(lambda: fleet.simulator.live() == 500 and workers.process.poll() is None, 5, "the drain")
        start = time.monotonic()
        workers.process.send_signal(signal.SIGINT)

        assert workers.process.wait(10) == 0
        assert time.monotonic() - start < 5
        assert not any(alive(pid) for pid in pids)


def test_a_drain_that_waits_costs_nothing() -> None:
    """While one poller finishes a slow call the supervisor sleeps, although the others have left."""
    settings = Settings(workers=3, rate=20.0, log_format="json")
    with rig(settings, limited(20, latency_ms=2_000.0)) as fleet, fleet.workers() as workers:
        fleet.await_pollers(3)
        fleet.submit(100)
        wait_until(lambda: arrived(fleet) >= 1, 10, "a call under way")
        before = cpu_s(workers.process.pid)

        workers.process.send_signal(signal.SIGTERM)
        wait_until(lambda: len(fleet.poller_pids()) == 1, 5, "the idle ones gone")
        wait_until(lambda: fleet.poller_pids() == [], 10, "the last one gone")

        assert cpu_s(workers.process.pid) - before < 0.5
        assert workers.process.wait(10) == 0


def arrived(fleet: Rig) -> int:
    """How many calls came at most in one second; they count where they arrive, answered or not."""
    return int(fleet.simulator.stats()["operations"]["describe"]["worst_second_calls"])


def cpu_s(pid: int) -> float:
    """The CPU time that a process has used; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_poller_that_somebody_ended_is_replaced() -> None:
    """SIGTERM to a poller is no order to the fleet: it leaves in peace, and another takes its place."""
    with rig(Settings(workers=2, beat=1.0, log_format="json"), limited(20)) as fleet, fleet.workers():
        gone, _ = fleet.await_pollers(2)
        os.kill(gone, signal.SIGTERM)

        wait_until(lambda: len(set(fleet.poller_pids()) - {gone}) >= 2, 15, "a replacement")


def test_pollers_are_forks_of_a_supervisor_without_threads() -> None:
    """Pollers share most of their memory with their supervisor, which has no thread that a fork would leave behind."""
    with rig(Settings(workers=2, beat=1.0, log_format="json"), limited(20)) as fleet, fleet.workers() as workers:
        shares = [pss / rss for rss, pss in map(memory_mb, fleet.await_pollers(2))]

        assert max(shares) < 0.75
        assert len(list(Path(f"/proc/{workers.process.pid}/task").iterdir())) == 1


def test_a_signal_that_comes_while_a_poller_is_started_is_not_lost() -> None:
    """It waits until the poller has a handler of its own, and then is an order to leave."""
    heard = Stopping()
    with signals_held():
        signal.raise_signal(signal.SIGTERM)  # to this thread: another one might take it at once
        before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        heard.on(signal.SIGTERM)

    signal.signal(signal.SIGTERM, before)
    assert heard.signals == 1


def test_a_machine_that_was_suspended_costs_no_poller() -> None:
    """Processes that were all frozen for longer than stuck_after go on as they were."""
    settings = load({}, flags={"workers": 2, "stuck_after": 3.0, "read_timeout": 1.0, "connect_timeout": 1.0, "beat": 1.0})
    with rig(settings, limited(20)) as fleet, fleet.workers() as workers:
        pids = fleet.await_pollers(2)
        os.killpg(workers.process.pid, signal.SIGSTOP)
        frozen_since = time.monotonic()
        wait_until(lambda: time.monotonic() - frozen_since > 3.5, 10, "a while")
        os.killpg(workers.process.pid, signal.SIGCONT)

        beats = beats_of(fleet)
        wait_until(lambda: beats_of(fleet) > beats + 3_500, 15, "beats again")
        assert sorted(fleet.poller_pids()) == sorted(pids)


def beats_of(fleet: Rig) -> int:
    """When the worker that has been silent the longest beat last, in ms."""
    return min(beat.beat_ms for beat in fleet.rooms.roster.workers())


def test_the_service_manager_hears_when_the_fleet_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    """READY comes once every poller works, WATCHDOG while they do, STOPPING at the end."""
    with rig(Settings(workers=2, log_format="json"), limited(20)) as fleet, manager(tmp_path) as heard:
        env = fleet.environment() | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with Workers(env, fleet.directory / "workers.log") as workers:
            words = [heard.recv(100)]
            while b"READY=1" not in words:
                words.append(heard.recv(100))
            fleet.await_pollers(2)
            assert heard.recv(100) == b"WATCHDOG=1"

            workers.process.send_signal(signal.SIGTERM)
            while b"STOPPING=1" not in words:
                words.append(heard.recv(100))


def manager(directory: Path) -> socket.socket:
    """A service manager's socket."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(directory / "notify"))
    heard.settimeout(20)
    return heard


def test_no_service_manager_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without NOTIFY_SOCKET, or with one that nobody listens to, nothing is told and nothing fails."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify("READY=1") is False

    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert notify("READY=1") is False


def test_an_abstract_socket_is_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NOTIFY_SOCKET that starts with @ is an abstract one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0fleetpoll-test-notify")
        heard.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@fleetpoll-test-notify")

        assert notify("READY=1") is True
        assert heard.recv(100) == b"READY=1"

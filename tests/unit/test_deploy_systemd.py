"""What the units promise: by reading them, and by systemd's own tools where they are."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fleetpoll.cli.relay import relay as relay_command
from fleetpoll.settings import Settings
from tests.deploying import AFTER_DRAIN_S, DEPLOY, parsed

UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))
DEFAULTS = Settings()
EXPOSED_MAX = 15
"""systemd's judgement, in tenths: from 0, of which nothing can come, to 100."""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")


def service(name: str) -> configparser.SectionProxy:
    """The service's section of a unit; of a key that is repeated, the last."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys are case-sensitive
    parser.read(DEPLOY / name)
    return parser["Service"]


def test_each_role_has_a_unit() -> None:
    """Workers, relay, dashboard and metrics."""
    assert set(UNITS) == {f"fleetpoll{role}.service" for role in ("-dashboard", "-metrics", "-relay", "")}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_a_command_of_ours(name: str) -> None:
    """Its command exists, with its options; it does not try again what is set wrong, and is nobody special."""
    unit = service(name)
    program, *words = unit["ExecStart"].replace("%d", "/run/credentials").split()
    assert program == "/opt/fleetpoll/bin/fleetpoll"
    parsed(words)
    assert (unit["User"], unit["RestartPreventExitStatus"], unit["Restart"]) == ("fleetpoll", "2", "on-failure")


def test_the_unit_lets_the_supervisor_lead() -> None:
    """The unit waits for readiness, watches the supervisor, signals only it, and kills only after the drain's deadline."""
    unit = service("fleetpoll.service")
    assert unit["Type"] == "notify"
    assert (unit["KillMode"], unit["KillSignal"]) == ("mixed", "SIGTERM")
    assert int(unit["WatchdogSec"]) > 2 * DEFAULTS.beat
    assert int(unit["TimeoutStopSec"]) > DEFAULTS.drain_timeout + AFTER_DRAIN_S


def test_a_relay_finishes_what_is_under_way() -> None:
    """It is killed only after a delivery's own time-out, and commands that it has started may finish."""
    unit = service("fleetpoll-relay.service")
    (timeout,) = [float(str(option.default)) for option in relay_command.params if option.name == "timeout_s"]
    assert int(unit["TimeoutStopSec"]) > timeout + AFTER_DRAIN_S
    assert unit["KillMode"] == "mixed"


def test_a_relay_is_started_until_there_is_a_redis() -> None:
    """It leaves when there is none at its start, and systemd does not give it up for that."""
    assert "\nStartLimitIntervalSec=0\n" in (DEPLOY / "fleetpoll-relay.service").read_text()


def test_what_listens_listens_on_loopback() -> None:
    """Dashboard and exporter are for others only when somebody says so; the token is a credential, on no command line."""
    for name in ("fleetpoll-dashboard.service", "fleetpoll-metrics.service"):
        assert "--host 127.0.0.1" in service(name)["ExecStart"]
    unit = service("fleetpoll-dashboard.service")
    assert unit["LoadCredential"] == "dashboard-token:/etc/fleetpoll/dashboard-token"
    assert "--token-file %d/dashboard-token" in unit["ExecStart"]
    assert "--controls" not in unit["ExecStart"]


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, once there is a program where they look for it."""
    for name in UNITS:
        (tmp_path / name).write_text((DEPLOY / name).read_text().replace("/opt/fleetpoll/bin/fleetpoll", "/bin/true"))
    done = run("systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_little_that_a_unit_could_do(name: str) -> None:
    """Its exposure, as `systemd-analyze security` sees it, is no more than it was."""
    done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSED_MAX}", str(DEPLOY / name))
    assert done.returncode == 0, re.sub(r"\n.*✓.*", "", done.stdout)[-3000:]


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not on this machine")
def test_systemd_makes_the_user(tmp_path: Path) -> None:
    """The snippet makes the user that the units run as, who cannot log in."""
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", str(DEPLOY / "fleetpoll.sysusers.conf"))
    assert done.returncode == 0, done.stderr
    name, *_, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert (name, shell.rpartition("/")[2]) == ("fleetpoll", "nologin")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A tool of systemd's, to its end."""
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

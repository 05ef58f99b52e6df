"""What the files for containers and systemd promise, as far as it can be told without running them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import yaml

from fleetpoll.cli.relay import relay as relay_command
from fleetpoll.settings import NAMES, Settings
from fleetpoll.simulator.orders import PREFIX
from fleetpoll.sources import NOT_SETTINGS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "workers" / "deploy" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DEFAULTS = Settings()
AFTER_DRAIN_S = 10  # to release leases and to say good-bye


def seconds(text: str) -> int:
    """What `45s` says."""
    return int(text.removesuffix("s"))


def unit(name: str = "fleetpoll") -> configparser.ConfigParser:
    """A systemd unit; it repeats no key, so this parser reads it right."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys are case-sensitive
    parser.read(ROOT / "workers" / "deploy" / f"{name}.service")
    return parser


def test_redis_keeps_what_it_is_given() -> None:
    """The fleet's Redis writes everything down, evicts nothing, and its data outlive the container."""
    redis = SERVICES["redis"]
    options = dict(zip(redis["command"][1::2], redis["command"][2::2], strict=True))
    assert redis["image"].startswith("valkey/valkey:9")
    assert options == {"--appendonly": "yes", "--appendfsync": "everysec", "--save": "", "--maxmemory-policy": "noeviction"}
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in COMPOSE["volumes"]


def test_nobody_starts_before_what_they_need() -> None:
    """Workers wait until Redis answers, and for the simulator only where there is one."""
    assert "valkey-cli ping" in SERVICES["redis"]["healthcheck"]["test"][1]
    assert f":8080{PREFIX}live" in SERVICES["simulator"]["healthcheck"]["test"][-1]
    needs = SERVICES["worker"]["depends_on"]
    assert needs["redis"] == {"condition": "service_healthy"}
    assert needs["simulator"] == {"condition": "service_healthy", "required": False}
    assert SERVICES["simulator"]["profiles"] == ["simulator"]


def test_workers_get_the_time_to_drain() -> None:
    """Containers and units are killed only after the drain's own deadline."""
    needed_s = DEFAULTS.drain_timeout + AFTER_DRAIN_S
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > needed_s
    assert int(unit()["Service"]["TimeoutStopSec"]) > needed_s
    assert SERVICES["worker"]["init"] is True


def test_workers_can_be_scaled_and_set_up() -> None:
    """Nothing ties the workers to one container, and every FLEETPOLL_ variable that they get is a setting."""
    worker = SERVICES["worker"]
    assert "replicas" in worker["deploy"]
    assert not {"container_name", "ports"} & worker.keys()
    ours = {name for name in worker["environment"] if name.startswith("FLEETPOLL_")}
    assert {"FLEETPOLL_REDIS_URL", "FLEETPOLL_RATE"} <= ours
    assert {name.removeprefix("FLEETPOLL_").lower() for name in ours} <= set(NAMES)
    assert worker["environment"]["FLEETPOLL_REDIS_URL"] == "redis://redis:6379/0"
    assert "http://simulator:8080" in worker["environment"]["AWS_ENDPOINT_URL_BATCH"]


def test_the_simulator_is_not_open_to_the_network() -> None:
    """The pretend AWS can be reached from this machine only: it asks nobody for credentials."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["simulator"]["ports"])


def test_the_image_runs_workers_as_nobody_special() -> None:
    """The last stage ends as a user who is not root, by number, so that Kubernetes can check it."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (\S+)$", last, re.MULTILINE)
    assert users[-1:] == ["10001:10001"]
    assert last.rstrip().endswith('CMD ["fleetpoll", "worker"]')
    assert DOCKERFILE.count("--constraint constraints.txt") == DOCKERFILE.count("pip install")


def test_the_image_gets_all_that_it_copies() -> None:
    """What the Dockerfile copies is let through by .dockerignore, and exists."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for source in words.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_unit_lets_the_supervisor_lead() -> None:
    """The unit waits for readiness, watches the supervisor, signals only it, and does not retry a wrong setting."""
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"].endswith("/fleetpoll worker")
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    assert int(service["WatchdogSec"]) > 2 * DEFAULTS.beat
    assert service["RestartPreventExitStatus"] == "2"
    assert service["User"] == "fleetpoll"
    assert service["NoNewPrivileges"] == "yes"


def test_a_relay_finishes_what_is_under_way() -> None:
    """It is killed only after a delivery's own time-out, needs nothing of AWS, and starts only where there is a sink."""
    relay, service = SERVICES["relay"], unit("fleetpoll-relay")["Service"]
    (timeout,) = [float(str(option.default)) for option in relay_command.params if option.name == "timeout_s"]
    assert seconds(relay["stop_grace_period"]) > timeout + AFTER_DRAIN_S
    assert int(service["TimeoutStopSec"]) > timeout + AFTER_DRAIN_S
    assert {name for name in relay["environment"] if name not in NOT_SETTINGS} <= {
        f"FLEETPOLL_{name.upper()}" for name in NAMES
    }
    assert relay["deploy"]["replicas"] == "${RELAY_REPLICAS:-0}"
    assert (service["KillMode"], service["RestartPreventExitStatus"]) == ("mixed", "2")
    assert " relay " in service["ExecStart"]

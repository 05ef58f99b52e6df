"""What docker-compose.yml promises, as far as it can be told without an engine."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fleetpoll.cli.relay import relay as relay_command
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.orders import PREFIX
from tests.deploying import AFTER_DRAIN_S, DEPLOY, TMP, VARIABLES, faults, parsed
from tests.dockerfiles import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service.get("image") == "fleetpoll")
DEFAULTS = Settings()
PORTS = {"simulator": 8080, "dashboard": 8081, "metrics": 9464, "prometheus": 9090, "grafana": 3000}
"""Where each is on this machine: no two at one place."""


def seconds(text: str) -> int:
    """What `45s` says."""
    return int(text.removesuffix("s"))


def test_it_is_what_compose_reads() -> None:
    """The file is valid after Compose's own schema."""
    assert faults("compose-spec", COMPOSE) == []


def test_redis_keeps_what_it_is_given() -> None:
    """The fleet's Redis writes everything down, evicts nothing, and its data outlive the container."""
    redis = SERVICES["redis"]
    options = dict(zip(redis["command"][1::2], redis["command"][2::2], strict=True))
    assert redis["image"].startswith("valkey/valkey:9")
    assert options == {"--appendonly": "yes", "--appendfsync": "everysec", "--save": "", "--maxmemory-policy": "noeviction"}
    assert redis["volumes"] == ["redis-data:/data"]


def test_nobody_starts_before_what_they_need() -> None:
    """Who needs Redis waits until it answers, and workers for the simulator only where there is one."""
    assert "valkey-cli ping" in SERVICES["redis"]["healthcheck"]["test"][1]
    assert f":8080{PREFIX}live" in SERVICES["simulator"]["healthcheck"]["test"][-1]
    for name in set(OURS) - {"simulator"}:
        assert SERVICES[name]["depends_on"]["redis"] == {"condition": "service_healthy"}
    assert SERVICES["worker"]["depends_on"]["simulator"] == {"condition": "service_healthy", "required": False}


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_can_do_more_than_they_need(name: str) -> None:
    """Every container has a root that is read-only, no capability, no way to win one, and a port on loopback at most."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [place.partition(":")[0] for place in service["tmpfs"]] == [TMP]
    assert service["restart"] == "unless-stopped"
    assert not service.keys() & {"privileged", "network_mode", "pid", "devices", "cap_add", "container_name"}
    assert "healthcheck" in service
    published = [f"127.0.0.1:{PORTS[name]}:"] if name in PORTS else []
    assert [port[: port.rindex(":") + 1] for port in service.get("ports", [])] == published


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """Each image but our own is named by a tag that does not move from one major release to the next."""
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image == "fleetpoll" or re.match(r"v?\d", tag)


@pytest.mark.parametrize("name", OURS)
def test_commands_and_variables_are_ours(name: str) -> None:
    """Every command parses, and every FLEETPOLL_ variable is a setting or one that a command reads."""
    service = SERVICES[name]
    parsed(service["command"])
    check = service["healthcheck"].get("test", [])
    if check[1:2] == ["fleetpoll"]:
        parsed(check[2:])
    names = {variable for variable in service.get("environment", {}) if variable.startswith("FLEETPOLL_")}
    assert names <= VARIABLES


@pytest.mark.parametrize("name", sorted(PORTS.keys() & set(OURS)))
def test_what_is_published_is_where_the_command_listens(name: str) -> None:
    """A port that is published, and the one that is asked for its health, are those of the command."""
    service = SERVICES[name]
    given = parsed(service["command"])
    assert given["host"] == "0.0.0.0"  # noqa: S104 - in a container of its own
    assert service["ports"][0].rpartition(":")[2] == str(given["port"])
    assert f"127.0.0.1:{given['port']}/" in service["healthcheck"]["test"][-1]


def test_the_settings_load() -> None:
    """With nothing in the environment, what workers are given makes settings, and few that are not the defaults."""
    given = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for name, value in environment("worker").items()}
    settings = load(given)
    assert (settings.rate, settings.workers, settings.fleet) == (DEFAULTS.rate, DEFAULTS.workers, DEFAULTS.fleet)
    assert (settings.redis_url, settings.log_format) == ("redis://redis:6379/0", "json")


def environment(name: str) -> dict[str, Any]:
    """What a service is given."""
    given: dict[str, Any] = SERVICES[name]["environment"]
    return given


def test_every_mounted_file_exists() -> None:
    """What is mounted from here is here, read-only; what is mounted from elsewhere is a volume of the file."""
    for service in SERVICES.values():
        for source, _, rest in (volume.partition(":") for volume in service.get("volumes", [])):
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert rest.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]


def test_workers_get_the_time_to_drain() -> None:
    """They are killed only after the drain's own deadline, and nothing ties them to one container."""
    worker = SERVICES["worker"]
    assert seconds(worker["stop_grace_period"]) > DEFAULTS.drain_timeout + AFTER_DRAIN_S
    assert "init" not in worker  # the supervisor is PID 1, and does what that takes
    assert "replicas" in worker["deploy"]
    assert "ports" not in worker


def test_the_simulator_is_aws_where_its_file_says_so() -> None:
    """simulator.env sends workers there with made-up keys; without it they have what the environment has."""
    lines = [line for line in (DEPLOY / "simulator.env").read_text().splitlines() if not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    assert given["AWS_ENDPOINT_URL_BATCH"] == "http://simulator:8080"
    assert given.keys() <= environment("worker").keys()
    assert all(environment("worker")[name].startswith(f"${{{name}:-") for name in given)
    assert "simulator.env --profile simulator" in TEXT


def test_the_region_is_that_of_either_variable() -> None:
    """boto3 heeds AWS_DEFAULT_REGION alone, and somebody who has set the other would poll the wrong Region in silence."""
    assert environment("worker")["AWS_DEFAULT_REGION"].startswith("${AWS_DEFAULT_REGION:-${AWS_REGION:-")


def test_a_relay_finishes_what_is_under_way() -> None:
    """It is killed only after a delivery's own time-out, needs nothing of AWS, and starts only where it is asked for."""
    relay = SERVICES["relay"]
    (timeout,) = [float(str(option.default)) for option in relay_command.params if option.name == "timeout_s"]
    assert seconds(relay["stop_grace_period"]) > timeout + AFTER_DRAIN_S
    assert not any(name.startswith("AWS_") for name in relay["environment"])
    assert relay["profiles"] == ["relay"]
    assert relay["init"] is True  # for orphans of commands of --exec


def test_the_dashboard_has_room_for_its_index() -> None:
    """What the index of jobs keeps out of memory is in /tmp, and may be some hundred MB."""
    (place,) = SERVICES["dashboard"]["tmpfs"]
    assert place.startswith(f"{TMP}:size=1g,")


def test_no_secret_is_in_the_file() -> None:
    """What must stay secret comes from the environment, and the dashboard has no token that everybody knows."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"TOKEN|SECRET|PASSWORD", name):
                assert str(value).startswith("${"), name
    assert environment("dashboard")["FLEETPOLL_DASHBOARD_TOKEN"] == "${FLEETPOLL_DASHBOARD_TOKEN:-}"

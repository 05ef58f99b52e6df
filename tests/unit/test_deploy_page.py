"""docs/deployment.md: its commands are of machines that are not here, and right as far as one can see from here."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from tests.deploying import DEPLOY, parsed
from tests.dockerfiles import ROOT

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
NOT_HERE = {
    "docker": "needs a container engine",
    "kubectl": "needs a cluster",
    "sudo": "installs on the machine",
}
"""Programs whose lines are not run, and why; test_image.py and `kubectl kustomize` do what can be done of them."""


def test_every_line_is_run_or_cannot_be() -> None:
    """No line is of a program that could be run and is not."""
    assert {shlex.split(line)[0] for line in LINES} <= NOT_HERE.keys()


@pytest.mark.parametrize("line", LINES)
def test_what_a_line_names_is_there(line: str) -> None:
    """Files of this repository that it names exist."""
    named = re.findall(r"(?<![\w/])(?:workers/deploy|docs)/[\w./-]+", line)
    assert all((ROOT / name).exists() for name in named)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("docker ")])
def test_what_compose_is_told_is_in_its_file(line: str) -> None:
    """Profiles and services are those of docker-compose.yml, and what the image is to run is a command of ours."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    assert set(re.findall(r"--profile (\w+)", line)) <= profiles
    assert set(re.findall(r"--scale (\w+)=", line)) <= services.keys()
    if " run " in line:
        parsed(line.partition(" fleetpoll ")[2].split())


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("kubectl ")])
def test_what_kubectl_is_told_is_in_the_manifests(line: str) -> None:
    """Namespace, Deployments, Services and keys of the Secret are those of the manifests."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DEPLOY / "kubernetes").glob("*.yaml"))
    for kind, name in re.findall(r"(deployment|service)/([\w-]+)", line):
        assert re.search(rf"kind: {kind}\nmetadata:\n  name: {name}\n", text, re.IGNORECASE)
    assert set(re.findall(r"--from-file=([\w-]+)", line)) <= set(re.findall(r"key: ([\w-]+)", text))


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`fleetpoll ([^`]*)`", PAGE))))
def test_commands_in_the_text_are_ours(words: str) -> None:
    """Each parses."""
    parsed(words.replace("ROLE", "worker").split() if "--exec" not in words else [*words.split(), "cat"])

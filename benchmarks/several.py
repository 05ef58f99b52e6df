"""Several fleets on this machine: an account of one simulator for each, one server or Cluster, one file that names all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig import Rig, Workers, environment
from fleetpoll.embedded.private import private_server
from fleetpoll.fleets import load_fleets
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import open_rooms

REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-2")
FIRST_ACCOUNT = 100_000_000_001


@dataclass(frozen=True, slots=True)
class Several:
    """All fleets, each as a rig of its own, and what they share."""

    url: str
    directory: Path
    simulator: Simulator
    fleets: dict[str, Rig]

    @property
    def file(self) -> Path:
        """The TOML file that names them."""
        return self.directory / "fleets.toml"

    def workers(self) -> Workers:
        """Start one supervisor whose pollers serve all of them."""
        env = environment(Settings(), self.url, self.simulator.url)
        more = {"FLEETPOLL_CONFIG": str(self.file), "AWS_ENDPOINT_URL_STS": self.simulator.url}
        return Workers(env | more, self.directory / "workers.log")


@contextmanager
def several(
    own: Mapping[str, Mapping[str, Any]], common: Mapping[str, Any], simulator: SimulatorConfig, url: str | None = None
) -> Iterator[Several]:
    """A fleet for each name in `own`, with settings of its own on top of the `common` ones; each in an account of its own.

    `url` is that of a server or a Cluster that is there; else there is one for as long as the block lasts. No workers yet.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetpoll-rig-")))
        if url is None:
            url = stack.enter_context(private_server(os.environ.get("TEST_REDIS_SERVER"), directory))
        aws = stack.enter_context(Simulator(simulator))
        places = {name: (str(FIRST_ACCOUNT + at), REGIONS[at % len(REGIONS)]) for at, name in enumerate(own)}
        stage = Several(url, directory, aws, {})
        roles = {name: whose(*places[name]) | dict(given) for name, given in own.items()}
        stage.file.write_text(toml(common, roles), encoding="utf-8")
        for settings in load_fleets({}, stage.file):
            rooms = open_rooms(url, settings)
            stack.callback(rooms.close)
            account = aws.account(*places[settings.fleet])
            stage.fleets[settings.fleet] = Rig(url, directory, account, settings, rooms)
        yield stage


def whose(account: str, region: str) -> dict[str, str]:
    """The settings by which a fleet is that of an account and Region."""
    return {"region": region, "role_arn": f"arn:aws:iam::{account}:role/fleetpoll", "external_id": "simulated"}


def toml(common: Mapping[str, Any], fleets: Mapping[str, Mapping[str, Any]]) -> str:
    """A file of settings."""
    sections = {"": common} | {f"[fleets.{json.dumps(name)}]\n": given for name, given in fleets.items()}
    return "\n".join(
        head + "".join(f"{name} = {word(value)}\n" for name, value in of.items()) for head, of in sections.items()
    )


def word(value: Any) -> str:
    """A value of TOML: text and numbers as in JSON, a table in one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {word(inner)}' for name, inner in value.items())} }}"
    return json.dumps(value)

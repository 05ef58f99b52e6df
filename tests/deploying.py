"""What the tests of deployment files share: where those are, and whether a command in one of them is one of ours."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click
import yaml
from jsonschema import Draft7Validator, validators

from fleetpoll.cli.later import Later
from fleetpoll.cli.root import root
from fleetpoll.settings import NAMES
from fleetpoll.sources import NOT_SETTINGS
from tests.dockerfiles import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEPLOY = ROOT / "workers" / "deploy"
TMP = "/tmp"  # noqa: S108 - of a container, which is alone there
AFTER_DRAIN_S = 10
"""What a drain needs beyond its own deadline, to release leases and to say good-bye."""
VARIABLES = {f"FLEETPOLL_{name.upper()}" for name in NAMES} | NOT_SETTINGS


def parsed(words: Iterable[str]) -> dict[str, Any]:
    """The options of a command of ours, words after `fleetpoll`. Raises click's own error for what it does not know."""
    command: click.Command = root
    rest, parent, name = list(words), None, "fleetpoll"
    while True:
        context = command.make_context(name, rest, parent=parent)
        if not isinstance(command, click.Group) or not (rest := [*context._protected_args, *context.args]):
            return dict(context.params)
        parent = context
        word, found, rest = command.resolve_command(context, rest)
        assert found is not None, f"fleetpoll {' '.join(words)}: there is no {word}"
        name = word or name
        command = found.load() if isinstance(found, Later) else found


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]


@cache
def schema(name: str) -> Draft7Validator:
    """A schema that check-jsonschema brings along, ready to hold a document against it."""
    text = files("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{name}.json").read_text(encoding="utf-8")
    body = json.loads(text)
    made: Draft7Validator = validators.validator_for(body)(body)
    return made


def faults(name: str, document: object) -> list[str]:
    """What a schema finds wrong in a document, each with its place."""
    return [f"{error.json_path}: {error.message}" for error in schema(name).iter_errors(document)]

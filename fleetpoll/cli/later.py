"""Commands that are loaded when they are used: the one place where modules are imported by name.

boto3, rich and multiprocessing take several times as long to load as a command that needs none of them takes to run.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from fleetpoll.errors import SettingsError


def load(place: str) -> Any:
    """What `module:attribute` names."""
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)


def load_extra(place: str, extra: str) -> Any:
    """The same for what needs an optional extra. Raises SettingsError that says how to get it, when it is not there."""
    try:
        return load(place)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name == "fleetpoll":
            raise
        raise SettingsError(f"This needs {name}, which is not installed: pip install 'fleetpoll[{extra}]'.") from error


class Later(click.Command):
    """Stands for the command or group `attribute` of the module `fleetpoll.cli.<module>`, with its name and short help."""

    def __init__(self, name: str, place: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help, help=short_help)
        self._place = place

    def load(self) -> click.Command:
        """The command itself."""
        command = load(f"fleetpoll.cli.{self._place}")
        assert isinstance(command, click.Command)  # noqa: S101 - the table of commands is ours
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command itself: from here on this one plays no part."""
        return self.load().make_context(info_name, args, parent, **extra)

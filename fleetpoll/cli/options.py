"""Options that several commands have, and options that are settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import msgspec

from fleetpoll.settings import Settings, load

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

DEFAULTS = {known.name: known.default for known in msgspec.structs.fields(Settings)}


@dataclass(slots=True)
class Asked:
    """What of the settings was asked for on the command line; the `obj` of every context."""

    config: str | None = None
    flags: dict[str, str] = field(default_factory=dict)

    def settings(self) -> Settings:
        """All settings, from their four sources. Raises SettingsError."""
        return load(os.environ, self.config, self.flags)


pass_asked = click.make_pass_decorator(Asked, ensure=True)


def setting(name: str, *flags: str, metavar: str, help: str) -> Decorator[Any]:  # noqa: A002 - click's own word
    """An option that is a setting: it is kept for `Asked.settings`, which checks it, and never passed to the command."""

    def keep(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(Asked).flags[name] = value

    default = DEFAULTS[name]
    shown = f"{default:g}" if isinstance(default, float) else default
    origin = f"[FLEETPOLL_{name.upper()}" + ("]" if default is None else f"; default {shown}]")
    return click.option(
        *(flags or ("--" + name.replace("_", "-"),)),
        name,
        callback=keep,
        expose_value=False,
        metavar=metavar,
        help=f"{help}  {origin}",
    )


def several(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Some decorators as one, in the order in which help is to show them."""

    def apply(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")

aws_settings = several(
    setting("region", metavar="REGION", help="AWS Region; none: as boto3 finds it."),
    setting("profile", metavar="NAME", help="Profile of the AWS configuration files."),
    setting("endpoint_url", metavar="URL", help="Endpoint of AWS Batch, such as a simulator's."),
)

ids_argument = click.argument("ids", nargs=-1, metavar="[ID]...")
ids_file = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="Read ids from FILE, one a line, - for standard input; # starts a comment. May be repeated.",
)

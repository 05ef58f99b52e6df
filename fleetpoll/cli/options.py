"""Options that several commands have, and options that are settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.fleets import load_fleets, names_of
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
        """All settings of one fleet, from all sources. Raises SettingsError, also if it is not told which one."""
        return load(os.environ, self.config, self.flags)

    def fleets(self) -> tuple[Settings, ...]:
        """Those of every fleet of the file; of one, if one was asked for or there is no other. Raises SettingsError."""
        return load_fleets(os.environ, self.config, self.flags)


pass_asked = click.make_pass_decorator(Asked, ensure=True)


def fleets_like(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The fleets of the file that a shell may complete a word to."""
    try:
        names = names_of(ctx.params.get("config") or os.environ.get("FLEETPOLL_CONFIG"))
    except SettingsError:  # nobody reads a message in the midst of a line
        return []
    return [name for name in names if name.startswith(begun)]


def setting(
    name: str,
    *flags: str,
    metavar: str,
    help: str,  # noqa: A002 - click's own word
    **more: Any,
) -> Decorator[Any]:
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
        **more,
    )


def several(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Some decorators as one, in the order in which help is to show them."""

    def apply(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


every_fleet = click.option("--all", "every", is_flag=True, help="All fleets of the file, or the one of --fleet.")

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")

aws_settings = several(
    setting("region", metavar="REGION", help="AWS Region; none: as boto3 finds it."),
    setting("profile", metavar="NAME", help="Profile of the AWS configuration files."),
    setting("role_arn", metavar="ARN", help="Role to assume, by the profile's credentials or those that boto3 finds."),
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

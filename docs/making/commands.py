"""docs/reference/cli.md: what every command says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

WIDTH = 100
HEAD = """# Commands

<!-- Made by `python3 dev.py docs` from the commands' own help. -->

What `fleetpoll COMMAND --help` prints. Readers have `--json`: one object a line on standard output and nothing else there
([its fields](json.md)). Messages go to standard error. What commands end with: [exit codes](exit-codes.md).

Global options stand before the command: `fleetpoll --fleet NAME status`.
"""


def page() -> str:
    """All commands, in the order of the root's table."""
    root = import_module("fleetpoll.cli.root").root
    return HEAD + "".join(f"\n## {path}\n\n```text\n{text}\n```\n" for path, text in helps(root, None, "fleetpoll"))


def helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    """The path and the help of a command, and of all below it."""
    whole = loaded(command)
    given: dict[str, Any] = {**whole.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(whole, info_name=name, parent=parent, **given)
    yield context.command_path, "\n".join(line.rstrip() for line in whole.get_help(context).splitlines())
    if isinstance(whole, click.Group):
        for below in whole.list_commands(context):
            found = whole.get_command(context, below)
            if found is not None and not found.hidden:
                yield from helps(found, context, below)


def loaded(command: click.Command) -> click.Command:
    """The command itself, where another stands for it until it is used (see fleetpoll/cli/later.py)."""
    load = getattr(command, "load", None)
    whole = load() if load is not None else command
    assert isinstance(whole, click.Command)  # noqa: S101 - for mypy
    return whole

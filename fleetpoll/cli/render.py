"""How results look: JSON lines for programs, tables and sentences for people.

Names and reasons come from whoever submitted the jobs: nothing in them may reach a terminal as a command, see
fleetpoll/text.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from fleetpoll.text import plural, span

if TYPE_CHECKING:
    from fleetpoll.jobs import JobStatus

__all__ = ["COLOURS", "age", "coloured", "emit", "moment", "plural", "say", "span"]
COLOURS = {
    "RUNNING": "cyan",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "LOST": "magenta",
    "EXPIRED": "magenta",
    "REJECTED": "magenta",
}


def emit(value: Mapping[str, Any]) -> None:
    """One object as one line of JSON on standard output, in ASCII."""
    sys.stdout.write(json.dumps(value) + "\n")


def say(message: str) -> None:
    """A message to the person at the terminal, on standard error."""
    click.echo(message, err=True)


def coloured(status: JobStatus | str, width: int = 0) -> str:
    """A status in its colour, padded to `width`."""
    return click.style(f"{status!s:<{width}}", fg=COLOURS.get(str(status)))


def moment(epoch_ms: int) -> str:
    """A moment in UTC to the second; '' if it is not known."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if epoch_ms else ""


def age(epoch_ms: int) -> str:
    """How long ago a moment was, by this machine's clock."""
    return span(max(0.0, time.time() - epoch_ms / 1000) if epoch_ms else None)

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

if TYPE_CHECKING:
    from fleetpoll.jobs import JobStatus

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


def plural(count: int, word: str) -> str:
    """'1 job', '2,000 jobs'."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def coloured(status: JobStatus | str, width: int = 0) -> str:
    """A status in its colour, padded to `width`."""
    return click.style(f"{status!s:<{width}}", fg=COLOURS.get(str(status)))


def moment(epoch_ms: int) -> str:
    """A moment in UTC to the second; '' if it is not known."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if epoch_ms else ""


def span(duration_s: float | None) -> str:
    """A duration in two figures or so: '0.8 s', '12 s', '3 m', '5 h', '2 d'; '-' if it is not known."""
    if duration_s is None:
        return "-"
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if duration_s >= 2 * size_s:
            return f"{duration_s / size_s:.0f} {unit}"
    return f"{duration_s:.1f} s" if duration_s < 10 else f"{duration_s:.0f} s"  # noqa: PLR2004 - one decimal for one digit


def age(epoch_ms: int) -> str:
    """How long ago a moment was, by this machine's clock."""
    return span(max(0.0, time.time() - epoch_ms / 1000) if epoch_ms else None)

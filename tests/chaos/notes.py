"""What the programs of a run write down, one JSON object a line, each before anything else is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from fleetpoll.jobs import Transition

Note = TypeVar("Note", bound=msgspec.Struct)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A transition, as somebody read it."""

    cursor: str
    job_id: str
    before: str
    after: str

    @classmethod
    def of(cls, transition: Transition) -> Entry:
        """What is noted of a transition."""
        return cls(transition.cursor, transition.job_id, transition.before.value, transition.after.value)


class Burst(msgspec.Struct, frozen=True):
    """Jobs that a producer made, and whether the fleet has said that they are tracked."""

    ids: list[str]
    acknowledged: bool


class Wait(msgspec.Struct, frozen=True):
    """How a wait ended."""

    ids: list[str]
    reached: dict[str, str]
    gone: list[str]
    kind: str = ""


class Notebook:
    """Writes to a file, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, note: msgspec.Struct) -> None:
        """One line; who is killed right after has written it."""
        os.write(self._file, msgspec.json.encode(note) + b"\n")


def read(path: Path, kind: type[Note]) -> Iterator[Note]:
    """All whole lines of a file, none if it is not there."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield msgspec.json.decode(line, type=kind)

"""Job ids from arguments, files and standard input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import click

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import as_job_id
from fleetpoll.text import safe

COMMENT = re.compile(r"(^|\s)#.*")
"""Only at the start or after white space: `UUID#1` is a node of a multi-node job."""
NAMED_MAX = 10
SHOWN_MAX = 60


@dataclass(slots=True)
class Ids:
    """The ids that were given, each once and in order, and the words that are none, each with its place."""

    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def complaint(self) -> str:
        """The bad ids as text."""
        return complaint(self.bad)


def complaint(bad: Sequence[str]) -> str:
    """What is bad, a line each: the first ten by name and place, the others by number."""
    more = len(bad) - NAMED_MAX
    return "\n".join([f"  {one}" for one in bad[:NAMED_MAX]] + ([f"  and {more:,} more"] if more > 0 else []))


def read_ids(arguments: Sequence[str], files: Sequence[str], *, skip_bad: bool = False) -> Ids:
    """The ids of arguments and files together.

    Raises SettingsError that names the bad ones by line, unless they are to be skipped, and when none is given at all.
    """
    ids = Ids()
    seen: dict[str, None] = {}
    for place, word in _words(arguments, files):
        job_id = as_job_id(word)
        if job_id is not None:
            seen[job_id] = None
        else:
            ids.bad.append(f"{place}: {safe(word[:SHOWN_MAX])}")
    ids.good = list(seen)
    if ids.bad and not skip_bad:
        raise SettingsError(
            f"Not a job id (a UUID, UUID:index or UUID#node): {len(ids.bad):,}. Nothing was done.\n{ids.complaint()}"
        )
    if not (arguments or files):
        raise SettingsError("No ids are given: name them, or read them with -f FILE (-f - is standard input).")
    return ids


def _words(arguments: Iterable[str], files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, word in enumerate(arguments, 1):
        yield f"argument {number}", word
    for name in files:
        for place, line in lines(name):
            if word := COMMENT.sub("", line).strip():
                yield place, word


def lines(name: str) -> Iterator[tuple[str, str]]:
    """The lines of a file, `-` for standard input, each with its place in words. Raises SettingsError."""
    source = shown(name, "input")
    try:
        with click.open_file(name, encoding="utf-8-sig", errors="replace") as opened:
            for number, line in enumerate(opened, 1):
                yield f"{source}, line {number}", line
    except OSError as error:
        raise SettingsError(f"{source} cannot be read: {error.strerror}.") from None
    except ValueError:  # of the name itself, for what is read is never refused
        raise SettingsError(f"{source} cannot be read: that is no path.") from None


def shown(name: str, stream: str) -> str:
    """A file as messages call it: `-` is standard input or output, whichever `stream` says."""
    return f"standard {stream}" if name == "-" else safe(name)

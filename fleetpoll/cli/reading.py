"""Job ids from arguments, files and standard input."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, cast

import click

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import as_job_id
from fleetpoll.text import safe

COMMENT = re.compile(r"(^|\s)#.*")
"""Only at the start or after white space: `UUID#1` is a node of a multi-node job."""
NAMED_MAX = 10
SHOWN_MAX = 60
MEMORY_MAX = 1 << 20
"""Bytes of ids that are kept in memory before they go to a file: some 28,000 ids."""
REPORTED_EVERY = 10_000


@dataclass(slots=True)
class Bad:
    """The words that are no ids: how many, and the first ten of them, each with its place."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, place: str, word: str) -> None:
        """One more."""
        self.count += 1
        if len(self.named) < NAMED_MAX:
            self.named.append(f"{place}: {safe(word[:SHOWN_MAX])}")

    def complaint(self) -> str:
        """They as text."""
        return listing(self.named, self.count)

    def refuse(self) -> None:
        """Raise SettingsError that names them by line, if there are any."""
        if self.count:
            raise SettingsError(
                f"Not a job id (a UUID, UUID:index or UUID#node): {self.count:,}. Nothing was done.\n{self.complaint()}"
            )


@dataclass(slots=True)
class Ids:
    """The ids that were given, each once and in order."""

    good: list[str]


@dataclass(slots=True)
class Spool:
    """Ids in a temporary file, so that a million take no more memory than ten; and the words that are none."""

    file: IO[str]
    count: int = 0
    bad: Bad = field(default_factory=Bad)

    def __iter__(self) -> Iterator[str]:
        """The ids in order, as often as each was given."""
        self.file.seek(0)
        return (line.rstrip() for line in self.file)


def complaint(bad: Sequence[str]) -> str:
    """What is bad, a line each: the first ten by name and place, the others by number."""
    return listing(bad[:NAMED_MAX], len(bad))


def listing(named: Sequence[str], count: int) -> str:
    """Some of `count` things by name, a line each, and how many more there are."""
    more = count - len(named)
    return "\n".join([f"  {one}" for one in named] + ([f"  and {more:,} more"] if more > 0 else []))


def read_ids(arguments: Sequence[str], files: Sequence[str]) -> Ids:
    """The ids of arguments and files together.

    Raises SettingsError that names the bad ones by line, and when none is given at all.
    """
    bad = Bad()
    good = dict.fromkeys(_ids(arguments, files, bad))
    bad.refuse()
    return Ids(list(good))


@contextmanager
def spooled(
    arguments: Sequence[str],
    files: Sequence[str],
    *,
    skip_bad: bool = False,
    on_read: Callable[[int], None] = lambda _count: None,
) -> Iterator[Spool]:
    """The ids of arguments and files together, for as long as the block lasts: all of them are read before any is used.

    `on_read` hears now and then how many there are. Raises SettingsError as `read_ids` does, but for bad ones that are to
    be skipped.
    """
    file = tempfile.SpooledTemporaryFile(MEMORY_MAX, "w+", encoding="ascii")  # noqa: SIM115 - a full disk refuses its close, too
    try:
        spool = Spool(cast("IO[str]", file))
        _fill(spool, _ids(arguments, files, spool.bad), on_read)
        if not skip_bad:
            spool.bad.refuse()
        yield spool
    finally:
        with suppress(OSError):
            file.close()


def _fill(spool: Spool, ids: Iterable[str], on_read: Callable[[int], None]) -> None:
    try:
        for job_id in ids:
            spool.file.write(f"{job_id}\n")
            spool.count += 1
            if spool.count % REPORTED_EVERY == 0:
                on_read(spool.count)
        spool.file.flush()
    except OSError as error:
        words = f"The ids do not fit into a temporary file: {error.strerror}. Make room, or name another folder in TMPDIR."
        raise SettingsError(words) from None


def _ids(arguments: Sequence[str], files: Sequence[str], bad: Bad) -> Iterator[str]:
    if not (arguments or files):
        raise SettingsError("No ids are given: name them, or read them with -f FILE (-f - is standard input).")
    for place, word in _words(arguments, files):
        job_id = as_job_id(word)
        if job_id is None:
            bad.add(place, word)
        else:
            yield job_id


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

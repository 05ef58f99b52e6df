"""What a request asks for, read from its query. Whatever makes no sense is refused with a sentence that says what would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.text import bounded

SORTS = (
    *("job_id", "job_name", "status", "job_queue", "job_definition", "attempt"),
    *("created_at", "started_at", "stopped_at", "tracked_at", "changed_at"),
)
SIZE_MAX = 200
PAGE_MAX = 10**8
WORDS_MAX = 200
SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Query:
    """A page of the table of jobs: of those in `statuses` (all, if none are given) that `words` is a part of."""

    statuses: frozenset[JobStatus] = frozenset()
    words: str = ""
    sort: str = "changed_at"
    descending: bool = True
    page: int = 1
    size: int = 50

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page - 1) * self.size


def query_of(given: Mapping[str, str]) -> Query:
    """The page that is asked for. Raises SettingsError."""
    sort = given.get("sort", "changed_at")
    if sort not in SORTS:
        raise SettingsError(f"Jobs cannot be sorted by {_shown(sort)}: sort is one of {', '.join(SORTS)}.")
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise SettingsError(f"order is asc or desc, not {_shown(order)}.")
    words = given.get("q", "").strip()
    if len(words) > WORDS_MAX:
        raise SettingsError(f"q has more than {WORDS_MAX} characters: search for a part of a name, id, queue or definition.")
    return Query(
        statuses=statuses_of(given.get("status", "")),
        words=words,
        sort=sort,
        descending=order == "desc",
        page=whole(given, "page", 1, PAGE_MAX),
        size=whole(given, "size", 50, SIZE_MAX),
    )


def statuses_of(text: str) -> frozenset[JobStatus]:
    """Statuses with commas between them. Raises SettingsError."""
    words = [word.strip().upper() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in JobStatus.__members__:
            raise SettingsError(f"No status is called {_shown(word)}: there are {', '.join(JobStatus)}.")
    return frozenset(map(JobStatus, words))


def whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`. Raises SettingsError."""
    text = given.get(name, "")
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < SHOWN_MAX else 0
    if not 1 <= number <= most:
        raise SettingsError(f"{name} is a whole number from 1 to {most:,}, not {_shown(text)}.")
    return number


def _shown(text: str) -> str:
    """A word of the request's as a message repeats it."""
    return repr(bounded(text, SHOWN_MAX))

"""The reader of the stream of transitions, by cursor. It changes nothing.

A cursor is the stream's own id of the last entry that was read: reading on from it leaves no gap and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fleetpoll.errors import EventsTrimmed, SettingsError
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.state.reading import number, whole
from fleetpoll.state.steps import Steps, perform

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

Fields = Mapping[str, str]
Pairs = Sequence[str]
"""Fields and values of an entry, in turn, as they came."""
Parts = TypeVar("Parts")
BEGINNING = "0-0"
PAGE = 1000
RECENT = 500
"""How many entries a follower remembers, to find its place again in a stream that has lost the last of them."""
BLOCK_S = 2.0
"""How long one read waits for news; shorter than the connection's time-out."""


class Events:
    """The transitions of one fleet."""

    def __init__(self, client: Connection, keys: Keys) -> None:
        self._client, self._keys = client, keys
        client.set_response_callback("XREAD", as_it_came)

    def end(self) -> str:
        """The cursor from which only what happens from now on is read."""
        newest: Any = self._client.xrevrange(self._keys.events, count=1)
        return end_of(newest)

    def read(self, after: str, *, count: int = PAGE, block_s: float = 0.0) -> list[Transition]:
        """Up to `count` transitions after the cursor, oldest first; waits up to `block_s` (≤ 2 s) for the first."""
        return [parse(cursor, fields_of(pairs)) for cursor, pairs in self._entries(after, count, block_s)]

    def read_for(self, wanted: Container[str], after: str, *, block_s: float = 0.0) -> tuple[str, list[Transition]]:
        """Read as `read` does, but only the transitions of these jobs. Returns the cursor to go on from as well.

        The others are not parsed, which makes them two and a half times as cheap: in a busy fleet that is nearly all.
        """
        entries = self._entries(after, PAGE, block_s)
        return entries[-1][0] if entries else after, heard(entries, wanted)

    def _entries(self, after: str, count: int, block_s: float) -> list[tuple[str, Pairs]]:
        answer: Any = self._client.xread({self._keys.events: after}, count=count, block=block_ms(block_s))
        return entries_of(answer)

    def read_on(self, after: str, block_s: float = 0.0, recent: Sequence[str] = ()) -> tuple[str, list[Transition]]:
        """Read as `read` does, but never over a gap. Returns the cursor to go on from as well, which `stand` may put back.

        Raises EventsTrimmed when what came next is not kept any more.
        """
        page = self.read(after, block_s=block_s)
        if page or recent:
            stands = perform(self._client, stand(self._keys, after, recent))
            if stands != after:
                return stands, []
        return page[-1].cursor if page else after, page

    def before(self, cursor: str) -> list[str]:
        """The cursors of the last entries up to this one, oldest first: what a follower who begins here is to remember."""
        entries: Any = self._client.xrevrange(self._keys.events, cursor, count=RECENT)
        return [at for at, _ in reversed(entries)]

    def recent(self, count: int) -> list[Transition]:
        """The last `count` transitions, newest first."""
        entries: Any = self._client.xrevrange(self._keys.events, count=count)
        return [parse(cursor, fields) for cursor, fields in entries]


def stand(keys: Keys, after: str, recent: Sequence[str] = ()) -> Steps[str]:
    """Where a follower stands whose last entries were the `recent` ones, oldest first: at the cursor, as a rule.

    The stream may have lost what was read last: a replica that is promoted may not have heard of the last moment, and
    writes on by its own clock; nor may a server that crashed before its AOF was written. Then it is the last one left.

    Raises EventsTrimmed if the stream may have lost what came right after the cursor. It has not if the cursor's own
    entry is there, if the oldest entry is not newer than it, or if nothing was ever trimmed, which servers tell from
    Redis 7.0 on. To be asked after a read: then what was read is known to have no gap before it.
    """
    own = "{}-{}".format(*place(after))
    if own == BEGINNING or (yield "XRANGE", keys.events, own, own, "COUNT", 1):
        return after
    oldest = yield "XRANGE", keys.events, "-", "+", "COUNT", 1
    if not oldest:
        return after
    if place(oldest[0][0]) > place(after):
        facts = yield "XINFO STREAM", keys.events
        if facts.get("entries-added") != facts["length"]:
            raise EventsTrimmed(after, str(oldest[0][0]))
    elif recent:
        left = {cursor for cursor, _ in (yield "XRANGE", keys.events, recent[0], recent[-1])}
        return next((cursor for cursor in reversed(recent) if cursor in left), after)
    return after


def block_ms(block_s: float) -> int | None:
    """How long a read is to block, as redis-py wants it: None not at all."""
    return round(min(block_s, BLOCK_S) * 1000) or None


def end_of(newest: Sequence[tuple[str, Fields]]) -> str:
    """The cursor after the newest entry, that of the beginning if there is none."""
    return str(newest[0][0]) if newest else BEGINNING


def entries_of(answer: Iterable[tuple[str, list[tuple[str, Parts]]]] | None) -> list[tuple[str, Parts]]:
    """What a read of the one stream found, each entry with its cursor."""
    return [entry for _, entries in answer or () for entry in entries]


def as_it_came(response: Any, **kwargs: Any) -> Any:
    """XREAD's reply in place of redis-py's, which makes a dictionary of each entry, wanted or not."""
    del kwargs
    return response


def heard(entries: Iterable[tuple[str, Pairs]], wanted: Container[str]) -> list[Transition]:
    """Those of the entries that are transitions of these jobs."""
    return [parse(cursor, fields_of(pairs)) for cursor, pairs in entries if job_of(pairs) in wanted]


def fields_of(pairs: Pairs) -> dict[str, str]:
    """The fields of an entry."""
    return dict(zip(pairs[::2], pairs[1::2], strict=False))


def job_of(pairs: Pairs) -> str:
    """Whose transition an entry is. We write that first."""
    return pairs[1] if pairs[:1] == ["job_id"] else fields_of(pairs).get("job_id", "")


def place(cursor: str) -> tuple[int, int]:
    """A cursor as something that can be compared: the stream is ordered by it."""
    ms, _, number = cursor.partition("-")
    try:
        return int(ms), int(number or 0)
    except ValueError:
        raise SettingsError(f"{cursor!r} is no cursor: it looks like 1732276800000-0.") from None


def parse(cursor: str, fields: Fields) -> Transition:
    """A stream entry as a Transition; one that is none of ours is a transition of nothing, and keeps its place."""
    return Transition(
        cursor=cursor,
        job_id=fields.get("job_id", ""),
        job_name=fields.get("job_name", ""),
        before=JobStatus(fields.get("from", "")),
        after=JobStatus(fields.get("to", "")),
        attempt=whole(fields, "attempt"),
        exit_code=whole(fields, "exit_code") if fields.get("exit_code") else None,
        reason=fields.get("reason", ""),
        log_stream=fields.get("log_stream", ""),
        created_ms=_ms(fields, "created_at"),
        started_ms=_ms(fields, "started_at"),
        stopped_ms=_ms(fields, "stopped_at"),
        detected_ms=_ms(fields, "detected_at"),
    )


def _ms(fields: Mapping[str, str], name: str) -> int:
    """Epoch milliseconds from the stream's epoch seconds; 0 where nothing is known."""
    return round(number(fields, name) * 1000)

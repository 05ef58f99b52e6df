"""Consumer groups on the stream of transitions: each transition goes to one consumer, at least once.

What a consumer was given and has not acknowledged is its own until `retry_after_s` have passed without a word about it; then
whoever asks next is given it. Written once for threads and asyncio, see steps.py.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetpoll.errors import EventsTrimmed, SettingsError, StateError
from fleetpoll.state.events import BEGINNING, BLOCK_S, Fields, end_of, entries_of, parse, place, stand
from fleetpoll.state.scripts import source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpoll.clock import Mono
    from fleetpoll.jobs import Transition
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Argument
    from fleetpoll.state.steps import Steps

PAGE = 100
ROOMY = 100_000
"""No fleet publishes so many transitions in a few seconds."""
SILENT_S = 3600.0
"""A consumer that holds nothing and was not heard of for so long is forgotten: names that are made up would pile up."""

Entry = tuple[str, Fields]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group, as the server sees it."""

    name: str
    consumers: int
    pending: int  # given to a consumer, not acknowledged
    cursor: str  # of the last transition that was given to anybody
    lag: int | None  # transitions that nobody was given yet, lost ones too; None where the server cannot tell (before 7.0)
    lost: int | None = 0  # those of them that the stream does not keep any more; None: some are, and it cannot tell how many
    kept: int = 0  # transitions in the stream

    @property
    def overtaken(self) -> bool:
        """Whether the stream was trimmed before the group was given all of it."""
        return self.lost != 0

    def public(self) -> dict[str, Any]:
        """The form that users read."""
        return {
            "group": self.name,
            "consumers": self.consumers,
            "pending": self.pending,
            "lag": self.lag,
            "overtaken": self.overtaken,
            "lost": self.lost,
            "cursor": self.cursor,
        }


def groups(keys: Keys) -> Steps[list[GroupFacts]]:
    """The groups that there are, by name."""
    if not (yield "EXISTS", keys.events):
        return []
    facts = yield "XINFO GROUPS", keys.events
    if not facts:
        return []
    stream = yield "XINFO STREAM", keys.events
    return sorted((group_of(one, stream) for one in facts), key=lambda group: group.name)


def group_of(facts: Mapping[str, Any], stream: Mapping[str, Any]) -> GroupFacts:
    """A group, by what the server says of it and of its stream."""
    cursor, lag, oldest = str(facts["last-delivered-id"]), facts.get("lag"), stream.get("first-entry")
    behind = place(oldest[0]) > place(cursor) if oldest else lag is not None
    lost: int | None = 0
    if behind and stream.get("entries-added") != stream["length"]:  # before Redis 7.0 the first is not told
        untold = lag is None or facts.get("entries-read") is None
        lost = None if untold else max(0, int(lag or 0) - int(stream["length"]))
    counts = (int(facts["consumers"]), int(facts["pending"]))
    return GroupFacts(str(facts["name"]), *counts, cursor, lag, lost, int(stream["length"]))


def drop_group(keys: Keys, name: str) -> Steps[bool]:
    """Forget a group and all that it has read. Returns whether there was one."""
    if not (yield "EXISTS", keys.events):
        return False
    return bool((yield "XGROUP DESTROY", keys.events, name))


class Member:
    """One consumer of a group: what it holds, and what to ask next."""

    def __init__(self, keys: Keys, group: str, name: str, after: str | None, retry_after_s: float, mono: Mono) -> None:
        if not group or not name:
            raise SettingsError("A consumer group and its consumers need names.")
        if retry_after_s <= 0:
            raise SettingsError(f"retry_after_s ({retry_after_s:g}) must be above 0.")
        self.name, self._group, self._after = name, group, after
        self._key, self._keys, self._mono = keys.events, keys, mono
        self._retry_after_s = retry_after_s
        self._place = ""  # where the group begins anew if it is lost; '': not joined yet
        self._hand = deque[Entry]()  # ours, and not passed on yet
        self._hand_until = 0.0
        self._done: list[str] = []  # passed on, and to be acknowledged
        self._own = True  # we may hold what we do not know of: from a life before, or because a reply was lost
        self._level_until = 0.0  # the group was given all that there was not long before; later it may be overtaken
        self._roomy = False  # the stream keeps so many that nobody is overtaken within a moment
        self._claim_at, self._claim_from = 0.0, BEGINNING
        self._block_s = BLOCK_S

    def join(self) -> Steps[None]:
        """Make the group if it is not there. Raises EventsTrimmed if it is to begin where nothing is kept any more."""
        start = yield from self._reached()
        if not start:
            start = self._after or end_of((yield "XREVRANGE", self._key, "+", "-", "COUNT", 1))
            yield from stand(self._keys, start)
            if not (yield from self._created(start)):
                start = yield from self._reached()
        self._place = start
        yield from self._retire("")

    def advance(self) -> Steps[Transition | None]:
        """Acknowledge what was passed on last, and give what comes next; None if nothing came within a moment."""
        if not self._place:
            yield from self.join()
        yield from self.acknowledge()
        if self._hand and self._mono() > self._hand_until:
            self._hand.clear()  # some of it may be somebody else's by now: what is still ours is asked for again
            self._own = True
        if not self._hand:
            self._hand.extend((yield from self._page()))
            self._hand_until = self._mono() + self._retry_after_s / 2
        if not self._hand:
            return None
        cursor, fields = self._hand.popleft()
        self._done.append(cursor)
        self._place = cursor
        return parse(cursor, fields)

    def acknowledge(self) -> Steps[None]:
        """What was passed on will not be given to anybody again."""
        if self._done:
            yield "XACK", self._key, self._group, *self._done
            self._done.clear()

    def leave(self) -> Steps[None]:
        """Forget this consumer, unless it holds something: what it has not begun with is for whoever asks next."""
        yield from self._retire(self.name)

    def _page(self) -> Steps[list[Entry]]:
        """What comes next: what is ours already, what others have held too long, what is new."""
        own, self._own = self._own, True  # until we know better: a reply that is lost leaves us with what it gave
        try:
            page = (yield from self._mine()) if own else []
            if not page and self._mono() >= self._claim_at:
                page = yield from self._claimed()
            if not page:
                page = yield from self._fresh()
        except StateError as error:
            if not said(error, "NOGROUP"):
                raise
            log.warning(
                "Consumer group %r is gone: dropped, or lost with Redis' data. Made anew from %s.", self._group, self._place
            )
            yield from self._created(self._place)
            return []
        self._own = own and bool(page)
        return page

    def _mine(self) -> Steps[list[Entry]]:
        while entries := entries_of((yield *self._read(), "STREAMS", self._key, "0")):
            trimmed = [cursor for cursor, fields in entries if not fields]
            self._missed(len(trimmed))
            if trimmed:
                yield "XACK", self._key, self._group, *trimmed
            if len(trimmed) < len(entries):
                return [entry for entry in entries if entry[1]]
        return []

    def _claimed(self) -> Steps[list[Entry]]:
        ours, idle_ms = (self._key, self._group, self.name), round(self._retry_after_s * 1000)
        answer = yield "XAUTOCLAIM", *ours, idle_ms, self._claim_from, "COUNT", PAGE
        self._claim_from = str(answer[0])
        if self._claim_from == BEGINNING:
            self._claim_at = self._mono() + self._retry_after_s / 2
        if any(not fields for _, fields in answer[1]):
            return (yield from self._mine())  # Redis 6.2 has made those ours that were trimmed, and does not name them
        self._missed(sum(map(len, answer[2:])))  # since Redis 7.0 it names them
        return list(answer[1])

    def _fresh(self) -> Steps[list[Entry]]:
        asked_at = self._mono()
        level, self._level_until = asked_at < self._level_until, 0.0
        facts = None if level else (yield from self._facts())
        if facts is not None:
            self._roomy = facts.kept >= ROOMY
        if facts is not None and facts.overtaken:
            try:
                yield from stand(self._keys, facts.cursor)
            except EventsTrimmed as gap:
                lost = "transitions" if facts.lost is None else f"{facts.lost:,} transitions"
                log.warning("Consumer group %r was overtaken: it has lost %s. %s", self._group, lost, gap)
        block = ("BLOCK", round(self._block_s * 1000)) if self._block_s >= 0.001 else ()  # noqa: PLR2004 - 0 is for ever
        entries = entries_of((yield *self._read(), *block, "STREAMS", self._key, ">"))
        if self._roomy and len(entries) < PAGE:
            self._level_until = asked_at + 2 * BLOCK_S  # from before the read: we may have stood still since it was answered
        return entries

    def _read(self) -> tuple[str | int, ...]:
        return ("XREADGROUP", "GROUP", self._group, self.name, "COUNT", PAGE)

    def _created(self, start: str) -> Steps[bool]:
        try:
            yield "XGROUP CREATE", self._key, self._group, start, "MKSTREAM"
        except StateError as error:
            if not said(error, "BUSYGROUP"):
                raise
            return False
        return True

    def _reached(self) -> Steps[str]:
        """The cursor of what the group was given last, '' if there is no group."""
        facts = yield from self._facts()
        return "" if facts is None else facts.cursor

    def _facts(self) -> Steps[GroupFacts | None]:
        known = yield from groups(self._keys)
        return next((facts for facts in known if facts.name == self._group), None)

    def _retire(self, leaving: str) -> Steps[None]:
        args: tuple[Argument, ...] = (self._group, round(SILENT_S * 1000), leaving, *self._done)
        _, trimmed = yield "EVAL", source("retire"), 1, self._key, *args
        self._missed(trimmed)

    def _missed(self, count: int) -> None:
        if count:
            log.warning("%d transitions for %r of group %r are not kept any more.", count, self.name, self._group)


def said(error: StateError, word: str) -> bool:
    """Whether this was Redis' word for its refusal."""
    return str(error.__cause__).startswith(word)

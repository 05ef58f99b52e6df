"""What the fleet has learnt of dwell times, to read, to forget, and to take over from elsewhere.

Workers write it too, with every settlement (see learn.lua). So pages that are taken in are put down only in the place of
those that they were added to, and added anew where a worker was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.cadence.stays import COUNTED
from fleetpoll.state.connection import server_ms
from fleetpoll.state.pages import GROUPS_KEPT, as_price, page_text, read_page
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Argument, Scripts

SCAN_STEP = 500

Pages = dict[Group, Dwell]


class Knowledge:
    """The pages of one fleet, and its price of a look."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys, groups_kept: int = GROUPS_KEPT) -> None:
        self._client, self._scripts, self._keys, self._groups_kept = client, scripts, keys, groups_kept

    def pages(self, groups: Iterable[Group] | None = None, *, now_ms: int | None = None) -> Pages:
        """The pages of these groups, or of all, as much as they are believed by now; what cannot be read is left out."""
        now_ms = server_ms(self._client) if now_ms is None else now_ms
        texts = self._all() if groups is None else self._some(groups)
        return {group: page for name, text in texts if (group := _group(name)) and (page := read_page(text, now_ms))}

    def price(self) -> float | None:
        """The price of a look, as ln p (see cadence/learned.py); None if no look has been paid for yet."""
        stored: Any = self._client.get(self._keys.price)
        return as_price(stored)

    def put(self, pages: Mapping[Group, Dwell], *, replace: bool = False, now_ms: int | None = None) -> None:
        """Add pages to those of the fleet, or put them in their place, all in one step; they count as noted now.

        Only pages that a worker changes at this very moment are put down in a step of their own.
        """
        now_ms = server_ms(self._client) if now_ms is None else now_ms
        left = list(pages)
        while left:
            args: list[Argument] = [now_ms, self._groups_kept]
            for group, (name, was) in zip(left, self._some(left), strict=True):
                known = None if replace else read_page(was, now_ms)
                args += (name, was, page_text(_together(known or Dwell(), pages[group], group.exits_kept), now_ms))
            left = [Group.read(name) for name in self._scripts.run("teach", (self._keys.dwell, self._keys.dwelt), args)]

    def forget(self, groups: Iterable[Group]) -> int:
        """Forget what was learnt of these groups. Returns of how many something was known."""
        forgotten = 0
        for chunk in chunks(map(str, groups)):
            commands = ("HDEL", self._keys.dwell, *chunk), ("ZREM", self._keys.dwelt, *chunk)
            forgotten += self._client.execute_together(*commands)[0]
        return forgotten

    def forget_all(self) -> int:
        """Forget everything, the price of a look included. Returns of how many groups something was known."""
        everything = ("DEL", self._keys.dwell, self._keys.dwelt, self._keys.price)
        return int(self._client.execute_together(("HLEN", self._keys.dwell), everything)[0])

    def _all(self) -> Iterator[tuple[str, str]]:
        """Every page, in steps that do not hold Redis up."""
        cursor = -1
        while cursor != 0:
            texts: Any
            cursor, texts = self._client.hscan(self._keys.dwell, max(cursor, 0), count=SCAN_STEP)
            yield from texts.items()

    def _some(self, groups: Iterable[Group]) -> Iterator[tuple[str, str]]:
        """The pages of these groups; '' for one that nothing is known of."""
        for chunk in chunks(map(str, groups)):
            texts: Any = self._client.hmget(self._keys.dwell, chunk)
            yield from ((name, text or "") for name, text in zip(chunk, texts, strict=True))


def _together(known: Dwell, more: Dwell, kept: float) -> Dwell:
    """What is known after `more` was learnt."""
    known.learn(more, kept)
    return known


def _group(name: str) -> Group | None:
    """The group of that name; None for a word of another release."""
    try:
        group = Group.read(name)
    except ValueError:
        return None
    return group if group.status in COUNTED else None

"""Dead letters: transitions that a relay could not deliver, kept until somebody sends them again or drops them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetpoll.jobs import Transition, seconds
from fleetpoll.state.events import BEGINNING, Fields, parse, place
from fleetpoll.state.reading import whole
from fleetpoll.state.schedule import event_fields
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Argument

LETTERS_KEPT = 10_000
"""About how many are kept; the oldest are dropped for new ones."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """A transition that was not delivered: to whom, by which group, after how many attempts, and what was said last."""

    transition: Transition
    group: str
    sink: str
    attempts: int
    error: str
    letter_id: str = ""  # its own, given by Redis when it died

    @property
    def died_ms(self) -> int:
        """When it was given up, by Redis' clock."""
        return place(self.letter_id)[0] if self.letter_id else 0

    def public(self) -> dict[str, Any]:
        """The form that users read; times in epoch seconds."""
        return {
            "letter": self.letter_id,
            "died_at": seconds(self.died_ms),
            "group": self.group,
            "sink": self.sink,
            "attempts": self.attempts,
            "error": self.error,
            "transition": self.transition.public(),
        }


class Letters:
    """The dead letters of one fleet."""

    def __init__(self, client: Connection, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def bury(self, group: str, letters: Sequence[Letter]) -> int:
        """Acknowledge these for their group and keep them, at once. Returns how many old ones were dropped for them.

        When the answer is lost, they may be there twice if they are buried again: better than not at all.
        """
        k, adds = self._keys, [("XADD", self._keys.letters, "*", *fields_of(letter)) for letter in letters]
        trim: tuple[Argument, ...] = ("XTRIM", k.letters, "MAXLEN", "~", LETTERS_KEPT)
        ack = ("XACK", k.events, group, *(letter.transition.cursor for letter in letters))
        return int(self._client.execute_together(*adds, trim, ack)[-2])

    def count(self) -> int:
        """How many there are. XLEN would be shorter, and a right that no role has."""
        if not self._client.exists(self._keys.letters):
            return 0
        found: Any = self._client.xinfo_stream(self._keys.letters)
        return int(found["length"])

    def all(self) -> Iterator[Letter]:
        """All that there are, the oldest first."""
        after = BEGINNING
        while page := self._between(f"({after}", "+", PAGE):
            yield from page
            after = page[-1].letter_id

    def named(self, ids: Sequence[str]) -> tuple[list[Letter], list[str]]:
        """Those with these ids of their own, and the ids that none has. Raises SettingsError for what is no id."""
        exact = {one: "{}-{}".format(*place(one)) for one in ids}
        found = {one: self._between(at, at, 1) for one, at in exact.items()}
        return [letter for page in found.values() for letter in page], [one for one, page in found.items() if not page]

    def drop(self, ids: Sequence[str]) -> int:
        """Forget some. Returns how many of them there were."""
        return sum(int(self._client.execute_command("XDEL", self._keys.letters, *chunk)) for chunk in chunks(ids))

    def _between(self, first: str, last: str, count: int) -> list[Letter]:
        entries: Any = self._client.execute_command("XRANGE", self._keys.letters, first, last, "COUNT", count)
        return [letter_of(*entry) for entry in entries]


def fields_of(letter: Letter) -> list[str]:
    """A letter as the alternating fields and values of a stream entry: its own, then those of its transition."""
    own = {"cursor": letter.transition.cursor, "group": letter.group, "sink": letter.sink}
    said = {"attempts": str(letter.attempts), "error": letter.error}
    return [word for pair in (own | said).items() for word in pair] + event_fields(letter.transition)


def letter_of(letter_id: str, fields: Fields) -> Letter:
    """A letter as it is stored."""
    return Letter(
        parse(fields.get("cursor", ""), fields),
        fields.get("group", ""),
        fields.get("sink", ""),
        whole(fields, "attempts"),
        fields.get("error", ""),
        letter_id,
    )

"""The ledger, and the stream backwards, as those read them who keep an index: page by page. It changes nothing.

A record that has not changed since it was read last need not be decoded: its text is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fleetpoll.state.events import parse
from fleetpoll.state.ledger import SCAN_STEP
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.jobs import Transition
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

Records = dict[str, str]
"""Job id -> record, see records.py."""


class Census:
    """The records of one fleet."""

    def __init__(self, client: Connection, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def size(self) -> int:
        """How many jobs are known."""
        known: Any = self._client.hlen(self._keys.ledger)
        return int(known)

    def page(self, cursor: int) -> tuple[int, Records]:
        """Some records, and the cursor of the next ones: 0 begins, and 0 is the end. A record may be given twice."""
        page: Any
        cursor, page = self._client.hscan(self._keys.ledger, cursor, count=SCAN_STEP)
        return int(cursor), page

    def get(self, ids: Sequence[str]) -> Records:
        """The records of those `ids` that are tracked."""
        found: Records = {}
        for chunk in chunks(ids):
            texts: Any = self._client.hmget(self._keys.ledger, chunk)
            found |= {job_id: text for job_id, text in zip(chunk, texts, strict=True) if text}
        return found

    def steps_until(self, cursor: str, count: int) -> list[Transition]:
        """The last transitions up to a cursor, newest first; up to before it if the cursor begins with `(`."""
        entries: Any = self._client.xrevrange(self._keys.events, cursor, count=count)
        return [parse(at, fields) for at, fields in entries]

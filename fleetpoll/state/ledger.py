"""The reader of what is known: snapshots, counts, totals, lags. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fleetpoll.figures import Figures, Totals
from fleetpoll.jobs import JobStatus
from fleetpoll.state.figures import figures_of, totals_of
from fleetpoll.state.reading import whole
from fleetpoll.state.records import record
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.jobs import Snapshot
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

SCAN_STEP = 500
REMEMBERED = 20_000
"""How many ids a scan remembers at least. HSCAN gives again what it has just given, and only where its table shrinks."""


class Ledger:
    """What is known of the jobs of one fleet."""

    def __init__(self, client: Connection, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def get(self, ids: Sequence[str]) -> dict[str, Snapshot]:
        """The snapshots of those `ids` that are tracked."""
        found: dict[str, Snapshot] = {}
        for chunk in chunks(ids):
            records: Any = self._client.hmget(self._keys.ledger, chunk)
            found |= snapshots(chunk, records)
        return found

    def scan(self, statuses: Iterable[JobStatus] = ()) -> Iterator[tuple[str, Snapshot]]:
        """All jobs, in no order and in steps that do not hold Redis up; only those in `statuses`, if any are given.

        A job that comes or goes meanwhile may be left out, none is given twice.
        """
        wanted, seen, before, cursor = frozenset(statuses), set[str](), set[str](), -1
        while cursor != 0:
            page: Any
            cursor, page = self._client.hscan(self._keys.ledger, max(cursor, 0), count=SCAN_STEP)
            for job_id, text in page.items():
                snapshot = record(text)
                if job_id not in seen and job_id not in before and (not wanted or snapshot.status in wanted):
                    seen.add(job_id)
                    yield job_id, snapshot
            if len(seen) > REMEMBERED:
                seen, before = set(), seen

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs have each status, those with none left out."""
        stored: Any = self._client.hgetall(self._keys.counts)
        return {status: n for status in JobStatus if (n := whole(stored, status))}

    def sizes(self) -> tuple[int, int]:
        """How many jobs are live, and how many are known."""
        live: Any = self._client.zcard(self._keys.schedule)
        known: Any = self._client.hlen(self._keys.ledger)
        return int(live), int(known)

    def totals(self) -> Totals:
        """The calls that the fleet made."""
        return totals_of(self._client.hgetall(self._keys.totals))

    def figures(self) -> Figures:
        """All that the fleet has done since it began."""
        counted = self._client.hgetall(self._keys.totals)
        return figures_of(counted, self._client.hgetall(self._keys.figures))


def snapshots(ids: Sequence[str], records: Sequence[str | None]) -> dict[str, Snapshot]:
    """The ledger's answer to `ids`, those left out that it does not know."""
    return {job_id: record(text) for job_id, text in zip(ids, records, strict=True) if text}

"""The reader of what is known: snapshots, counts, totals, lags. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetpoll.jobs import JobStatus
from fleetpoll.state.connection import translated
from fleetpoll.state.reading import record, whole
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.jobs import Snapshot
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys

SCAN_STEP = 500


@dataclass(frozen=True, slots=True)
class Totals:
    """DescribeJobs calls since the fleet began."""

    calls: int = 0
    throttled: int = 0
    failed: int = 0
    ids: int = 0

    @property
    def fill(self) -> float | None:
        """Ids per answered call; None before the first."""
        answered = self.calls - self.throttled - self.failed
        return self.ids / answered if answered > 0 else None


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
        wanted, seen, cursor = frozenset(statuses), set[str](), -1
        while cursor != 0:
            page: Any
            cursor, page = self._client.hscan(self._keys.ledger, max(cursor, 0), count=SCAN_STEP)
            for job_id, text in page.items():
                snapshot = record(text)
                if job_id not in seen and (not wanted or snapshot.status in wanted):
                    seen.add(job_id)
                    yield job_id, snapshot

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs have each status, those with none left out."""
        stored: Any = self._client.hgetall(self._keys.counts)
        return {status: n for status in JobStatus if (n := whole(stored, status))}

    def sizes(self) -> tuple[int, int]:
        """How many jobs are live, and how many are known."""
        with translated():
            pipeline: Any = self._client.pipeline(transaction=False)
            pipeline.zcard(self._keys.schedule)
            pipeline.hlen(self._keys.ledger)
            live, known = pipeline.execute()
        return int(live), int(known)

    def totals(self) -> Totals:
        """The calls that the fleet made."""
        stored: Any = self._client.hgetall(self._keys.totals)
        return Totals(**{name: whole(stored, name) for name in Totals.__slots__})


def snapshots(ids: Sequence[str], records: Sequence[str | None]) -> dict[str, Snapshot]:
    """The ledger's answer to `ids`, those left out that it does not know."""
    return {job_id: record(text) for job_id, text in zip(ids, records, strict=True) if text}

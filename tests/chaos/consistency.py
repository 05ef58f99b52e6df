"""Whether what a fleet stores of its jobs agrees with itself: ledger, schedule, counts and finished ones, at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.state.rooms import Rooms

NAMED_MAX = 3

_decode = msgspec.json.Decoder(Snapshot).decode


@dataclass(frozen=True, slots=True)
class Stored:
    """All of it, as one transaction read it."""

    ledger: dict[str, JobStatus]
    schedule: dict[str, float]
    counts: dict[str, int]
    finished: frozenset[str]

    def problems(self) -> list[str]:
        """A sentence for each disagreement; none when all is well."""
        live = {job_id for job_id, status in self.ledger.items() if not status.terminal}
        over = self.ledger.keys() - live
        recount = Counter(status.value for status in self.ledger.values())
        counted = Counter({status: count for status, count in self.counts.items() if count})
        found = [
            named("live jobs are not scheduled", live - self.schedule.keys()),
            named("jobs are scheduled that are not live", self.schedule.keys() - live),
            named("ended jobs are not among the finished", over - self.finished),
            named("jobs are among the finished that have not ended", self.finished - over),
            f"counts say {dict(counted)}, the ledger {dict(recount)}" if counted != recount else "",
        ]
        return [sentence for sentence in found if sentence]


def stored(rooms: Rooms) -> Stored:
    """Read all of it at one moment."""
    keys = rooms.keys
    pipeline: Any = rooms.client.pipeline(transaction=True)
    pipeline.hgetall(keys.ledger)
    pipeline.zrange(keys.schedule, 0, -1, withscores=True)
    pipeline.hgetall(keys.counts)
    pipeline.zrange(keys.finished, 0, -1)
    ledger, schedule, counts, finished = pipeline.execute()
    return Stored(
        ledger={job_id: _decode(record).status for job_id, record in ledger.items()},
        schedule=dict(schedule),
        counts={status: int(count) for status, count in counts.items()},
        finished=frozenset(finished),
    )


def named(what: str, ids: Iterable[str]) -> str:
    """`what` with the number of these and the names of the first few; '' for none."""
    found = sorted(ids)
    names = ", ".join(found[:NAMED_MAX]) + (", …" if len(found) > NAMED_MAX else "")
    return f"{len(found):,} {what}: {names}" if found else ""

"""What a look has changed: the known snapshot beside what AWS described. Pure: no clock, no I/O.

AWS's statuses are not monotonic (an attempt that fails goes from RUNNING back to RUNNABLE), so any difference of
status or attempt is a transition, in whatever direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import msgspec

from fleetpoll.jobs import Description, JobStatus, Snapshot

COPIED = tuple(f.name for f in msgspec.structs.fields(Description) if f.name not in {"job_id", "array"})
_details = attrgetter(*COPIED)


class Unchanged(msgspec.Struct, frozen=True):
    """Same status, same attempt. `record` is set when details (a reason, a log stream) are new and worth keeping."""

    known: Snapshot
    record: Snapshot | None


class Moved(msgspec.Struct, frozen=True):
    """A transition from `known.status` to `record.status`."""

    known: Snapshot
    record: Snapshot


class Missing(msgspec.Struct, frozen=True):
    """The answer left the job out. `record` is set when the absence counts, that is after the grace."""

    known: Snapshot
    record: Snapshot | None


Outcome = Unchanged | Moved | Missing


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a job may be absent from AWS's answers: `grace_ms` from tracking, then `checks` absences in a row.

    Then it is LOST if AWS never showed it, else EXPIRED.
    """

    grace_ms: int
    checks: int


def compare(known: Snapshot, described: Description | None, now_ms: int, patience: Patience) -> Outcome:
    """What one look says of one job; `described` is None when the answer left it out."""
    if described is None:
        return _missing(known, now_ms, patience)
    if described.status is None:  # AWS has learnt a word that we have not: the job is there, that is all we can say
        return Unchanged(known, msgspec.structs.replace(known, absences=0) if known.absences else None)
    details = _details(described)
    if details == _details(known) and not known.absences:  # most looks end here
        return Unchanged(known, None)
    moved = described.status != known.status or described.attempt > known.attempt
    changed_ms = now_ms if moved else known.changed_ms
    fresh = dict(zip(COPIED, details, strict=True))
    fresh["attempt"] = max(described.attempt, known.attempt)  # an answer without the attempts' details takes none back
    record = msgspec.structs.replace(known, **fresh, changed_ms=changed_ms, absences=0)
    if moved:
        return Moved(known, record)
    return Unchanged(known, None if record == known else record)


def _missing(known: Snapshot, now_ms: int, patience: Patience) -> Outcome:
    if not known.status.terminal and now_ms - known.tracked_ms < patience.grace_ms:
        return Missing(known, None)
    absences = known.absences + 1
    if absences < patience.checks:
        return Missing(known, msgspec.structs.replace(known, absences=absences))
    if known.status.terminal:  # one that is over and was asked for once more stays what it is
        return Missing(known, None)
    status, reason = JobStatus.LOST, f"AWS Batch left this job out of {absences} answers in a row"
    if known.status is not JobStatus.UNSEEN:
        status = JobStatus.EXPIRED
        reason += ": it does not show it any more; it keeps finished jobs for about 7 days"
    given_up = msgspec.structs.replace(
        known, status=status, status_reason=reason, reason="", absences=absences, changed_ms=now_ms
    )
    return Moved(known, given_up)

"""What a look at a job comes to: what is recorded, what is published, and when it is looked at again. Pure."""

from __future__ import annotations

from random import Random

import msgspec

from fleetpoll.cadence.policy import Cadence
from fleetpoll.cadence.stays import standing
from fleetpoll.diff import Missing, Moved, Outcome
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.schedule import Look


def look_of_array(look: Look, outcome: Outcome, rhythm_s: float) -> Look:
    """The settlement of an array that is followed.

    One that was over before it was given, and that an answer left out, is asked for again: its size is not known yet.
    """
    asked_again = isinstance(outcome, Missing) and outcome.known.status.terminal and outcome.record is not None
    return msgspec.structs.replace(look, delay_s=rhythm_s) if asked_again else look


def look_of(job_id: str, outcome: Outcome, cadence: Cadence, now_ms: int, rng: Random) -> Look:
    """One job's settlement: what to record, what to publish, when to look again."""
    record = outcome.record or outcome.known
    transition = Transition.between(job_id, outcome.known, outcome.record) if isinstance(outcome, Moved) else None
    if record.status.terminal:
        cadence.ended()
        return Look(job_id, None, record, transition)
    return Look(job_id, cadence.delay_s(standing(record, now_ms), rng), outcome.record, transition)


def rejected(job_id: str, known: Snapshot, reason: str, now_ms: int) -> Look:
    """The settlement of a job about which AWS refuses the very question."""
    if known.status.terminal:  # an array that was looked at once more for its children's sake
        return Look(job_id, None)
    record = msgspec.structs.replace(known, status=JobStatus.REJECTED, status_reason=reason, reason="", changed_ms=now_ms)
    return Look(job_id, None, record, Transition.between(job_id, known, record))

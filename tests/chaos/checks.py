"""What must be true after a run, whatever was done to the fleet. Pure: a history in, sentences out, none if all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from fleetpoll.jobs import JobStatus
from tests.chaos.consistency import named
from tests.chaos.history import Freeze, History
from tests.chaos.notes import Entry
from tests.conftest import PERMANENT

THAW_MS = 500
"""Between a signal of ours and the moment that we noted for it."""
RESUMES_S = 5.0
"""When Redis is back the fleet calls within this time, if there is something to ask and somebody to do it."""

Check = Callable[[History], Iterable[str]]


def every_promise_is_kept(history: History) -> Iterable[str]:
    """Every job whose tracking was acknowledged is known, and its end was told."""
    yield named("acknowledged jobs are not known", history.acknowledged - history.stored.ledger.keys())
    yield named("acknowledged jobs have no end in the stream", history.acknowledged - set(ends(history.stream)))


def ends_are_told_once(history: History) -> Iterable[str]:
    """No job ends twice, none that was never made, and after its end nothing is told of it."""
    told = Counter(entry.job_id for entry in history.stream if terminal(entry.after))
    yield named("jobs ended more than once", [job_id for job_id, times in told.items() if times > 1])
    yield named("jobs in the stream were never made", {entry.job_id for entry in history.stream} - history.born)
    yield named("jobs moved on after their end", {entry.job_id for entry in history.stream if terminal(entry.before)})


def ends_are_true(history: History) -> Iterable[str]:
    """What was told, and is stored, is what the simulator knows."""
    told = ends(history.stream)
    yield named("ends are not the truth", [i for i, status in told.items() if status != history.truth.get(i)])
    known = history.stored.ledger.items()
    yield named("stored statuses are not the truth", [i for i, status in known if status != history.truth.get(i)])
    yield named("jobs were given up as lost", [i for i, status in told.items() if status == JobStatus.LOST])


def steps_follow_each_other(history: History) -> Iterable[str]:
    """Each transition of a job begins where the one before it ended: none is missing between them."""
    last: dict[str, str] = {}
    broken = set()
    for entry in history.stream:
        if entry.before != last.get(entry.job_id, JobStatus.UNSEEN):
            broken.add(entry.job_id)
        last[entry.job_id] = entry.after
    yield named("jobs have a gap in their transitions", broken)


def the_allowance_is_kept(history: History) -> Iterable[str]:
    """The API's own limit turned nothing away, and no call was made without a token."""
    api = history.api
    refused = api.throttled - api.strays
    yield f"{refused:,} calls were over the allowance" if refused else ""
    over = api.calls - history.totals.granted
    yield f"{over:,} calls were made without a token" if over > 0 else ""


def nobody_calls_when_none_may(history: History) -> Iterable[str]:
    """While Redis is away, or the budget is paused, no call is made but by who was frozen with a token in hand."""
    for quiet in history.quiets:
        if quiet.calls > quiet.excused:
            yield f"{quiet.calls:,} calls while {quiet.why}, {quiet.excused} excused"


def calls_come_back(history: History) -> Iterable[str]:
    """Soon after Redis is back a call is made."""
    late = [one.silent_s for one in history.returns if one.silent_s > RESUMES_S]
    yield f"{len(late):,} times no call came for up to {max(late):.1f} s after Redis was back" if late else ""


def no_lease_is_held_by_two(history: History) -> Iterable[str]:
    """No job is asked for twice at a time, but by a worker that stood still for longer than its lease's margin."""
    long = [one for one in history.freezes if one.thawed_ms - one.frozen_ms > history.margin_s * 1000]
    bad = [
        (asked_ms, ids)
        for asked_ms, answered_ms, ids in history.api.overlaps
        if not any(excuses(freeze, asked_ms, answered_ms, history.call_s) for freeze in long)
    ]
    times = ", ".join(f"{asked_ms}" for asked_ms, _ in bad[:3])
    yield f"{len(bad):,} calls overlapped in {sum(ids for _, ids in bad):,} ids, at {times} ms" if bad else ""
    yield f"{history.api.with_duplicates:,} calls named an id twice" if history.api.with_duplicates else ""
    yield f"{history.api.over_100:,} calls had more than 100 ids" if history.api.over_100 else ""


def what_is_stored_agrees(history: History) -> Iterable[str]:
    """In the end, and at each look in between, schedule, ledger, counts and finished ones tell the same."""
    yield from history.moments[:5]
    yield from history.stored.problems()
    yield named("jobs are still scheduled", history.stored.schedule)
    totals = history.totals
    made = totals.calls - totals.throttled - totals.failed
    yield f"totals do not add up: {totals}" if made < 0 or totals.calls > history.api.calls else ""


def no_key_stays(history: History) -> Iterable[str]:
    """No key lives for ever but those that are meant to."""
    yield named("keys would stay for ever", history.permanent_keys - PERMANENT)


def readers_miss_nothing(history: History) -> Iterable[str]:
    """Who follows the stream reads all of it, in order, each entry once."""
    if history.read != history.stream:
        seen, there = Counter(history.read), Counter(history.stream)
        missed, more = (there - seen).total(), (seen - there).total()
        yield f"the reader missed {missed:,}, read {more:,} more than once, of {len(history.stream):,}; or in another order"


def consumers_miss_nothing(history: History) -> Iterable[str]:
    """The consumers of a group together were given everything at least once, and nothing that is not there."""
    consumed, stream = set(history.consumed), set(history.stream)
    yield named("transitions were given to no consumer", [entry.cursor for entry in stream - consumed])
    yield named("transitions were given that are not in the stream", [entry.cursor for entry in consumed - stream])


def waits_come_back_right(history: History) -> Iterable[str]:
    """Every wait that was begun has ended, for all its jobs, with the truth."""
    begun = [tuple(burst.ids) for burst in history.bursts if burst.acknowledged]
    ended = {tuple(wait.ids): wait for wait in history.waits}
    yield named("waits never came back", [ids[0] for ids in begun if ids not in ended])
    wrong = [
        wait.ids[0]
        for wait in history.waits
        if wait.gone or wait.reached != {job_id: history.truth.get(job_id) for job_id in wait.ids}
    ]
    yield named("waits came back wrong", wrong)


def everybody_leaves(history: History) -> Iterable[str]:
    """Nobody outlives a supervisor, and supervisors leave when they are told to."""
    yield named("pollers outlived their supervisor", map(str, history.orphans))
    yield named("supervisors did not leave well", [name for name, code in history.exits.items() if code != 0])


CHECKS: tuple[Check, ...] = (
    every_promise_is_kept,
    ends_are_told_once,
    ends_are_true,
    steps_follow_each_other,
    the_allowance_is_kept,
    nobody_calls_when_none_may,
    calls_come_back,
    no_lease_is_held_by_two,
    what_is_stored_agrees,
    no_key_stays,
    readers_miss_nothing,
    consumers_miss_nothing,
    waits_come_back_right,
    everybody_leaves,
)


def failures(history: History) -> list[str]:
    """All that is not as it must be."""
    return [f"{check.__name__}: {sentence}" for check in CHECKS for sentence in check(history) if sentence]


def ends(entries: Iterable[Entry]) -> dict[str, str]:
    """The ends that were told, by job."""
    return {entry.job_id: entry.after for entry in entries if terminal(entry.after)}


def terminal(status: str) -> bool:
    """Whether this is the end of a job."""
    return JobStatus(status).terminal


def excuses(freeze: Freeze, asked_ms: int, answered_ms: int, call_s: float) -> bool:
    """Whether a call was under way while one of a worker that had just thawed may have been."""
    return answered_ms >= freeze.thawed_ms - THAW_MS and asked_ms <= freeze.thawed_ms + call_s * 1000

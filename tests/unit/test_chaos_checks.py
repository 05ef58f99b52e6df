"""Each check of the chaos driver fails on a history in which its promise is broken, and on no good one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from fleetpoll.jobs import JobStatus
from tests.chaos import checks
from tests.chaos.consistency import Stored
from tests.chaos.history import Api, Freeze, History, Quiet, Return, Totals
from tests.chaos.notes import Burst, Entry, Wait
from tests.chaos.plan import Act, plan

ENDS = {"a": "SUCCEEDED", "b": "FAILED"}
STREAM = [
    Entry("1-0", "a", "UNSEEN", "RUNNING"),
    Entry("2-0", "b", "UNSEEN", "FAILED"),
    Entry("3-0", "a", "RUNNING", "SUCCEEDED"),
]
GOOD = History(
    bursts=[Burst(["a", "b"], acknowledged=False), Burst(["a", "b"], acknowledged=True), Burst(["c"], acknowledged=False)],
    truth=ENDS | {"c": "RUNNING"},
    stored=Stored(
        {job_id: JobStatus(status) for job_id, status in ENDS.items()}, {}, {"SUCCEEDED": 1, "FAILED": 1}, frozenset(ENDS)
    ),
    stream=STREAM,
    read=STREAM,
    consumed=[STREAM[1], *STREAM],
    waits=[Wait(["a", "b"], ENDS, [])],
    api=Api(calls=10, throttled=2, strays=2, overlaps=((20_100, 20_200, 7),)),
    totals=Totals(granted=10, calls=9, throttled=2, failed=1),
    quiets=[Quiet("Redis was down", 0, 0), Quiet("Redis was down", 1, 1)],
    returns=[Return(0.3, 0.0, called=True), Return(18.5, 4.9, called=True), Return(9.0, 2.0, called=False)],
    freezes=[Freeze(5_000, 20_000)],
    permanent_keys=frozenset({"ledger", "schedule"}),
    exits={"supervisor-1": 0},
)
"""Two jobs ended, one was made and never acknowledged; a poller was frozen beyond its lease, and was late with a call."""


def ledger(**statuses: JobStatus) -> Stored:
    """What is stored, with a job more or another status."""
    found = dict(GOOD.stored.ledger) | statuses
    counts = {status.value: list(found.values()).count(status) for status in found.values()}
    over = frozenset(job_id for job_id, status in found.items() if status.terminal)
    return Stored(found, dict.fromkeys(found.keys() - over, 1.0), counts, over)


def api(**counted: Any) -> Api:
    """What the API's side counted, some of it otherwise."""
    return dataclasses.replace(GOOD.api, **counted)


NOTHING: History = History()
BAD: list[tuple[checks.Check, dict[str, Any]]] = [
    (checks.every_promise_is_kept, {"stored": Stored({"a": JobStatus.SUCCEEDED}, {}, {"SUCCEEDED": 1}, frozenset("a"))}),
    (checks.every_promise_is_kept, {"stream": STREAM[:2]}),
    (checks.ends_are_told_once, {"stream": [*STREAM, Entry("4-0", "a", "RUNNING", "SUCCEEDED")]}),
    (checks.ends_are_told_once, {"stream": [*STREAM, Entry("4-0", "a", "SUCCEEDED", "RUNNING")]}),
    (checks.ends_are_told_once, {"stream": [*STREAM, Entry("4-0", "x", "UNSEEN", "RUNNING")]}),
    (checks.ends_are_true, {"truth": ENDS | {"b": "SUCCEEDED"}}),
    (checks.ends_are_true, {"stored": ledger(b=JobStatus.SUCCEEDED)}),
    (checks.ends_are_true, {"stream": [Entry("1-0", "a", "UNSEEN", "LOST")], "truth": {"a": "LOST"}}),
    (checks.steps_follow_each_other, {"stream": STREAM[1:]}),
    (checks.the_allowance_is_kept, {"api": api(strays=1)}),
    (checks.the_allowance_is_kept, {"api": api(calls=11)}),
    (checks.nobody_calls_when_none_may, {"quiets": [Quiet("the budget was paused", 2, 1)]}),
    (checks.calls_come_back, {"returns": [Return(5.1, 5.1, called=True)]}),
    (checks.calls_come_back, {"returns": [Return(9.0, 5.1, called=False)]}),
    (checks.no_lease_is_held_by_two, {"freezes": []}),
    (checks.no_lease_is_held_by_two, {"freezes": [Freeze(18_500, 20_000)]}),
    (checks.no_lease_is_held_by_two, {"api": api(overlaps=((24_100, 24_200, 1),))}),
    (checks.no_lease_is_held_by_two, {"api": api(with_duplicates=1)}),
    (checks.no_lease_is_held_by_two, {"api": api(over_100=1)}),
    (checks.what_is_stored_agrees, {"moments": ["at 3 s: counts say one thing, the ledger another"]}),
    (checks.what_is_stored_agrees, {"stored": ledger(c=JobStatus.RUNNING)}),
    (checks.what_is_stored_agrees, {"stored": dataclasses.replace(GOOD.stored, counts={"SUCCEEDED": 2})}),
    (checks.what_is_stored_agrees, {"stored": dataclasses.replace(GOOD.stored, finished=frozenset("a"))}),
    (checks.what_is_stored_agrees, {"stored": dataclasses.replace(GOOD.stored, finished=frozenset("abc"))}),
    (checks.what_is_stored_agrees, {"stored": dataclasses.replace(ledger(c=JobStatus.RUNNING), schedule={})}),
    (checks.what_is_stored_agrees, {"totals": Totals(granted=10, calls=11)}),
    (checks.no_key_stays, {"permanent_keys": frozenset({"ledger", "lock:a"})}),
    (checks.readers_miss_nothing, {"read": STREAM[:2]}),
    (checks.readers_miss_nothing, {"read": [*STREAM, STREAM[2]]}),
    (checks.readers_miss_nothing, {"read": [STREAM[1], STREAM[0], STREAM[2]]}),
    (checks.consumers_miss_nothing, {"consumed": STREAM[1:]}),
    (checks.consumers_miss_nothing, {"consumed": [*STREAM, Entry("4-0", "a", "RUNNING", "SUCCEEDED")]}),
    (checks.waits_come_back_right, {"waits": []}),
    (checks.waits_come_back_right, {"waits": [Wait(["a", "b"], ENDS | {"b": "LOST"}, [])]}),
    (checks.waits_come_back_right, {"waits": [Wait(["a", "b"], {"a": "SUCCEEDED"}, ["b"])]}),
    (checks.everybody_leaves, {"orphans": [17]}),
    (checks.everybody_leaves, {"exits": {"supervisor-1": None}}),
]


def test_a_good_history_passes() -> None:
    """What may happen is no failure: stray 429, a late call of a frozen worker, a job that nobody promised."""
    assert checks.failures(GOOD) == []
    assert checks.failures(NOTHING) == []


@pytest.mark.parametrize(("check", "broken"), BAD, ids=[f"{n}-{check.__name__}" for n, (check, _) in enumerate(BAD)])
def test_a_broken_promise_is_found(check: Callable[[History], Any], broken: dict[str, Any]) -> None:
    """The check says what is wrong."""
    assert [sentence for sentence in check(dataclasses.replace(GOOD, **broken)) if sentence]


def test_every_check_can_fail() -> None:
    """No check is without a history that it refuses."""
    assert {check for check, _ in BAD} == set(checks.CHECKS)


def test_stored_state_that_disagrees_is_named() -> None:
    """Each way in which ledger, schedule, counts and finished ones may disagree has a sentence."""
    bad = Stored({"a": JobStatus.RUNNING, "b": JobStatus.FAILED}, {"x": 1.0}, {"RUNNING": 2}, frozenset("y"))
    assert bad.problems() == [
        "1 live jobs are not scheduled: a",
        "1 jobs are scheduled that are not live: x",
        "1 ended jobs are not among the finished: b",
        "1 jobs are among the finished that have not ended: y",
        "counts say {'RUNNING': 2}, the ledger {'RUNNING': 1, 'FAILED': 1}",
    ]


def test_a_seed_says_what_is_done_when() -> None:
    """The same seed plans the same acts, another one others; what is left out changes none of the rest."""
    acts = plan(7, 120.0)
    assert acts == plan(7, 120.0)
    assert acts != plan(8, 120.0)
    assert plan(7, 120.0, [Act.KILL_REDIS]) == [moment for moment in acts if moment.act is not Act.KILL_REDIS]
    assert all(before.at_s <= after.at_s < 120.0 for before, after in pairwise(acts))
    assert {moment.act for moment in plan(7, 600.0)} == set(Act)

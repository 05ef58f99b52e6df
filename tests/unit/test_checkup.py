"""The doctor's checks that need no server: figures in, a grade and what to do out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetpoll.awsbatch.purse import Purse
from fleetpoll.client.checkup.aws import check_credentials, check_throttles
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.readers import check_groups
from fleetpoll.client.checkup.relations import Load, check_relations
from fleetpoll.client.checkup.server import check_clock, check_durability, check_memory, check_replicas, megabytes
from fleetpoll.client.checkup.service import check_service
from fleetpoll.client.checkup.workers import check_leases
from fleetpoll.client.status import Lag
from fleetpoll.figures import Figures, Totals
from fleetpoll.settings import Settings
from fleetpoll.state.access import RIGHTS, Role
from fleetpoll.state.groups import GroupFacts
from fleetpoll.state.probe import Durability, Memory, ServerFacts
from fleetpoll.state.rights import HARMLESS, UNTRIED
from tests.unit.test_health import BUCKET, fleet, lately

OK, WARN, FAIL = Grade
SERVER = ServerFacts("redis", "8.0", (8, 0), append_only=True, eviction="noeviction", round_trip_s=0, ahead_s=0, topology="")
LOAD = Load(live=5_000, finished=0, workers=4, granted=10.0)


def grades(findings: Any) -> dict[str, Grade]:
    """Each check's grade."""
    return {finding.check: finding.grade for finding in findings}


@pytest.mark.parametrize(
    ("kept", "append_only", "grade", "words"),
    [
        (Durability(aof_bytes=5_000_000, delayed=3), True, OK, "5.0 MB, its disk held up 3 fsyncs"),
        (Durability(), False, WARN, "AOF is off"),
        (Durability(), None, WARN, "does not say"),
        (Durability(write_failed=True), True, FAIL, "last write"),
        (Durability(rewrite_failed=True), True, WARN, "rewrite failed"),
        (Durability(saving_refused=True), False, FAIL, "snapshot failed"),
    ],
)
def test_durability(kept: Durability, *, append_only: bool | None, grade: Grade, words: str) -> None:
    """What outlasts a restart, and what stops a fleet."""
    found = check_durability(replace(SERVER, durability=kept, append_only=append_only))
    assert (found.grade, found.found.count(words)) == (grade, 1)
    assert bool(found.advice) is (grade is not OK)


@pytest.mark.parametrize(
    ("memory", "grade"),
    [
        (Memory(used=10**9), OK),
        (Memory(used=79, limit=100), OK),
        (Memory(used=81, limit=100), WARN),
        (Memory(used=96, limit=100), FAIL),
        (Memory(used=80, machine=100), WARN),
        (Memory(used=1, evicted=1), FAIL),
    ],
)
def test_memory(memory: Memory, grade: Grade) -> None:
    """Room for more jobs, against the server's own limit or the machine's."""
    assert check_memory(memory).grade is grade


def test_replicas_are_held_against_what_track_promises() -> None:
    """Too few are a failure, as they are for `track`; without any there is nothing to say."""
    seen = [
        grades(check_replicas(replace(SERVER, replicas=has), wanted)) for has, wanted in ((0, 0), (2, 0), (1, 2), (2, 2))
    ]
    assert seen == [{}, {"replicas": OK}, {"replicas": FAIL}, {"replicas": OK}]
    assert list(check_replicas(replace(SERVER, replicas=None), 1)) == []


def test_clocks_that_differ_by_minutes_are_a_failure() -> None:
    """AWS refuses signatures then; seconds only confuse people."""
    assert [check_clock(ahead_s).grade for ahead_s in (0.5, -3.0, 300.0)] == [OK, WARN, FAIL]


@pytest.mark.parametrize(
    ("settings", "load", "check", "grade"),
    [
        ({}, LOAD, "freshness", OK),
        ({}, replace(LOAD, live=50_000), "freshness", WARN),
        ({}, replace(LOAD, live=0), "freshness", OK),
        ({}, LOAD, "reach", OK),
        ({"rate": 100.0}, LOAD, "reach", WARN),
        ({}, replace(LOAD, call_s=2.0), "reach", WARN),
        ({"burst": 50.0}, LOAD, "burst", WARN),
        ({"burst": 5.0}, LOAD, "burst", OK),
        ({"visibility": 900.0}, LOAD, "visibility", WARN),
        ({"finished_kept": 60.0}, LOAD, "kept", WARN),
        ({}, LOAD, "kept", OK),
    ],
)
def test_settings_beside_each_other(settings: dict[str, Any], load: Load, check: str, grade: Grade) -> None:
    """Each relation that does not hold is a warning that says what would."""
    assert grades(check_relations(Settings(**settings), load))[check] is grade


def test_a_rate_is_advised_that_makes_jobs_fresh() -> None:
    """50,000 jobs every 5 s are 100 calls a second of 100 each."""
    found = {one.check: one for one in check_relations(Settings(), replace(LOAD, live=50_000))}["freshness"]
    assert "a look at each takes 50 s" in found.found
    assert "about 100 calls/s" in found.advice


@pytest.mark.parametrize(
    ("purse", "grade", "words"),
    [
        (None, FAIL, "none"),
        (Purse("the environment", temporary=False, renewed=False, expires_s=None), OK, "from the environment"),
        (Purse("the environment", temporary=True, renewed=False, expires_s=None), WARN, "nobody knows"),
        (Purse("the environment", temporary=True, renewed=False, expires_s=1500.0), WARN, "good for 8 m"),
        (Purse("the environment", temporary=True, renewed=False, expires_s=900.0), FAIL, "expired"),
        (Purse("the instance's role", temporary=True, renewed=True, expires_s=1500.0), OK, "then renewed"),
    ],
)
def test_credentials(purse: Purse | None, grade: Grade, words: str) -> None:
    """Those that nobody renews are warned of in time."""
    found = check_credentials(purse, now_s=1000.0)
    assert (found.grade, words in found.found) == (grade, True), found


def test_throttles_far_below_the_rate_are_somebody_elses() -> None:
    """A limit that is met at less than half of `rate` makes one look for other pollers."""
    calm, met = fleet(), fleet(bucket=replace(BUCKET, limit=3.0), totals=Totals(1000, 1))
    many = fleet(totals=Totals(calls=1000, throttled=50))
    assert [check_throttles(seen, None).grade for seen in (calm, met, many)] == [OK, WARN, WARN]
    assert "others of this account" in check_throttles(met, None).advice
    assert check_throttles(many, lately(throttled_per_s=0.0)).grade is OK  # that was long ago


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (GroupFacts("g", consumers=1, pending=1, cursor="1-1", lag=10), (OK, "g is furthest behind, by 10")),
        (GroupFacts("g", consumers=0, pending=0, cursor="1-1", lag=10), (WARN, "nobody reads for g; 10 transitions wait")),
        (GroupFacts("g", consumers=1, pending=0, cursor="1-1", lag=600_000), (WARN, "600,000 behind, of 1,000,000")),
        (GroupFacts("g", consumers=1, pending=0, cursor="1-1", lag=9, lost=3), (FAIL, "has lost 3 transitions")),
        (GroupFacts("g", consumers=1, pending=0, cursor="1-1", lag=None, lost=None), (FAIL, "has lost transitions")),
    ],
)
def test_groups_that_fall_behind(group: GroupFacts, expected: tuple[Grade, str]) -> None:
    """Before they lose transitions they are warned of, and after it they fail."""
    (found,) = check_groups([group], Settings())
    assert (found.grade, expected[1] in found.found) == (expected[0], True), found


def test_lag_and_staleness_are_held_against_the_sweep() -> None:
    """What the allowance makes necessary is no fault of the fleet's; four times that is."""
    seen = fleet(lag=Lag(20.0, 47.0, 60.0))
    late = fleet(lag=Lag(20.0, 49.0, 60.0))
    assert grades(check_service(Settings(), seen, lately(age_p99_s=119.0))) == {"lag": OK, "staleness": OK}
    assert grades(check_service(Settings(), late, lately(age_p99_s=121.0))) == {"lag": WARN, "staleness": WARN}
    assert list(check_service(Settings(), fleet(), None)) == []


def test_leases_that_run_out_are_counted() -> None:
    """A few are workers that were killed."""
    cases = (Figures(), Figures(leases=1000, expired=4), Figures(leases=1000, expired=11))
    assert [grades(check_leases(figures)).get("leases") for figures in cases] == [None, OK, WARN]


def test_every_command_of_every_role_is_tried() -> None:
    """A right that a role gets has a harmless form, or is known to have none."""
    needed = frozenset[str]().union(*(RIGHTS[role].all() for role in Role))
    assert needed - UNTRIED == frozenset(HARMLESS)


def test_sizes_are_read_by_people() -> None:
    """In the unit that makes the number short."""
    assert [megabytes(size) for size in (400_000, 12_300_000, 3_200_000_000)] == ["0.4 MB", "12 MB", "3.2 GB"]
    assert Finding("c", OK, "f").advice == ""

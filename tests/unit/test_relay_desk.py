"""The policy of a relay, in a time that is made up: what goes next, what is tried again, what is given up."""

from __future__ import annotations

import math
from random import Random

import pytest

from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.relay.circuit import OPENS_AFTER, PROBE_S, REFUSALS_MAX
from fleetpoll.relay.desk import WAIT_MAX_S, Desk, Outcome
from fleetpoll.relay.parcels import Answer, Parcel, Verdict

GOOD, BAD, NO = Answer(Verdict.DELIVERED), Answer(Verdict.FAILED, "down"), Answer(Verdict.REFUSED, "no")
ATTEMPTS = 3
NEVER = 1e9


def transition(number: int, job: str = "") -> Transition:
    """The transition at a place of the stream."""
    return Transition(
        job_id=job or f"job-{number}",
        job_name="",
        before=JobStatus.RUNNING,
        after=JobStatus.FAILED,
        attempt=1,
        exit_code=None,
        reason="",
        log_stream="",
        created_ms=0,
        started_ms=0,
        stopped_ms=0,
        detected_ms=0,
        cursor=f"{number}-0",
    )


def desk(*jobs: str, batch: int = 1, linger_s: float = 0.0, count: int = 0) -> Desk:
    """A desk with a transition of each job, or with so many of different jobs."""
    made = Desk(ATTEMPTS, batch, linger_s, Random(1))
    made.put([transition(n, job) for n, job in enumerate(jobs or [""] * count, 1)], 0.0)
    return made


def taken(at: Desk, now: float) -> list[Parcel]:
    """All that may go."""
    found = []
    while parcel := at.next(now):
        found.append(parcel)
    return found


def only(at: Desk, now: float) -> Parcel:
    """The one that may go."""
    (parcel,) = taken(at, now)
    return parcel


def cursors(parcels: list[Parcel]) -> list[list[str]]:
    """What is in them, without the zeros."""
    return [[cursor.removesuffix("-0") for cursor in parcel.cursors] for parcel in parcels]


def test_everything_goes_in_the_order_of_the_stream() -> None:
    """Each by itself, none twice, and what is delivered is to be acknowledged."""
    at = desk(count=3)
    parcels = taken(at, 0.0)

    assert cursors(parcels) == [["1"], ["2"], ["3"]]
    assert at.answered(parcels[1], GOOD, 0.0) == Outcome(done=["2-0"])
    assert (len(at), at.under_way, at.wait_s(0.0)) == (2, 2, math.inf)


def test_one_job_goes_one_by_one() -> None:
    """Its next transition waits for the one before, also while that is tried again; other jobs do not."""
    at = desk("a", "a", "b")
    first, other = taken(at, 0.0)
    assert cursors([first, other]) == [["1"], ["3"]]

    at.answered(first, BAD, 0.0)
    assert taken(at, 0.0) == []
    (again,) = taken(at, 10.0)
    assert again is first
    at.answered(again, GOOD, 10.0)
    assert cursors(taken(at, 10.0)) == [["2"]]


def test_what_is_barred_is_nothing_to_wait_for() -> None:
    """Nothing can go before what bars it is tried again, however long it has waited: else the relay would spin."""
    at = desk("a", "a")
    failing = only(at, 0.0)
    at.answered(failing, BAD, 0.0)
    assert at.wait_s(0.1) == failing.due - 0.1

    batch = desk("a", "a", batch=2)
    batch.answered(only(batch, 0.0), NO, 0.0)
    first = only(batch, 0.0)
    assert batch.wait_s(0.0) == math.inf
    batch.answered(first, BAD, 0.0)
    assert batch.wait_s(0.0) == first.due


def test_a_batch_waits_a_moment_for_company() -> None:
    """Until it is full or its first has waited long enough; two transitions of one job may go in one."""
    at = desk("a", "a", batch=3, linger_s=1.0)
    assert (at.next(0.5), at.wait_s(0.5)) == (None, 0.5)
    assert cursors(taken(at, 1.0)) == [["1", "2"]]

    full = desk(count=7, batch=3, linger_s=1.0)
    assert cursors(taken(full, 0.0)) == [["1", "2", "3"], ["4", "5", "6"]]


def test_what_fails_while_others_are_delivered_is_given_up() -> None:
    """After so many failures, each with a growing pause before the next try."""
    at, now, pauses = desk(count=1), 0.0, list[float]()
    for attempt in range(ATTEMPTS):
        now += pauses[-1] if pauses else 0.0
        (failing,) = taken(at, now)
        at.answered(failing, BAD, now)
        pauses.append(failing.due - now)
        at.put([transition(100 + attempt)], now)
        (well,) = taken(at, now)
        outcome = at.answered(well, GOOD, now)

    assert outcome.dead == [failing]
    assert (failing.words, len(at)) == ("down", 0)
    assert pauses == sorted(pauses)


def test_a_sink_that_fails_costs_nobody_anything() -> None:
    """However long it lasts: one delivery at a time is tried, each transition in turn, and none is given up."""
    at = desk(count=8)
    outcomes = [at.answered(parcel, BAD, 0.0) for parcel in taken(at, 0.0)]
    assert [outcome.opened for outcome in outcomes] == [number == OPENS_AFTER for number in range(1, 9)]

    now, tried = 0.0, list[str]()
    for _ in range(40):
        now += at.wait_s(now)
        (probe,) = taken(at, now)
        tried += probe.cursors
        assert at.answered(probe, BAD, now) == Outcome()
    assert set(tried) == {f"{n}-0" for n in range(1, 9)}
    assert now > 20 * PROBE_S[1]

    now += at.wait_s(now)
    outcome = at.answered(only(at, now), GOOD, now)
    assert outcome.closed
    assert len(taken(at, now + NEVER)) == 7
    assert [at.answered(parcel, GOOD, now).dead for parcel in list(at._out)] == [[]] * 7


def test_after_an_outage_all_go_at_once() -> None:
    """What was tried often while the sink was away does not wait for the end of its pause, which has grown to minutes."""
    at, now = desk("a", "b"), 0.0
    for _ in range(30):
        now += at.wait_s(now)
        for parcel in taken(at, now):
            at.answered(parcel, BAD, now)

    now += at.wait_s(now)
    assert at.answered(only(at, now), GOOD, now).closed
    assert (at.wait_s(now), len(taken(at, now))) == (0.0, 1)


def test_one_that_fails_alone_does_not_hold_up_what_comes_after() -> None:
    """In a quiet stream it looks as if the sink failed, until something else is delivered."""
    at, now = desk(count=1), 0.0
    for _ in range(OPENS_AFTER + 3):
        now += at.wait_s(now)
        at.answered(only(at, now), BAD, now)
    assert at.circuit.open

    at.put([transition(2)], now)
    now += at.wait_s(now)
    (other,) = taken(at, now)
    assert other.cursors == ["2-0"]
    assert at.answered(other, GOOD, now).closed


def test_what_is_refused_is_given_up_at_once() -> None:
    """But not if the sink refuses everything."""
    at = desk(count=REFUSALS_MAX + 1)
    outcomes = [at.answered(parcel, NO, 0.0) for parcel in taken(at, 0.0)]

    assert [len(outcome.dead) for outcome in outcomes] == [1] * REFUSALS_MAX + [0]
    assert len(at) == 1


@pytest.mark.parametrize("answers", [[NO], [BAD, GOOD, BAD, GOOD]])
def test_a_batch_that_will_not_do_is_taken_apart(answers: list[Answer]) -> None:
    """Only the culprit in it is given up; transitions of one job keep their order."""
    at = desk("a", "a", "b", batch=3)
    now = 0.0
    for answer in answers:
        now += at.wait_s(now) if answer is BAD else 0.0
        if answer is GOOD:
            at.put([transition(50 + round(now), f"c{n}") for n in range(3)], now)
        at.answered(only(at, now), answer, now)

    now += 0.1
    parcels = taken(at, now)
    assert cursors(parcels) == [["1"], ["3"]]
    at.answered(parcels[0], GOOD, now)
    assert at.answered(parcels[1], NO, now).dead == [parcels[1]]
    assert cursors(taken(at, now)) == [["2"]]


def test_a_sink_that_is_busy_is_left_alone() -> None:
    """As long as it says, within reason; that counts against nobody."""
    at = desk(count=2)
    first, second = taken(at, 0.0)
    at.answered(first, Answer(Verdict.BUSY, wait_s=7.0), 0.0)
    at.answered(second, Answer(Verdict.BUSY, wait_s=10 * WAIT_MAX_S), 0.0)

    assert (taken(at, WAIT_MAX_S - 1), at.wait_s(0.0)) == ([], WAIT_MAX_S)
    assert len(taken(at, WAIT_MAX_S)) == 2
    assert (first.failures, first.doubtful, at.circuit.open) == (0, 0, False)


def test_a_sink_that_is_busy_and_says_now_is_not_asked_without_a_pause() -> None:
    """A second at least; and several that were refused together are one refusal."""
    at = desk(count=4)
    for parcel in taken(at, 0.0):
        at.answered(parcel, Answer(Verdict.BUSY), 0.0)
    assert at.wait_s(0.0) == 1.0

    for parcel in taken(at, 1.0):
        at.answered(parcel, Answer(Verdict.BUSY, wait_s=0.0), 1.0)
    assert at.wait_s(1.0) == 1.0


def test_a_sink_that_does_not_say_how_long_is_left_alone_longer_each_time() -> None:
    """So that it is not asked for ever as quickly as it refuses."""
    at, now, pauses = desk(count=1), 0.0, list[float]()
    for _ in range(5):
        at.answered(only(at, now), Answer(Verdict.BUSY), now)
        pauses.append(at.wait_s(now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16]


def test_what_others_have_taken_over_is_not_begun_with() -> None:
    """Whether it is new or waits to be tried again; its job's next one may go."""
    at = desk("a", "a", "b")
    first, other = taken(at, 0.0)
    at.answered(first, BAD, 0.0)
    at.lose({"1-0"})

    assert cursors(taken(at, 0.0)) == [["2"]]
    assert at.answered(other, GOOD, 0.0).done == ["3-0"]


def test_ids_are_the_same_whenever_a_parcel_is_sent() -> None:
    """They name the fleet and the place in the stream, and a full stop in its name is none of the scheme's."""
    assert Parcel([transition(7)]).name("prod/eu.1") == "prod/eu%2E1:7-0"
    assert Parcel([transition(7), transition(9)]).name("prod") == "prod:7-0:9-0"

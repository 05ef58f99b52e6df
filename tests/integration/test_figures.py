"""Figures are exact: a fleet counts what the API side and the stream have seen, whoever dies, whatever is repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.client.sampling import sample_of
from fleetpoll.figures import Figures, points
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Limit, Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.allowance import Permit
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.history import EVERY_MS
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.schedule import Lease, Look
from tests.ids import make_ids
from tests.integration.cycles import Build
from tests.integration.test_cycle import live, run_until
from workers.sampling import Sampler

NOW = 1_800_000_000_000
PAST = 1_700_000_000_000
VISIBILITY_S = 60.0
RATE = 50.0


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator that throttles whoever is as quick as the fleet may be."""
    limits = {Operation.DESCRIBE: Limit(4.0, 1.0)}
    with Simulator(SimulatorConfig(seed=5, limits=limits)) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet that wants to know at once."""
    return Settings(fleet=fleet_name, rate=RATE, rate_start=RATE, freshness=0.05)


def lease_at(rooms: Rooms, now_ms: int, worker_id: str = "", limit: int = 100) -> Lease:
    """A claim that must find something."""
    lease = rooms.schedule.claim(VISIBILITY_S, margin_s=5.0, worker_id=worker_id, limit=limit, now_ms=now_ms)
    assert isinstance(lease, Lease)
    return lease


def looks(lease: Lease, status: JobStatus, delay_s: float | None, **times: int) -> list[Look]:
    """All jobs of a lease are found in this status."""
    found = []
    for job_id, known in lease.jobs.items():
        record = msgspec.structs.replace(known, status=status, **times)
        found.append(Look(job_id, delay_s, record, Transition.between(job_id, known, record)))
    return found


def settle(rooms: Rooms, lease: Lease, found: list[Look], now_ms: int) -> int:
    """A settlement of a call that took 0.2 s. Returns how many jobs were kept."""
    return rooms.schedule.settle(lease, found, events_kept=1000, asked=len(found), took_s=0.2, now_ms=now_ms).kept


def test_a_run_is_counted_as_the_api_side_and_the_stream_have_it(simulator: Simulator, rooms: Rooms, build: Build) -> None:
    """Calls by outcome, ids, each transition, and each lag to the millisecond; throttles and who is cut off too."""
    ids = simulator.populate(120, life_min_s=0.3, life_max_s=1.2, fail_share=0.3, retry_share=0.3)
    simulator.reset_stats()
    rooms.schedule.track(ids)
    cut_off = build(simulator.url, lambda _: False)  # a worker whose token is never used: it gives back what it holds

    cut_off.run()
    run_until(build(simulator.url), lambda: live(rooms) == 0)

    figures, seen = rooms.ledger.figures(), simulator.stats()["operations"]["describe"]
    events, tracked = rooms.events.read(BEGINNING, count=100_000), rooms.ledger.get(ids)
    assert (figures.totals.calls, figures.totals.throttled) == (seen["calls"], seen["throttled"])
    assert figures.durations.count == figures.totals.answered == seen["calls"] - seen["throttled"]
    assert figures.ages.count == figures.totals.ids
    assert figures.transitions == Counter((event.before, event.after) for event in events)
    lags_ms = [lag_ms(event, event.stopped_ms, tracked[event.job_id].tracked_ms) for event in events if event.after.terminal]
    assert figures.lags.count == len(ids)
    assert figures.lags.total_s == pytest.approx(sum(lags_ms) / 1000)
    assert figures.start_lags.count >= len(ids)
    assert figures.totals.throttled > 0
    assert figures.expired == 0


def lag_ms(event: Transition, happened_ms: int, tracked_ms: int) -> int:
    """How late a transition was noticed."""
    return max(0, event.detected_ms - max(happened_ms, tracked_ms))


def test_a_settlement_that_is_repeated_or_late_counts_nothing_twice(rooms: Rooms) -> None:
    """Nor does one of jobs that others hold by now; of those that are untracked meanwhile only the call is counted."""
    rooms.schedule.track(make_ids(3), now_ms=NOW)
    lease = lease_at(rooms, NOW + 4_000)
    found = looks(lease, JobStatus.SUCCEEDED, None, stopped_ms=NOW + 3_000, changed_ms=NOW + 4_500)
    rooms.schedule.untrack([found[0].job_id])

    assert settle(rooms, lease, found, NOW + 4_500) == 2
    once = rooms.ledger.figures()
    assert settle(rooms, lease, found, NOW + 4_500) == 0

    assert rooms.ledger.figures() == once
    assert once.transitions == {(JobStatus.UNSEEN, JobStatus.SUCCEEDED): 2}
    assert (once.lags.count, once.lags.total_s, once.totals.calls, once.durations.total_s) == (2, 3.0, 1, 0.2)
    assert (once.ages.count, once.ages.total_s) == (3, 13.5)


def test_jobs_that_are_opened_again_are_counted_as_the_stream_has_them(rooms: Rooms) -> None:
    """That is a transition like any other."""
    ids = make_ids(3)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = lease_at(rooms, NOW)
    settle(rooms, lease, looks(lease, JobStatus.FAILED, None), NOW)

    rooms.schedule.reopen(ids[:2], events_kept=100, now_ms=NOW)

    events = rooms.events.read(BEGINNING)
    assert rooms.ledger.figures().transitions == Counter((event.before, event.after) for event in events)
    assert rooms.ledger.figures().transitions[JobStatus.FAILED, JobStatus.UNSEEN] == 2


def test_a_lease_whose_time_ran_out_is_counted_once(rooms: Rooms) -> None:
    """However many claims its jobs are then spread over; those that were settled, given back or still run are not."""
    rooms.schedule.track(make_ids(130), now_ms=NOW)
    lease_at(rooms, NOW, "killed", limit=60)
    closed, given_back = lease_at(rooms, NOW, "well", limit=20), lease_at(rooms, NOW, "drained", limit=20)
    settle(rooms, closed, looks(closed, JobStatus.RUNNABLE, 1_000.0), NOW)
    rooms.schedule.release(given_back, list(given_back.jobs), delay_s=1_000.0, now_ms=NOW)
    lease_at(rooms, NOW + 30_000, "slow", limit=30)

    rest = [len(lease_at(rooms, NOW + 61_000, f"heir {number}", limit=25).jobs) for number in range(2)]
    rooms.schedule.claim(VISIBILITY_S, margin_s=5.0, limit=25, now_ms=NOW + 61_001)

    assert rest == [25, 25]
    assert (rooms.ledger.figures().expired, rooms.ledger.figures().leases) == (1, 7)


def test_a_worker_that_hung_finds_that_its_own_lease_ran_out(rooms: Rooms) -> None:
    """It claims again too late, before anybody else did; one whose claim was only lost on the way is not late."""
    rooms.schedule.track(make_ids(2), now_ms=NOW)
    lease_at(rooms, NOW, "w")
    lease_at(rooms, NOW + 1_000, "w")

    assert rooms.ledger.figures().expired == 0

    lease_at(rooms, NOW + 62_000, "w")

    assert rooms.ledger.figures().expired == 1


def test_what_a_lost_worker_had_in_hand_is_as_old_as_its_claim(rooms: Rooms) -> None:
    """At least: when it was looked at before that is not known any more."""
    rooms.schedule.track(make_ids(2), now_ms=NOW)
    first = lease_at(rooms, NOW)
    settle(rooms, first, looks(first, JobStatus.RUNNABLE, 10.0), NOW)
    lease_at(rooms, NOW + 10_000, "killed")

    heir = lease_at(rooms, NOW + 80_000, "heir")
    settle(rooms, heir, looks(heir, JobStatus.RUNNING, 10.0), NOW + 80_000)

    assert rooms.ledger.figures().ages.total_s == pytest.approx(2 * 70.0, abs=0.01)


def test_what_stands_in_the_place_of_figures_stops_no_worker(rooms: Rooms) -> None:
    """Words among them are not added to, another kind of key is left alone; jobs are settled all the same."""
    rooms.schedule.track(make_ids(2), now_ms=NOW)
    rooms.client.hset(rooms.keys.figures, "UNSEEN>RUNNABLE", "many")
    lease = lease_at(rooms, NOW)
    assert settle(rooms, lease, looks(lease, JobStatus.RUNNABLE, 1.0), NOW) == 2
    assert rooms.ledger.figures().durations.count == 1

    rooms.client.set(rooms.keys.figures, "no hash", ex=60)
    lease_at(rooms, NOW + 2_000)
    lease = lease_at(rooms, NOW + 80_000)
    assert settle(rooms, lease, looks(lease, JobStatus.RUNNING, 1.0), NOW + 80_000) == 2
    rooms.client.delete(rooms.keys.figures)


def test_three_workers_keep_one_sample_in_ten_seconds(rooms: Rooms, settings: Settings) -> None:
    """Whoever asks first; the clock is the server's, and the others' work is refused."""
    rooms.schedule.track(make_ids(2))
    kept = [
        (second, worker)
        for second in range(61)
        for worker in range(3)
        if rooms.history.due_in_s(now_ms=PAST + second * 1000) == 0
        and rooms.history.add(sample_of(rooms), now_ms=PAST + second * 1000)
    ]

    assert kept == [(second, 0) for second in range(0, 61, 10)]
    assert not rooms.history.add(sample_of(rooms), now_ms=PAST + 65_000)
    assert rooms.history.due_in_s(now_ms=PAST + 65_000) == 5.0
    history = Fleet(rooms, settings).history()
    assert [one.at_ms - PAST for one in history] == list(range(0, 61_000, EVERY_MS))
    assert [one.at_ms - PAST for one in rooms.history.read(PAST + 30_000)] == [30_000, 40_000, 50_000, 60_000]
    assert {(one.live, one.jobs[JobStatus.UNSEEN]) for one in history} == {(2, 2)}


def test_history_goes_on_when_the_clock_is_set_back_and_over_what_is_no_sample(rooms: Rooms) -> None:
    """It is read in pages; others may have written there."""
    sample = sample_of(rooms)
    rooms.client.xadd(rooms.keys.history, {"at": "soon", "sample": "{"})
    assert rooms.history.add(sample, now_ms=PAST)
    assert rooms.history.add(sample, now_ms=PAST - 3_600_000)
    assert not rooms.history.add(sample, now_ms=PAST - 3_595_000)
    rooms.client.xadd(rooms.keys.history, {"words": "x"})
    for second in range(0, 5200, 10):
        assert rooms.history.add(sample, now_ms=PAST + 100_000 + second * 1000)

    assert len(list(rooms.history.read())) == 522
    assert len(list(rooms.history.read(PAST + 100_000))) == 520


def test_a_sampler_keeps_a_sample_and_waits_for_the_next(rooms: Rooms) -> None:
    """One that was second as well, about until it is time again."""
    first, second = (Sampler(rooms, lambda: 1000.0, Random(1)) for _ in range(2))

    first.sample()
    second.sample()

    assert len(list(rooms.history.read())) == 1
    assert 1009.0 < first.at < 1011.1
    assert 1009.0 < second.at < 1011.1


def test_a_sample_costs_little_and_a_look_whether_it_is_time_next_to_nothing(rooms: Rooms) -> None:
    """Commands inside scripts are counted; however many jobs there are."""
    rooms.schedule.track(make_ids(1000))
    first, second = (Sampler(rooms, lambda: 1000.0, Random(1)) for _ in range(2))
    before = commands(rooms)

    first.sample()
    then = commands(rooms)
    second.sample()

    assert then - before <= 25
    assert commands(rooms) - then <= 5


def commands(rooms: Rooms) -> int:
    """How many commands the server has processed."""
    info: Any = rooms.client.info("stats")
    return int(info["total_commands_processed"])


def test_tokens_that_are_given_back_are_no_counter_that_begins_anew(rooms: Rooms) -> None:
    """A fleet that is drained while its workers wait for tokens shows no rate of all that was ever granted."""
    bucket = rooms.buckets[DESCRIBE]
    permits = [bucket.reserve(60.0) for _ in range(4)]
    before = sample_of(rooms)

    assert bucket.refund(*[permit for permit in permits[1:] if isinstance(permit, Permit)]) == 3
    after = replace(sample_of(rooms), at_ms=before.at_ms + 10_000)

    assert bucket.view().tokens_granted == 1
    assert [one.tokens_per_s for one in points([before, after])] == [0.0]


def test_a_fleet_that_has_done_nothing_has_figures_too(rooms: Rooms, settings: Settings) -> None:
    """All of them zero."""
    fleet = Fleet(rooms, settings)

    assert fleet.figures() == Figures()
    assert (fleet.history(), fleet.sample().figures, fleet.sample().configured) == ([], Figures(), RATE)

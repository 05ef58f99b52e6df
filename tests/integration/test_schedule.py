"""The schedule on a real server: track, claim, release, settle. Time is passed in, nothing waits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look, Nothing
from tests.ids import make_ids

NOW = 1_800_000_000_000
VISIBILITY_S = 60.0
MARGIN_S = 5.0


def claim(rooms: Rooms, now_ms: int, patience_s: float = 0.0) -> Lease | Nothing:
    """A claim at a given time."""
    return rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, patience_s=patience_s, now_ms=now_ms)


def lease_of(rooms: Rooms, now_ms: int) -> Lease:
    """A claim that must find something."""
    lease = claim(rooms, now_ms)
    assert isinstance(lease, Lease)
    return lease


def moved_to(lease: Lease, job_id: str, status: JobStatus, delay_s: float | None) -> Look:
    """A look that found the job in another status."""
    known = lease.jobs[job_id]
    record = msgspec.structs.replace(known, status=status, changed_ms=lease.claimed_ms, job_name="n")
    return Look(job_id, delay_s, record, Transition.between(job_id, known, record))


def settle(rooms: Rooms, lease: Lease, looks: list[Look], now_ms: int) -> tuple[int, int]:
    """A settle at a given time."""
    done = rooms.schedule.settle(lease, looks, events_kept=1000, asked=len(looks), now_ms=now_ms)
    return done.kept, done.lost


def leases(rooms: Rooms, now_ms: int) -> Iterator[Lease]:
    """Claims until nothing is due."""
    while isinstance(lease := claim(rooms, now_ms), Lease):
        yield lease


def test_track_counts_only_what_is_new(rooms: Rooms) -> None:
    """Tracking a job twice is the same as once, and the second time nothing is new."""
    assert rooms.schedule.track(make_ids(3), now_ms=NOW) == 3

    assert rooms.schedule.track(make_ids(4), now_ms=NOW) == 1

    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 4}
    assert rooms.ledger.get(make_ids(1)) == {make_ids(1)[0]: Snapshot(tracked_ms=NOW)}


def test_many_ids_are_tracked_in_chunks(rooms: Rooms) -> None:
    """More ids than one script call carries are all tracked."""
    assert rooms.schedule.track(iter(make_ids(2500)), now_ms=NOW) == 2500

    assert rooms.ledger.sizes() == (2500, 2500)


def test_untrack_forgets_live_and_finished_jobs(rooms: Rooms) -> None:
    """Untracked jobs leave the schedule, the ledger and the counts, whatever their status."""
    live, done, kept = make_ids(3)
    rooms.schedule.track([live, done, kept], now_ms=NOW)
    lease = lease_of(rooms, NOW)
    settle(rooms, lease, [moved_to(lease, done, JobStatus.SUCCEEDED, None)], NOW)

    assert rooms.schedule.untrack([live, done, "unknown"]) == 2

    assert rooms.ledger.sizes() == (1, 1)
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 1}


def test_a_claim_takes_at_most_100_jobs_the_longest_due_first(rooms: Rooms) -> None:
    """A claim lends the 100 jobs that have been due for the longest time."""
    ids = make_ids(150)
    for age_ms, chunk in ((2000, ids[:50]), (1000, ids[50:100]), (0, ids[100:])):
        rooms.schedule.track(chunk, now_ms=NOW - age_ms)

    lease = lease_of(rooms, NOW)

    assert set(lease.jobs) == set(ids[:100])
    assert lease.live == 150


def test_leased_jobs_are_not_lent_again_before_the_visibility_timeout(rooms: Rooms) -> None:
    """A lease hides its jobs until its end; then they are due again, without anybody's doing."""
    rooms.schedule.track(make_ids(5), now_ms=NOW)
    lease_of(rooms, NOW)

    hidden = claim(rooms, NOW + 59_999)
    again = claim(rooms, NOW + 60_001)

    assert hidden == Nothing(0.002, 5)
    assert isinstance(again, Lease)
    assert len(again.jobs) == 5


def test_an_empty_schedule_says_that_nothing_is_scheduled(rooms: Rooms) -> None:
    """Where nothing is tracked, a claim gives no time to come back."""
    assert claim(rooms, NOW) == Nothing(None, 0)


def test_a_claim_that_finds_nothing_due_says_when_something_will_be(rooms: Rooms) -> None:
    """The worker that finds nothing hears how long it may sleep."""
    rooms.schedule.track(make_ids(1), now_ms=NOW)
    lease = lease_of(rooms, NOW)
    settle(rooms, lease, [Look(job_id, delay_s=7.5) for job_id in lease.jobs], NOW)

    assert claim(rooms, NOW) == Nothing(7.5, 1)


def test_a_claim_tops_up_with_jobs_that_are_not_due_yet(rooms: Rooms) -> None:
    """One due job takes others along: a call costs the same with 1 id or 100."""
    ids = make_ids(120)
    rooms.schedule.track(ids[:100], now_ms=NOW)
    first = lease_of(rooms, NOW)
    settle(rooms, first, [Look(job_id, delay_s=1 + n) for n, job_id in enumerate(ids[:100])], NOW)
    rooms.schedule.track(ids[100:101], now_ms=NOW)

    lease = lease_of(rooms, NOW + 10)

    assert {*ids[:90], ids[100]} < set(lease.jobs)
    assert len(lease.jobs) == 100


def test_a_top_up_takes_the_jobs_whose_delay_is_over_most_nearly(rooms: Rooms) -> None:
    """Of two jobs that are not due, the one that has waited for most of its delay is worth more than the sooner one."""
    rooms.schedule.track(make_ids(200), now_ms=NOW)
    first, second = lease_of(rooms, NOW), lease_of(rooms, NOW)
    settle(rooms, first, [Look(job_id, 40.0) for job_id in first.jobs], NOW)
    settle(rooms, second, [Look(job_id, 5.0) for job_id in second.jobs], NOW + 29_000)
    due = make_ids(201)[200]
    rooms.schedule.track([due], now_ms=NOW + 30_000)

    lease = lease_of(rooms, NOW + 30_000)

    assert due in lease.jobs
    assert len(set(lease.jobs) & set(first.jobs)) == 99


def test_where_calls_are_scarce_a_claim_takes_what_is_nearly_due(rooms: Rooms) -> None:
    """A negative patience lends jobs that much early, but never those of another lease."""
    (soon,) = make_ids(1)
    rooms.schedule.track([soon], now_ms=NOW)
    settle(rooms, lease_of(rooms, NOW), [Look(soon, 3.0)], NOW)

    assert claim(rooms, NOW, patience_s=-2.0) == Nothing(1.0, 1)
    lease = claim(rooms, NOW + 1_000, patience_s=-2.0)
    assert isinstance(lease, Lease)
    assert set(lease.jobs) == {soon}
    assert claim(rooms, NOW + 60_000, patience_s=-2.0) == Nothing(1.001, 1)


def test_a_lease_tells_when_its_jobs_were_looked_at(rooms: Rooms) -> None:
    """The moment of the last look is read off the due time, to a hundredth of the delay; a new job has had none."""
    looked, new = make_ids(2)
    rooms.schedule.track([looked], now_ms=NOW)
    settle(rooms, lease_of(rooms, NOW), [Look(looked, 20.0)], NOW)
    rooms.schedule.track([new], now_ms=NOW + 30_000)

    lease = lease_of(rooms, NOW + 30_000)

    assert abs(lease.looked_ms(looked) - NOW) <= 0.01 * 20_000
    assert lease.looked_ms(new) == 0


def test_a_lease_that_was_lost_tells_no_looks(rooms: Rooms) -> None:
    """What a dead worker left behind is due at the end of its lease: that is no time of a look."""
    (job_id,) = make_ids(1)
    rooms.schedule.track([job_id], now_ms=NOW)
    lease_of(rooms, NOW)

    assert lease_of(rooms, NOW + 60_001).looked_ms(job_id) == 0


def test_a_top_up_never_takes_jobs_that_are_leased(rooms: Rooms) -> None:
    """A leased job stands in the schedule at a time in the future, too, and is left to its holder."""
    ids = make_ids(150)
    rooms.schedule.track(ids, now_ms=NOW)
    first = lease_of(rooms, NOW)

    second = lease_of(rooms, NOW + 1)

    assert set(first.jobs) | set(second.jobs) == set(ids)
    assert not set(first.jobs) & set(second.jobs)


def test_a_few_due_jobs_wait_for_company_but_not_longer_than_the_patience(rooms: Rooms) -> None:
    """With fewer than 100 due, the claim waits until the oldest is overdue by the patience."""
    rooms.schedule.track(make_ids(3), now_ms=NOW)

    early = claim(rooms, NOW + 100, patience_s=0.5)
    late = claim(rooms, NOW + 500, patience_s=0.5)

    assert early == Nothing(0.4, 3)
    assert isinstance(late, Lease)


def test_a_full_hundred_does_not_wait(rooms: Rooms) -> None:
    """Where 100 jobs are due, patience has nothing to gain."""
    rooms.schedule.track(make_ids(100), now_ms=NOW)

    assert isinstance(claim(rooms, NOW, patience_s=0.5), Lease)


def test_settle_records_publishes_and_reschedules(rooms: Rooms) -> None:
    """One settle writes the snapshot, the counts, the event and the next look."""
    (job_id,) = make_ids(1)
    rooms.schedule.track([job_id], now_ms=NOW)
    lease = lease_of(rooms, NOW)

    assert settle(rooms, lease, [moved_to(lease, job_id, JobStatus.RUNNING, 3.0)], NOW) == (1, 0)

    assert rooms.ledger.get([job_id])[job_id].status is JobStatus.RUNNING
    assert rooms.ledger.counts() == {JobStatus.RUNNING: 1}
    (event,) = rooms.events.read("0-0")
    assert (event.job_id, event.before, event.after) == (job_id, JobStatus.UNSEEN, JobStatus.RUNNING)
    assert event.detected_ms == NOW
    assert claim(rooms, NOW) == Nothing(3.0, 1)


def test_a_finished_job_leaves_the_schedule_and_stays_in_the_ledger(rooms: Rooms) -> None:
    """A terminal job is never lent again, and readers still find it."""
    (job_id,) = make_ids(1)
    rooms.schedule.track([job_id], now_ms=NOW)
    lease = lease_of(rooms, NOW)

    settle(rooms, lease, [moved_to(lease, job_id, JobStatus.SUCCEEDED, None)], NOW)

    assert claim(rooms, NOW + 10_000_000) == Nothing(None, 0)
    assert rooms.ledger.sizes() == (0, 1)
    assert rooms.schedule.track([job_id], now_ms=NOW) == 0


def test_a_late_settle_changes_nothing(rooms: Rooms) -> None:
    """A worker whose lease has passed to another settles 0: its answer is the older one."""
    (job_id,) = make_ids(1)
    rooms.schedule.track([job_id], now_ms=NOW)
    late = lease_of(rooms, NOW)
    holder = lease_of(rooms, NOW + 60_001)

    assert settle(rooms, late, [moved_to(late, job_id, JobStatus.FAILED, None)], NOW + 60_002) == (0, 1)
    assert settle(rooms, holder, [moved_to(holder, job_id, JobStatus.RUNNING, 1.0)], NOW + 60_003) == (1, 0)

    assert [e.after for e in rooms.events.read("0-0")] == [JobStatus.RUNNING]


def test_a_repeated_settle_changes_nothing(rooms: Rooms) -> None:
    """A settle whose reply was lost may be sent again: nothing is published twice."""
    ids = make_ids(2)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = lease_of(rooms, NOW)
    looks = [moved_to(lease, ids[0], JobStatus.SUCCEEDED, None), moved_to(lease, ids[1], JobStatus.RUNNING, 1.0)]

    assert settle(rooms, lease, looks, NOW) == (2, 0)
    assert settle(rooms, lease, looks, NOW) == (0, 2)

    assert len(rooms.events.read("0-0")) == 2
    assert rooms.ledger.counts() == {JobStatus.SUCCEEDED: 1, JobStatus.RUNNING: 1}
    assert rooms.ledger.totals().calls == 1


def test_a_job_untracked_during_its_call_is_not_brought_back(rooms: Rooms) -> None:
    """Untrack wins over a settle that comes after it."""
    ids = make_ids(2)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = lease_of(rooms, NOW)
    rooms.schedule.untrack(ids[:1])

    looks = [moved_to(lease, job_id, JobStatus.RUNNING, 1.0) for job_id in ids]

    assert settle(rooms, lease, looks, NOW) == (1, 1)
    assert set(rooms.ledger.get(ids)) == {ids[1]}


def test_release_gives_back_what_is_still_held(rooms: Rooms) -> None:
    """Released jobs are due at once, or after the delay; a second release finds nothing to give back."""
    ids = make_ids(2)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = lease_of(rooms, NOW)

    assert rooms.schedule.release(lease, ids[:1], now_ms=NOW) == 1
    assert rooms.schedule.release(lease, ids[1:], delay_s=2.0, now_ms=NOW) == 1
    assert rooms.schedule.release(lease, ids, now_ms=NOW) == 0

    again = lease_of(rooms, NOW)
    assert set(again.jobs) == set(ids)  # the second one as a top-up


def test_released_jobs_keep_their_place(rooms: Rooms) -> None:
    """Jobs that are given back are as overdue as they were: nobody overtakes them."""
    old, young = make_ids(200)[:100], make_ids(200)[100:]
    rooms.schedule.track(old, now_ms=NOW - 5000)
    rooms.schedule.track(young, now_ms=NOW - 1000)
    lease = lease_of(rooms, NOW)

    rooms.schedule.release(lease, old, now_ms=NOW + 300)

    assert set(lease_of(rooms, NOW + 400).jobs) == set(old)


@pytest.mark.parametrize("delay_s", [None, 2.0])
def test_released_jobs_were_looked_at_when_they_were(rooms: Rooms, delay_s: float | None) -> None:
    """A lease that is given back is no look: the time at risk since the last one is not lost, nor anybody's own due time."""
    ids = make_ids(3)
    rooms.schedule.track(ids, now_ms=NOW)
    settle(rooms, lease_of(rooms, NOW), [Look(job_id, 5.0 + place) for place, job_id in enumerate(ids)], NOW)
    lease = lease_of(rooms, NOW + 5_200)

    assert rooms.schedule.release(lease, ids, delay_s=delay_s, now_ms=NOW + 5_300) == 3

    again = lease_of(rooms, NOW + 8_000)
    assert all(abs(again.looked_ms(job_id) - NOW) <= 0.01 * 8_000 for job_id in ids)
    if delay_s is None:
        assert again.scores == lease.scores


def test_a_fence_does_not_come_back(rooms: Rooms) -> None:
    """Jobs of a lease that ran out, claimed and given back by another, are due; the late worker settles nothing."""
    ids = make_ids(2)
    rooms.schedule.track(ids, now_ms=NOW)
    late = lease_of(rooms, NOW)
    rooms.schedule.release(lease_of(rooms, NOW + 60_001), ids, now_ms=NOW + 60_002)

    assert settle(rooms, late, [Look(job_id, 1.0) for job_id in ids], NOW + 60_003) == (0, 2)
    assert set(lease_of(rooms, NOW + 60_003).jobs) == set(ids)


def test_calls_are_counted_by_how_they_ended(rooms: Rooms) -> None:
    """Totals tell answered calls and their ids from throttled and failed ones."""
    ids = make_ids(3)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = lease_of(rooms, NOW)
    rooms.schedule.release(lease, ids, call="throttled", now_ms=NOW)
    lease = lease_of(rooms, NOW)
    rooms.schedule.release(lease, ids, call="timeout", now_ms=NOW)
    lease = lease_of(rooms, NOW)
    settle(rooms, lease, [Look(job_id, 1.0) for job_id in ids], NOW)

    totals = rooms.ledger.totals()

    assert (totals.calls, totals.throttled, totals.failed, totals.ids) == (3, 1, 1, 3)
    assert totals.failures == {"timeout": 1}
    assert totals.fill == 3.0


def test_workers_that_claim_at_once_never_hold_a_job_twice(rooms: Rooms) -> None:
    """Eight claimers at the same moment share the jobs out among them."""
    ids = make_ids(2000)
    rooms.schedule.track(ids, now_ms=NOW)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: [list(lease.jobs) for lease in leases(rooms, NOW)], range(8)))

    held = list(itertools.chain.from_iterable(itertools.chain.from_iterable(taken)))
    assert sorted(held) == ids


def test_scripts_survive_a_script_flush(rooms: Rooms) -> None:
    """A server that forgot the scripts (a restart, a failover) is given them again."""
    rooms.schedule.track(make_ids(1), now_ms=NOW)
    rooms.client.script_flush()

    assert isinstance(claim(rooms, NOW), Lease)


def test_a_sweep_forgets_finished_jobs_after_their_time(rooms: Rooms) -> None:
    """The janitor's step drops old finished jobs from ledger and counts, and leaves live ones."""
    done, live = make_ids(2)
    rooms.schedule.track([done, live], now_ms=NOW)
    lease = lease_of(rooms, NOW)
    settle(rooms, lease, [moved_to(lease, done, JobStatus.FAILED, None), Look(live, 1.0)], NOW)
    k = rooms.keys
    keys = (k.ledger, k.finished, k.counts, k.roster, k.leases, k.troubles)

    assert rooms.scripts.run("sweep", keys, (NOW + 999, 1000, 10, 60_000)) == [0, 0]
    assert rooms.scripts.run("sweep", keys, (NOW + 1000, 1000, 10, 60_000)) == [1, 0]

    assert rooms.ledger.sizes() == (1, 1)
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 1}


def test_a_claim_whose_reply_was_lost_costs_nothing(rooms: Rooms) -> None:
    """A worker that claims again holds nothing any more: what it had is due at once, and others' leases are not touched."""
    mine, theirs = make_ids(200)[:100], make_ids(200)[100:]
    rooms.schedule.track(mine, now_ms=NOW - 1)
    rooms.schedule.track(theirs, now_ms=NOW)
    rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, worker_id="w", now_ms=NOW)  # and the reply is lost
    other = rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, worker_id="x", now_ms=NOW)

    again = rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, worker_id="w", now_ms=NOW + 10_000)

    assert isinstance(other, Lease)
    assert isinstance(again, Lease)
    assert (set(other.jobs), set(again.jobs)) == (set(theirs), set(mine))


def test_a_worker_that_settled_gives_nothing_back(rooms: Rooms) -> None:
    """Jobs that were settled keep their next look when their worker claims again."""
    ids = make_ids(2)
    rooms.schedule.track(ids, now_ms=NOW)
    lease = rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, worker_id="w", now_ms=NOW)
    assert isinstance(lease, Lease)
    settle(rooms, lease, [Look(job_id, 7.0) for job_id in ids], NOW)

    assert rooms.schedule.claim(VISIBILITY_S, margin_s=MARGIN_S, worker_id="w", now_ms=NOW) == Nothing(7.0, 2)


def test_two_leases_of_one_millisecond_have_fences_of_their_own(rooms: Rooms) -> None:
    """A release that is repeated cannot give back what somebody else has claimed meanwhile."""
    ids = make_ids(1)
    rooms.schedule.track(ids, now_ms=NOW)
    first = lease_of(rooms, NOW)
    rooms.schedule.release(first, ids, now_ms=NOW)
    second = lease_of(rooms, NOW)

    assert rooms.schedule.release(first, ids, now_ms=NOW) == 0
    assert settle(rooms, second, [moved_to(second, ids[0], JobStatus.RUNNING, 1.0)], NOW) == (1, 0)


def test_a_word_of_another_release_does_not_stop_this_one(rooms: Rooms) -> None:
    """A record and an event with a status that only a newer release knows are read; the next look sets them right."""
    (job_id,) = make_ids(1)
    rooms.schedule.track([job_id], now_ms=NOW)
    rooms.client.hset(rooms.keys.ledger, job_id, '["EVAPORATED",1,2,"name"]')
    event = {"job_id": job_id, "from": "RUNNING", "to": "EVAPORATED"}
    rooms.client.xadd(rooms.keys.events, event)  # type: ignore[arg-type] # typed invariant

    lease = lease_of(rooms, NOW)

    assert (lease.jobs[job_id].status, lease.jobs[job_id].job_name) == (JobStatus.UNKNOWN, "name")
    assert [e.after for e in rooms.events.read("0-0")] == [JobStatus.UNKNOWN]
    assert settle(rooms, lease, [moved_to(lease, job_id, JobStatus.RUNNING, 1.0)], NOW) == (1, 0)

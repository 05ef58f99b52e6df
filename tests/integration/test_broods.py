"""Arrays whose children are followed: one id stands for all, and each child's end is published exactly once."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from fleetpoll.janitor import Janitor
from fleetpoll.jobs import Array, JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.broods import Broods
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look, untrack_keys
from tests.ids import make_ids
from tests.integration.arrays import children, ends, scheduled

NOW = 1_800_000_000_000
ARRAY, OTHER = make_ids(2)


def settle_all(rooms: Rooms, now_ms: int, found: dict[str, JobStatus], other: JobStatus | None = None) -> set[str]:
    """One lease, whose jobs are found as said, other children as `other`. Returns the children's ids."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=now_ms)
    assert isinstance(lease, Lease)
    looks = []
    for job_id, known in lease.jobs.items():
        status = found.get(job_id, other if other and ":" in job_id else known.status)
        if status is known.status:
            looks.append(Look(job_id, 3600.0))
            continue
        record = msgspec.structs.replace(known, status=status, changed_ms=now_ms)
        delay_s = None if status.terminal else 3600.0
        looks.append(Look(job_id, delay_s, record, Transition.between(job_id, known, record)))
    rooms.schedule.settle(lease, looks, events_kept=1000, asked=len(looks), now_ms=now_ms)
    return {job_id for job_id in lease.jobs if ":" in job_id}


def test_children_sleep_until_the_summary_tells_of_an_end(rooms: Rooms) -> None:
    """A quiet array costs its own look; when one has ended, children are woken, and those that are not over sleep again."""
    assert rooms.broods.adopt([ARRAY], now_ms=NOW) == 1
    assert rooms.broods.adopt([ARRAY], now_ms=NOW) == 0
    settle_all(rooms, NOW, {ARRAY: JobStatus.PENDING})

    assert rooms.broods.follow(ARRAY, Array(3, ended=0, running=3), now_ms=NOW) == 0
    assert (scheduled(rooms), rooms.broods.sizes()) == ({ARRAY}, (1, 3))

    assert rooms.broods.follow(ARRAY, Array(3, ended=1, running=2), now_ms=NOW) == 3
    first, second, third = children(ARRAY, 0, 1, 2)
    assert settle_all(rooms, NOW, {first: JobStatus.SUCCEEDED}, JobStatus.RUNNING) == {first, second, third}
    assert (scheduled(rooms), rooms.broods.sizes()) == ({ARRAY}, (1, 2))

    assert rooms.broods.follow(ARRAY, Array(3, ended=1, running=2), now_ms=NOW) == 0
    assert rooms.broods.follow(ARRAY, Array(3, ended=2, running=1), now_ms=NOW) == 2
    settle_all(rooms, NOW, {third: JobStatus.FAILED})
    assert ends(rooms) == {first: [JobStatus.SUCCEEDED], third: [JobStatus.FAILED]}
    assert rooms.ledger.counts() == {
        JobStatus.PENDING: 1,
        JobStatus.RUNNING: 1,
        JobStatus.SUCCEEDED: 1,
        JobStatus.FAILED: 1,
    }


def test_those_that_were_seen_to_have_started_are_woken_and_a_part_of_the_others(rooms: Rooms) -> None:
    """Of a large array only some hundreds are looked at at once, and all of them, in a circle, within a few looks."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    settle_all(rooms, NOW, {ARRAY: JobStatus.PENDING})

    assert rooms.broods.follow(ARRAY, Array(2_500, ended=1, running=10), now_ms=NOW) == 100
    found = settle_all(rooms, NOW, dict.fromkeys(children(ARRAY, *range(10)), JobStatus.RUNNING), JobStatus.RUNNABLE)
    assert found == set(children(ARRAY, *range(100)))

    woken = [rooms.broods.follow(ARRAY, Array(2_500, ended=1, running=10), now_ms=NOW)]
    assert scheduled(rooms) == {ARRAY, *children(ARRAY, *range(10), *range(100, 300))}
    while len(scheduled(rooms)) < 2_501:
        woken.append(rooms.broods.follow(ARRAY, Array(2_500, ended=1, running=10), now_ms=NOW))
    assert woken[:3] == [210, 400, 490]
    assert len(woken) <= 7
    assert max(woken) <= 500


def test_what_is_not_found_is_looked_for_now_and_then(rooms: Rooms) -> None:
    """A summary that counts an end which no child shows must not take all the allowance."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    settle_all(rooms, NOW, {ARRAY: JobStatus.PENDING})
    wakings = []
    for second in range(600):
        moment = NOW + 1_000 * second
        if rooms.broods.follow(ARRAY, Array(50, ended=1, running=9), pause_s=5.0, now_ms=moment):
            wakings.append(second)
            settle_all(rooms, moment, {}, JobStatus.RUNNING)
            assert scheduled(rooms) == {ARRAY}

    assert wakings[:4] == [0, 5, 10, 15]
    assert {later - sooner for sooner, later in pairwise(wakings[-5:])} == {60}


def test_an_array_that_is_over_wakes_all_that_are_left(rooms: Rooms) -> None:
    """It does so before it is settled, in steps, and from then on its children are jobs like any other."""
    rooms.broods.adopt([ARRAY, OTHER], now_ms=NOW)
    rooms.broods.follow(ARRAY, Array(2_500, ended=0, running=0), now_ms=NOW)
    rooms.broods.follow(OTHER, Array(2, ended=0, running=0), now_ms=NOW)

    assert rooms.broods.disband(ARRAY, 2_500, now_ms=NOW) == 2_500

    assert scheduled(rooms) == {ARRAY, OTHER, *children(ARRAY, *range(2_500))}
    assert rooms.broods.sizes() == (1, 2)
    leased = settle_all(rooms, NOW + 1, {}, JobStatus.RUNNING)
    assert leased <= scheduled(rooms)
    assert rooms.broods.disband(ARRAY, 2_500) == 0


def test_what_another_release_does_heals(rooms: Rooms) -> None:
    """A release that knows no broods has settled a child, and the array: the sweep wakes the others, and only them."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    rooms.broods.follow(ARRAY, Array(3, ended=0, running=0), now_ms=NOW)
    done, *left = children(ARRAY, 0, 1, 2)
    rooms.client.zrem(rooms.keys.schedule, ARRAY)
    rooms.client.zadd(rooms.keys.finished, {ARRAY: NOW, done: NOW})
    rooms.client.hset(rooms.keys.ledger, done, '["SUCCEEDED",1]')

    assert rooms.broods.heal() == []

    assert (scheduled(rooms), rooms.broods.sizes()) == (set(left), (0, 0))
    assert rooms.broods.heal() == []


def test_an_array_that_was_settled_before_anything_was_known_of_it_is_looked_at_again(rooms: Rooms) -> None:
    """Another release has settled it before its children were counted."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    rooms.client.zrem(rooms.keys.schedule, ARRAY)
    rooms.client.zadd(rooms.keys.finished, {ARRAY: NOW})

    assert rooms.broods.heal() == []

    assert (scheduled(rooms), rooms.broods.sizes()) == ({ARRAY}, (1, 0))
    assert rooms.client.zcard(rooms.keys.finished) == 0


def test_healing_waits_for_no_replica(rooms: Rooms) -> None:
    """`replicas_acked` is for those who track: a worker has no right to WAIT, and goes on when replicas are away."""
    rooms.broods.adopt([ARRAY])
    rooms.client.zrem(rooms.keys.schedule, ARRAY)

    Broods(rooms.client, rooms.scripts, rooms.keys, replicas_acked=1).heal()

    assert scheduled(rooms) == {ARRAY}


def test_an_array_that_another_release_has_untracked_is_forgotten_with_its_children(
    rooms: Rooms, settings: Settings
) -> None:
    """The janitor does what that release did not know of."""
    rooms.broods.adopt([ARRAY, OTHER], now_ms=NOW)
    for parent in (ARRAY, OTHER):
        rooms.broods.follow(parent, Array(3, ended=1, running=0))
    rooms.client.zrem(rooms.keys.schedule, ARRAY)
    rooms.client.hdel(rooms.keys.ledger, ARRAY)
    rooms.client.hincrby(rooms.keys.counts, "UNSEEN", -1)

    Janitor(rooms, settings).sweep()

    assert (scheduled(rooms), rooms.broods.sizes()) == ({OTHER, *children(OTHER, 0, 1, 2)}, (1, 3))
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 4}


def test_an_array_is_forgotten_with_its_children(rooms: Rooms) -> None:
    """Those that sleep, that are awake and that are over; another array's stay. A single child can be forgotten, too."""
    rooms.broods.adopt([ARRAY, OTHER], now_ms=NOW)
    settle_all(rooms, NOW, dict.fromkeys((ARRAY, OTHER), JobStatus.PENDING))
    for parent in (ARRAY, OTHER):
        rooms.broods.follow(parent, Array(1_200, ended=0, running=0), now_ms=NOW)
    rooms.broods.follow(ARRAY, Array(1_200, ended=1, running=0), now_ms=NOW)
    settle_all(rooms, NOW, {f"{ARRAY}:0": JobStatus.SUCCEEDED}, JobStatus.RUNNING)
    rooms.broods.follow(ARRAY, Array(1_200, ended=2, running=1), now_ms=NOW)

    assert rooms.schedule.untrack([ARRAY, f"{OTHER}:7", "unknown"]) == 1

    assert (scheduled(rooms), rooms.broods.sizes()) == ({OTHER}, (1, 1_199))
    assert rooms.ledger.sizes() == (1, 1)
    assert rooms.ledger.counts() == {JobStatus.PENDING: 1}
    assert rooms.client.zcard(rooms.keys.started) == rooms.client.zcard(rooms.keys.finished) == 0


def test_a_child_that_was_forgotten_hides_nobodys_end(rooms: Rooms) -> None:
    """It has not ended, so the next one that ends is looked for, and found, at the next look."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    settle_all(rooms, NOW, {ARRAY: JobStatus.PENDING})
    rooms.broods.follow(ARRAY, Array(5, ended=0, running=5), now_ms=NOW)
    first, second, third, *_ = children(ARRAY, *range(5))
    assert rooms.schedule.untrack([first, second]) == 0
    assert rooms.schedule.untrack([first]) == 0  # again

    assert rooms.broods.follow(ARRAY, Array(5, ended=1, running=4), now_ms=NOW) == 3
    settle_all(rooms, NOW, {third: JobStatus.SUCCEEDED}, JobStatus.RUNNING)

    assert ends(rooms) == {third: [JobStatus.SUCCEEDED]}
    assert rooms.broods.follow(ARRAY, Array(5, ended=1, running=4), now_ms=NOW) == 0


def test_children_that_were_woken_while_their_array_is_forgotten_are_forgotten_with_it(rooms: Rooms) -> None:
    """Who forgets it read that no child is known yet; then a worker made them, and woke some. It is done in steps."""
    rooms.broods.adopt([ARRAY], now_ms=NOW)
    settle_all(rooms, NOW, {ARRAY: JobStatus.PENDING})
    rooms.broods.follow(ARRAY, Array(1_200, ended=1, running=0), now_ms=NOW)
    assert len(scheduled(rooms)) > 1

    assert rooms.scripts.run("untrack", untrack_keys(rooms.keys), [1_000, ARRAY]) == [0, 1]
    assert rooms.scripts.run("untrack", untrack_keys(rooms.keys), [1_000, ARRAY]) == [1, 0]

    assert (scheduled(rooms), rooms.broods.sizes(), rooms.ledger.sizes()) == (set(), (0, 0), (0, 0))
    assert rooms.ledger.counts() == {}

"""What learn.lua makes of notes, on a real server. Time is passed in, nothing waits."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from fleetpoll.cadence.dwell import ALL, DEFINITION, HALF_LIFE_S, STEP, Dwell, Group
from fleetpoll.cadence.learned import PRICE_MAX, PRICE_MIN, PRICE_START
from fleetpoll.jobs import JobStatus
from fleetpoll.state.pages import Lesson, read_page
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look, Settled
from tests.ids import make_ids

NOW = 1_800_000_000_000
HALF_LIFE_MS = round(HALF_LIFE_S * 1000)
LATE = NOW + 10 * HALF_LIFE_MS
ALIGN, SORT, TRAIN = (Group(JobStatus.RUNNING, DEFINITION, name) for name in ("align", "sort", "a b: c"))


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    """A fleet with one job, which is always due."""
    rooms.schedule.track(make_ids(1), now_ms=NOW)
    return rooms


def lease_of(rooms: Rooms, now_ms: int) -> Lease:
    """A claim that finds the job."""
    lease = rooms.schedule.claim(60.0, margin_s=5.0, now_ms=now_ms)
    assert isinstance(lease, Lease)
    return lease


def settle(rooms: Rooms, lease: Lease, lesson: Lesson, now_ms: int) -> Settled:
    """Close a lease with a lesson; its jobs are due again at once."""
    looks = [Look(job_id, 0.0) for job_id in lease.jobs]
    return rooms.schedule.settle(lease, looks, events_kept=1000, asked=len(looks), lesson=lesson, now_ms=now_ms)


def teach(rooms: Rooms, lesson: Lesson, now_ms: int = NOW) -> Settled:
    """A lesson that goes with the settlement of a lease of its own."""
    return settle(rooms, lease_of(rooms, LATE), lesson, now_ms)


def notes(rng: Random, stays: int) -> Dwell:
    """Some stays, of which most have ended."""
    dwell = Dwell()
    for _ in range(stays):
        from_s = rng.uniform(0.0, 5.0)
        dwell.note(from_s, from_s + rng.expovariate(1 / 60), left=rng.random() < 0.8)
    return dwell


def stored(rooms: Rooms, group: Group) -> Dwell:
    """The page as it stands in Redis."""
    text: Any = rooms.client.hget(rooms.keys.dwell, str(group))
    page = read_page(text)
    assert page is not None
    return page


def noted_since(rooms: Rooms, group: Group) -> int:
    """Since when the page has not been faded."""
    text: Any = rooms.client.hget(rooms.keys.dwell, str(group))
    return int(json.loads(text)[0])


def assert_alike(one: Dwell, other: Dwell, within: float) -> None:
    """The same counts but for what rounding makes of them."""
    assert one.exits == pytest.approx(other.exits, abs=within)
    assert one.at_risk_s == pytest.approx(other.at_risk_s, abs=within)


def test_notes_add_up(rooms: Rooms) -> None:
    """What Redis adds is what a process adds for itself, and the reply tells it."""
    rng, expected = Random(1), Dwell()
    for turn in range(25):
        more = notes(rng, 1 + turn % 7)
        expected.learn(more, ALIGN.exits_kept)
        settled = teach(rooms, Lesson(notes={ALIGN: more}), NOW + turn * 1000)
        assert_alike(settled.pages[ALIGN], expected, 0.01 * (turn + 1))
    assert_alike(stored(rooms, ALIGN), expected, 0.25)


def test_of_more_exits_than_are_kept_the_rest_is_forgotten(rooms: Rooms) -> None:
    """As a process does it for itself, within a step of a fiftieth; all of a page in the same proportion."""
    rng, expected = Random(2), Dwell()
    for turn in range(40):
        more = notes(rng, 30)
        expected.learn(more, ALIGN.exits_kept)
        page = teach(rooms, Lesson(notes={ALIGN: more}), NOW + turn).pages[ALIGN]
        assert page.known * STEP <= ALIGN.exits_kept
        assert page.known == pytest.approx(expected.known, rel=1 - STEP)
    assert_alike(page, expected, 0.5)
    assert ALIGN.exits_kept * STEP <= page.known


def test_all_jobs_are_remembered_longer_than_a_definition(rooms: Rooms) -> None:
    """Each level has its own measure."""
    general, more = Group(JobStatus.RUNNING, ALL), notes(Random(3), 900)
    pages = teach(rooms, Lesson(notes={ALIGN: more, general: more})).pages
    assert pages[ALIGN].known == pytest.approx(ALIGN.exits_kept, abs=0.1)
    assert pages[general].known == more.known


def test_what_is_old_counts_half_after_the_half_life(rooms: Rooms) -> None:
    """The page fades with its next note, from the time of the last fading on."""
    more = notes(Random(4), 100)
    teach(rooms, Lesson(notes={ALIGN: more}))
    page = teach(rooms, Lesson(notes={ALIGN: Dwell()}), NOW + HALF_LIFE_MS).pages[ALIGN]

    more.fade(0.5)
    assert_alike(page, more, 0.1)
    assert noted_since(rooms, ALIGN) == NOW + HALF_LIFE_MS


def test_what_is_new_is_not_taken_for_old(rooms: Rooms) -> None:
    """A note on a page that nobody has touched for long counts in full; only what was there has faded."""
    more, new = notes(Random(12), 100), notes(Random(13), 40)
    teach(rooms, Lesson(notes={ALIGN: more}))
    page = teach(rooms, Lesson(notes={ALIGN: new}), NOW + 2 * HALF_LIFE_MS).pages[ALIGN]

    more.fade(0.25)
    more.add(new)
    assert_alike(page, more, 0.1)


def test_a_page_fades_in_steps(rooms: Rooms) -> None:
    """Of what is a few hours old nothing is taken yet, but its time goes on counting."""
    more = notes(Random(5), 100)
    teach(rooms, Lesson(notes={ALIGN: more}))
    for part in range(1, 4):
        page = teach(rooms, Lesson(notes={ALIGN: Dwell()}), NOW + part * HALF_LIFE_MS // 100).pages[ALIGN]
        faded = part == 3
        assert (page.known < more.known) == faded
        assert noted_since(rooms, ALIGN) == (NOW + 3 * HALF_LIFE_MS // 100 if faded else NOW)
    assert page.known == pytest.approx(more.known * 0.5**0.03, abs=0.1)


def test_a_clock_that_goes_back_fades_nothing(rooms: Rooms) -> None:
    """After a failover the time may be earlier than that of the page."""
    more = notes(Random(6), 100)
    teach(rooms, Lesson(notes={ALIGN: more}))
    assert teach(rooms, Lesson(notes={ALIGN: Dwell()}), NOW - HALF_LIFE_MS).pages[ALIGN].known == more.known


def test_groups_that_were_noted_least_recently_are_forgotten(rooms: Rooms) -> None:
    """Page and index go together, and a new note saves a group that is old."""
    more = notes(Random(7), 3)
    for turn, group in enumerate((ALIGN, SORT, ALIGN, TRAIN)):
        teach(rooms, Lesson(notes={group: more}, groups_kept=2), NOW + turn)

    left = {str(ALIGN), str(TRAIN)}
    assert set(rooms.client.hkeys(rooms.keys.dwell)) == left
    assert set(rooms.client.zrange(rooms.keys.dwelt, 0, -1)) == left


def test_pages_are_read_with_a_settlement(rooms: Rooms) -> None:
    """Those that are asked for, beside those that were noted on; that of a group that nobody knows is empty."""
    more = notes(Random(8), 5)
    teach(rooms, Lesson(notes={ALIGN: more}))
    teach(rooms, Lesson(notes={TRAIN: more}), NOW + 1)

    pages = teach(rooms, Lesson(notes={ALIGN: more}, read=[SORT, TRAIN]), NOW + 2).pages

    assert set(pages) == {ALIGN, SORT, TRAIN}
    assert pages[SORT] == Dwell()
    assert pages[TRAIN].known == more.known
    assert pages[ALIGN].known == 2 * more.known


def test_a_lesson_without_notes_stores_nothing_but_the_price(rooms: Rooms) -> None:
    """To ask for pages makes none."""
    settled = teach(rooms, Lesson(0.1, read=[ALIGN]))
    assert settled.pages == {ALIGN: Dwell()}
    assert rooms.client.exists(rooms.keys.dwell, rooms.keys.dwelt) == 0
    assert rooms.client.exists(rooms.keys.price) == 1


def test_a_settlement_without_a_lesson_teaches_nothing(rooms: Rooms) -> None:
    """A fleet that does not learn has no price either, and its leases tell none."""
    lease = lease_of(rooms, NOW)
    rooms.schedule.settle(lease, [Look(job_id, 0.0) for job_id in lease.jobs], events_kept=1000, asked=1, now_ms=NOW)
    assert rooms.client.exists(rooms.keys.dwell, rooms.keys.dwelt, rooms.keys.price) == 0
    assert lease_of(rooms, NOW + 1).price is None


def test_the_price_moves_by_steps_within_its_bounds(rooms: Rooms) -> None:
    """From where it starts, as each settlement asks for, and the next lease tells it."""
    prices = []
    for step in (0.25, -0.5, 100.0, 1.0, -500.0):
        teach(rooms, Lesson(step))
        lease = lease_of(rooms, NOW + 1)
        settle(rooms, lease, Lesson(), NOW)
        prices.append(lease.price)
    expected = [PRICE_START + 0.25, PRICE_START - 0.25, PRICE_MAX, PRICE_MAX, PRICE_MIN]
    assert prices == pytest.approx(expected, abs=1e-5)


def test_a_settlement_whose_reply_was_lost_teaches_nothing_twice(rooms: Rooms) -> None:
    """Sent again, it finds no job that is still held: neither page nor price moves."""
    lesson, lease = Lesson(0.5, {ALIGN: notes(Random(9), 20)}), lease_of(rooms, NOW)
    first = settle(rooms, lease, lesson, NOW)
    again = settle(rooms, lease, lesson, NOW)

    assert (first.kept, again.kept, again.pages) == (1, 0, {})
    assert stored(rooms, ALIGN).known == lesson.notes[ALIGN].known
    price: Any = rooms.client.get(rooms.keys.price)
    assert float(price) == pytest.approx(PRICE_START + 0.5, abs=1e-5)


def test_a_late_settlement_teaches_nothing(rooms: Rooms) -> None:
    """Whose lease has run out, and was given to another, has no say."""
    late = lease_of(rooms, NOW)
    lease_of(rooms, NOW + 61_000)
    settle(rooms, late, Lesson(0.5, {ALIGN: notes(Random(10), 20)}), NOW + 62_000)
    assert rooms.client.exists(rooms.keys.dwell, rooms.keys.dwelt, rooms.keys.price) == 0


@pytest.mark.parametrize(
    "strange", ["", "no page", "{}", "[]", '["x"]', "[1,null,2]", '[1,"x",2]', "[1,{},[]]", "[1e999,1,2]"]
)
def test_what_is_no_page_keeps_nobody_from_settling(rooms: Rooms, strange: str) -> None:
    """It is nothing to whoever asks for it, and a new page takes its place."""
    rooms.client.hset(rooms.keys.dwell, str(ALIGN), strange)
    more = notes(Random(11), 5)
    assert teach(rooms, Lesson(notes={ALIGN: more})).pages[ALIGN].known == more.known
    assert noted_since(rooms, ALIGN) == NOW


@pytest.mark.parametrize("strange", ["", "abc", "1e999"])
def test_what_is_no_price_keeps_nobody_from_claiming_and_settling(rooms: Rooms, strange: str) -> None:
    """The price begins anew."""
    rooms.client.set(rooms.keys.price, strange)
    assert rooms.knowledge.price() is None
    lease = lease_of(rooms, NOW)
    assert lease.price is None
    settle(rooms, lease, Lesson(0.25), NOW)
    price = rooms.knowledge.price()
    assert price is not None
    assert PRICE_MIN <= price <= PRICE_MAX


def test_notes_of_every_age_are_kept(rooms: Rooms) -> None:
    """From the first bucket to the last, and time at risk without an exit as well."""
    more = Dwell()
    more.note(0.0, 40 * 86_400.0, left=False)
    more.note(0.0, 0.2, left=True)
    more.note(39 * 86_400.0, 40 * 86_400.0, left=True)
    page = teach(rooms, Lesson(notes={ALIGN: more})).pages[ALIGN]
    assert_alike(page, more, 0.01)
    assert_alike(stored(rooms, ALIGN), more, 0.01)

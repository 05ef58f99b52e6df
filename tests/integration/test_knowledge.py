"""What the fleet has learnt, on a real server: read, forgotten, and taken over from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from fleetpoll.cadence.dwell import ALL, DEFINITION, HALF_LIFE_S, QUEUE, Dwell, Group, groups_of
from fleetpoll.client.exchange import from_text, to_text
from fleetpoll.client.fleet import Fleet
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.settings import Settings
from fleetpoll.state.knowledge import Knowledge
from fleetpoll.state.pages import GROUPS_KEPT, page_text, read_page
from fleetpoll.state.rooms import Rooms

NOW = 1_800_000_000_000
HALF_LIFE_MS = round(HALF_LIFE_S * 1000)
ALIGN = Group(JobStatus.RUNNING, DEFINITION, "align")


def page(exits: int, mean_s: float = 60.0) -> Dwell:
    """A page with so many exits."""
    rng, dwell = Random(exits), Dwell()
    for _ in range(exits):
        dwell.note(0.0, rng.expovariate(1 / mean_s), left=True)
    return dwell


def assert_alike(one: Dwell, other: Dwell) -> None:
    """The same counts but for what rounding makes of them."""
    assert one.exits == pytest.approx(other.exits, abs=0.01)
    assert one.at_risk_s == pytest.approx(other.at_risk_s, abs=0.01)


def test_what_is_put_is_read(rooms: Rooms) -> None:
    """All of it or some groups of it, more than one step holds; each is in the index of what may be forgotten."""
    pages = {Group(JobStatus.RUNNING, DEFINITION, f"d{number}"): page(number % 9 + 1) for number in range(1_200)}
    rooms.knowledge.put(pages, now_ms=NOW)

    read = rooms.knowledge.pages(now_ms=NOW)
    assert set(read) == set(pages)
    for group in list(pages)[::100]:
        assert_alike(read[group], pages[group])
    some = list(pages)[::400]
    assert set(rooms.knowledge.pages([*some, ALIGN], now_ms=NOW)) == set(some)
    assert rooms.client.zcard(rooms.keys.dwelt) == len(pages)


def test_an_exit_without_time_at_risk_does_not_spoil_a_page(rooms: Rooms) -> None:
    """The counts of a page stay pairs when the last of them is nothing."""
    dwell = Dwell()
    dwell.note(60.0, 60.0, left=True)

    rooms.knowledge.put({ALIGN: dwell}, now_ms=NOW)

    assert rooms.knowledge.pages(now_ms=NOW) == {ALIGN: dwell}


def test_more_than_a_fleet_remembers_is_not_taken_in(rooms: Rooms, settings: Settings) -> None:
    """It would push out what the fleet has learnt itself, and most of it would be forgotten at once."""
    rooms.knowledge.put({ALIGN: page(3)}, now_ms=NOW)
    many = {Group(JobStatus.RUNNING, DEFINITION, f"d{number}"): page(1) for number in range(GROUPS_KEPT + 1)}

    with pytest.raises(SettingsError, match="5,001"):
        Fleet(rooms, settings).teach(many)

    assert set(rooms.knowledge.pages(now_ms=NOW)) == {ALIGN}


def test_pages_are_added_or_replaced(rooms: Rooms) -> None:
    """What others know comes on top, or in place of what is known; and no more is remembered than of one's own."""
    rooms.knowledge.put({ALIGN: page(100)}, now_ms=NOW)
    rooms.knowledge.put({ALIGN: page(60)}, now_ms=NOW)
    assert rooms.knowledge.pages(now_ms=NOW)[ALIGN].known == 160

    rooms.knowledge.put({ALIGN: page(60)}, replace=True, now_ms=NOW)
    assert_alike(rooms.knowledge.pages(now_ms=NOW)[ALIGN], page(60))

    rooms.knowledge.put({ALIGN: page(2_000)}, now_ms=NOW)
    assert rooms.knowledge.pages(now_ms=NOW)[ALIGN].known == pytest.approx(ALIGN.exits_kept, abs=0.1)


def test_what_is_old_is_believed_less(rooms: Rooms) -> None:
    """By half after the half-life, when it is read and when others are added."""
    rooms.knowledge.put({ALIGN: page(100)}, now_ms=NOW)
    assert rooms.knowledge.pages(now_ms=NOW + HALF_LIFE_MS)[ALIGN].known == pytest.approx(50, abs=0.1)

    rooms.knowledge.put({ALIGN: page(10)}, now_ms=NOW + HALF_LIFE_MS)
    assert rooms.knowledge.pages(now_ms=NOW + HALF_LIFE_MS)[ALIGN].known == pytest.approx(60, abs=0.1)


class Raced(Knowledge):
    """Others write a page between our reading it and our writing it, so many times."""

    races = 2

    def _some(self, groups: Iterable[Group]) -> Iterator[tuple[str, str]]:
        found = list(super()._some(groups))
        if self.races:
            self.races -= 1
            read: Any = self._client.hget(self._keys.dwell, str(ALIGN))
            noted = read_page(read or "") or Dwell()
            noted.add(page(1))
            self._client.hset(self._keys.dwell, str(ALIGN), page_text(noted, NOW))
        yield from found


def test_what_workers_note_meanwhile_is_not_lost(rooms: Rooms) -> None:
    """The page is added to as it stands then, and once."""
    other = Group(JobStatus.RUNNING, DEFINITION, "other")
    Raced(rooms.client, rooms.scripts, rooms.keys).put({ALIGN: page(10), other: page(3)}, now_ms=NOW)
    pages = rooms.knowledge.pages(now_ms=NOW)
    assert (pages[ALIGN].known, pages[other].known) == (12, 3)


def test_a_repeated_call_adds_nothing_twice(rooms: Rooms) -> None:
    """A page that stands as it is meant to is left alone, and is no conflict; one that is another is told."""
    keys, new = (rooms.keys.dwell, rooms.keys.dwelt), page_text(page(4), NOW)
    args = (NOW, 100, str(ALIGN), "", new)
    assert [rooms.scripts.run("teach", keys, args) for _ in range(2)] == [[], []]
    assert rooms.scripts.run("teach", keys, (NOW, 100, str(ALIGN), "", page_text(page(5), NOW))) == [str(ALIGN)]
    assert rooms.client.hget(rooms.keys.dwell, str(ALIGN)) == new


def test_a_fleet_that_is_taught_remembers_no_more_than_it_may(rooms: Rooms) -> None:
    """The groups that were noted least recently make room, page and index together."""
    small = Knowledge(rooms.client, rooms.scripts, rooms.keys, groups_kept=3)
    for number in range(5):
        small.put({Group(JobStatus.RUNNING, DEFINITION, f"d{number}"): page(1)}, now_ms=NOW + number)

    assert sorted(group.name for group in small.pages(now_ms=NOW)) == ["d2", "d3", "d4"]
    assert rooms.client.zcard(rooms.keys.dwelt) == rooms.client.hlen(rooms.keys.dwell) == 3


def test_what_cannot_be_read_is_left_out(rooms: Rooms) -> None:
    """Pages and groups of another release, or of somebody's hand, keep nobody from reading the others."""
    rooms.knowledge.put({ALIGN: page(3)}, now_ms=NOW)
    good = page_text(page(1), NOW)
    strange: dict[Any, Any] = dict.fromkeys(("", "RUNNING", "DREAMING all ", "SUCCEEDED all ", "a b c"), good)
    broken = {f"RUNNING definition {number}": text for number, text in enumerate(("[", "[]", "[1,2]", '["x"]', "{}", ""))}
    rooms.client.hset(rooms.keys.dwell, mapping=strange | broken)

    assert set(rooms.knowledge.pages(now_ms=NOW)) == {ALIGN}
    assert set(rooms.knowledge.pages([ALIGN, Group(JobStatus.RUNNING, DEFINITION, "0")], now_ms=NOW)) == {ALIGN}


def test_a_definition_is_forgotten_whatever_its_status_and_revision(rooms: Rooms) -> None:
    """What its queue and all jobs have in common stays, and other definitions, and the price."""
    fleet = Fleet(rooms, Settings())
    for status in (JobStatus.RUNNABLE, JobStatus.RUNNING):
        for name in ("align:1", "sort:1"):
            fleet.teach(dict.fromkeys(groups_of(status, "q", name), page(2)))
    rooms.client.set(rooms.keys.price, "-5.5")

    assert fleet.forget(["align:7", "nobody"]) == 2

    assert {group.name for group in fleet.learnt()} == {"", "q", "sort"}
    assert rooms.client.zcard(rooms.keys.dwelt) == len(fleet.learnt()) == 6
    assert fleet.price() == -5.5


def test_everything_is_forgotten(rooms: Rooms) -> None:
    """Pages, index and price; a fleet that knows nothing has nothing to forget."""
    fleet = Fleet(rooms, Settings())
    fleet.teach({ALIGN: page(2), Group(JobStatus.RUNNING, ALL): page(2)})
    rooms.client.set(rooms.keys.price, "-5.5")

    assert [fleet.forget_all(), fleet.forget_all()] == [2, 0]
    assert (fleet.learnt(), fleet.price()) == ({}, None)
    assert rooms.client.exists(rooms.keys.dwell, rooms.keys.dwelt, rooms.keys.price) == 0


def test_an_end_is_foretold_from_the_pages_of_the_job(rooms: Rooms) -> None:
    """One job's prediction is that of an oracle that has read everything."""
    fleet = Fleet(rooms, Settings())
    for name in ("align:1", "sort:1"):
        fleet.teach(dict.fromkeys(groups_of(JobStatus.RUNNING, "q", name), page(50)))
    job = Snapshot(status=JobStatus.RUNNING, started_ms=rooms.roster.now_ms(), job_queue="q", job_definition="align:2")

    end, oracle = fleet.expected_end(job), fleet.oracle()

    assert end is not None
    assert end.known == 50
    told = oracle.end_of(job)
    assert told is not None
    assert told.p50_ms == pytest.approx(end.p50_ms, abs=5_000)


@pytest.mark.parametrize(
    "group",
    [Group(JobStatus.RUNNING, ALL), Group(JobStatus.RUNNABLE, QUEUE, "a b"), Group(JobStatus.STARTING, DEFINITION, "")],
)
def test_a_line_of_an_export_is_read_as_it_was(group: Group) -> None:
    """Group and counts, from the first age bucket to the last."""
    known = page(20)
    known.note(0.0, 30 * 86_400.0, left=True)
    read, counts = from_text(to_text(group, known))
    assert read == group
    assert_alike(counts, known)


GOOD = '{"version":1,"status":"RUNNING","level":"definition","name":"align","counts":[[3,1.0,5.5]]}'


@pytest.mark.parametrize(
    ("word", "other", "said"),
    [
        ('"version":1', '"version":2', "version"),
        ('"name":"align",', "", "name"),
        ("RUNNING", "DREAMING", "SUBMITTED"),
        ("RUNNING", "SUCCEEDED", "SUBMITTED"),
        ("definition", "revision", "level"),
        ("definition", "all", "level"),
        ("[3,", "[66,", "65"),
        ("[3,", "[-1,", "0"),
        ("1.0", "-1.0", "0"),
        ("1.0", "1e999", "counts"),
        ("1.0,", "", "counts"),
        ("}", ',"more":1}', "more"),
        ("}", "", "truncated"),
    ],
)
def test_a_line_that_tells_nothing_says_why(word: str, other: str, said: str) -> None:
    """Nothing is guessed: another version, an age that there is not, counts that are none."""
    assert from_text(GOOD)[0] == ALIGN
    with pytest.raises(SettingsError, match=said):
        from_text(GOOD.replace(word, other))

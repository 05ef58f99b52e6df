"""Workers that AWS fails: one alarm, one try at a time, and a bell when it works again. Real scripts, time by argument."""

from __future__ import annotations

import pytest
from rich.console import Console

from fleetpoll.cli.status import overview
from fleetpoll.client.checkup.finding import Grade
from fleetpoll.client.checkup.workers import check_troubles
from fleetpoll.client.status import status_of
from fleetpoll.client.troubles import shared
from fleetpoll.clock import system_mono
from fleetpoll.janitor import Janitor
from fleetpoll.settings import Settings
from fleetpoll.state.doorbell import Doorbell, Ring
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from fleetpoll.state.troubles import ALARM_MS, Trouble

NOW = 1_800_000_000_000
EXPIRED = Trouble("denied", "ExpiredTokenException", "The token is expired", "host-a", 1)
BROKEN = Trouble("server", "ServerException", "An internal error", "host-b", 3)


@pytest.fixture
def workers(rooms: Rooms) -> list[str]:
    """Ten workers on the roster."""
    names = [f"w{number}" for number in range(10)]
    for name in names:
        rooms.roster.beat(name, Facts("host", 1, NOW, 5.0))
    return names


def test_the_first_raises_the_alarm_and_the_last_ends_it(rooms: Rooms, workers: list[str]) -> None:
    """Once for all who are in the same trouble, whoever reports how often; another kind has an alarm of its own."""
    raised = [rooms.troubles.report(name, EXPIRED, 0.5, 1.0, now_ms=NOW).alarm for name in workers * 2]
    other = rooms.troubles.report("w0", BROKEN, 0.5, 1.0, now_ms=NOW)
    ended = [rooms.troubles.over(name, EXPIRED, now_ms=NOW).alarm for name in workers[1:]]

    assert raised == [True] + [False] * 19
    assert (other.same, other.troubled, other.workers, other.alarm) == (1, 10, 10, True)
    assert ended == [False] * 8 + [True]
    assert rooms.troubles.over("w0", BROKEN, now_ms=NOW).alarm
    assert rooms.troubles.count() == 0


def test_trouble_that_comes_and_goes_is_one_alarm_a_minute(rooms: Rooms, workers: list[str]) -> None:
    """Who falls in and out of trouble all the time does not fill a log."""
    alarms = []
    for _ in range(5):
        alarms.append(rooms.troubles.report("w1", BROKEN, 0.5, 1.0).alarm)
        alarms.append(rooms.troubles.over("w1", BROKEN).alarm)

    assert alarms == [True, True] + [False] * 8
    left_ms = int(rooms.client.pttl(rooms.keys.alarm(BROKEN.mark)))
    assert 0 < left_ms <= ALARM_MS


def test_an_alarm_that_was_over_is_raised_by_trouble_that_stays(rooms: Rooms, workers: list[str]) -> None:
    """A second trouble within the minute is told as soon as the first one is forgotten, not never."""
    rooms.troubles.report("w1", BROKEN, 0.5, 1.0)
    rooms.troubles.over("w1", BROKEN)
    assert not rooms.troubles.report("w1", BROKEN, 0.5, 1.0).alarm
    rooms.client.pexpire(rooms.keys.alarm(BROKEN.mark), 1)

    alarms = [rooms.troubles.report("w1", BROKEN, 0.5, 1.0).alarm for _ in range(1000)]

    assert alarms.count(True) == 1


@pytest.mark.parametrize("forgotten", ["alarm", "troubles"])
def test_the_end_of_a_trouble_is_told_after_a_long_silence(rooms: Rooms, workers: list[str], forgotten: str) -> None:
    """While the budget is paused nobody tries, and the alarm is forgotten; what was told as an error has an end anyway."""
    rooms.troubles.report("w1", BROKEN, 0.5, 1.0)
    rooms.client.delete(rooms.keys.alarm(BROKEN.mark) if forgotten == "alarm" else rooms.keys.troubles)

    assert rooms.troubles.over("w1", BROKEN).alarm
    assert not rooms.troubles.over("w1", BROKEN).alarm


def test_a_worker_that_died_in_trouble_is_in_none(rooms: Rooms, workers: list[str], settings: Settings) -> None:
    """Whoever took its place speaks for itself: status and doctor do not go on about the dead until the sweep."""
    for name in ("w1", "w2"):
        rooms.troubles.report(name, EXPIRED, 0.5, 1.0)
    rooms.roster.beat("w1", Facts("host", 1, NOW, 5.0), now_ms=rooms.roster.now_ms() - 20_000)

    assert [trouble.workers for trouble in status_of(rooms).troubles] == [1]
    assert [finding.found[:16] for finding in check_troubles(status_of(rooms))] == ["1 of 10 workers "]


def test_those_in_trouble_take_turns_while_nobody_is_answered(rooms: Rooms, workers: list[str]) -> None:
    """At first each makes its own pause; with the next failure they line up, in whatever trouble they are."""
    firsts = [rooms.troubles.report(name, EXPIRED, 0.5, 2.0, now_ms=NOW) for name in workers]
    later = [rooms.troubles.report(name, BROKEN, 1.0, 2.0, now_ms=NOW + 1000) for name in workers]

    assert [(one.turn_s, one.in_turn) for one in firsts] == [(0.5, False)] * 10
    assert [(one.turn_s, one.in_turn) for one in later] == [(2.0 * number, True) for number in range(1, 11)]
    assert rooms.troubles.report("w3", BROKEN, 1.0, 5.0, now_ms=NOW + 60_000).turn_s == 5.0  # all others' have passed


def test_nobody_waits_for_a_turn_while_others_are_answered(rooms: Rooms, workers: list[str]) -> None:
    """Who fails where others do not has a pause of its own, however many are in trouble."""
    for name in workers:
        rooms.troubles.report(name, BROKEN, 1.0, 2.0, now_ms=NOW)
    rooms.client.hincrby(rooms.keys.totals, "calls", 1)

    standing = rooms.troubles.report("w1", BROKEN, 1.0, 2.0, now_ms=NOW)

    assert (standing.turn_s, standing.in_turn, standing.answered) == (1.0, False, 1)
    assert rooms.troubles.report("w1", BROKEN, 1.0, 2.0, now_ms=NOW).in_turn


def test_a_clock_that_was_set_back_does_not_put_turns_off(rooms: Rooms, workers: list[str]) -> None:
    """However far the turns of others seem to be, a turn comes within 10 s for each that is in trouble."""
    for name in workers * 2:
        rooms.troubles.report(name, EXPIRED, 0.5, 2.0, now_ms=NOW)

    assert rooms.troubles.report("w0", EXPIRED, 0.5, 2.0, now_ms=NOW - 3_600_000).turn_s == 100.0


def test_who_works_again_rings_once(rooms: Rooms, workers: list[str]) -> None:
    """All who wait for their turn are woken; who was in no trouble wakes nobody."""
    bell = Doorbell({rooms.keys.doorbell: "mine"}, system_mono)
    bell.listen(rooms.client)
    rooms.troubles.over("w1", EXPIRED)
    assert bell.wait(0.1, lambda: False) == set()

    rooms.troubles.report("w1", EXPIRED, 0.5, 1.0)
    assert bell.wait(5.0, lambda: False) == {("mine", Ring.TRACK)}
    rooms.troubles.over("w1", EXPIRED)

    assert bell.wait(5.0, lambda: False) == {("mine", Ring.RECOVERED)}
    bell.close()


def test_who_leaves_or_falls_silent_is_in_no_trouble(rooms: Rooms, workers: list[str], settings: Settings) -> None:
    """The roster's end is the trouble's end; until then a silent one holds up no turn of a roster that forgot it."""
    for name in ("w1", "w2", "stranger"):
        rooms.troubles.report(name, EXPIRED, 0.5, 1.0)
    rooms.roster.leave("w1")
    assert rooms.troubles.count() == 2

    standing = rooms.troubles.report("w2", EXPIRED, 0.5, 1.0)
    Janitor(rooms, settings).sweep()

    assert (standing.same, standing.troubled, standing.workers) == (1, 1, 9)
    assert [one.worker_id for one in rooms.troubles.all()] == ["w2"]


def test_troubles_are_read_by_kind(rooms: Rooms, workers: list[str], settings: Settings) -> None:
    """Status and doctor say how many workers are in which trouble, where, since when, and what to do."""
    for number, name in enumerate(workers[:3]):
        rooms.troubles.report(name, EXPIRED, 0.5, 1.0, now_ms=NOW + number)
    rooms.troubles.report("w3", BROKEN, 0.5, 1.0, now_ms=NOW)
    rooms.client.hset(rooms.keys.troubles, "newer", "of a release to come")

    first, second = shared(rooms.troubles.all())
    findings = list(check_troubles(status_of(rooms)))

    assert (first.kind, first.workers, first.hosts, first.since_ms) == ("denied", 3, ["host-a"], NOW)
    assert first.public() | {"next_try": 0} == {
        "kind": "denied",
        "code": "ExpiredTokenException",
        "words": "The token is expired",
        "workers": 3,
        "hosts": ["host-a"],
        "since": NOW / 1000,
        "next_try": 0,
        "advice": "Renew the credentials; the workers take the new ones by themselves.",
    }
    assert (second.kind, second.workers) == ("server", 1)
    assert [(finding.check, finding.grade) for finding in findings] == [("aws", Grade.WARN)] * 2
    assert findings[0].found == "3 of 10 workers (host-a): denied, The token is expired"


def test_the_status_shows_trouble_while_there_is_any(rooms: Rooms, workers: list[str]) -> None:
    """In a line of its own, with AWS's words unable to command a terminal; without trouble it is not mentioned."""
    evil = Trouble("denied", "ExpiredTokenException", "The token\x1b[2J is expired", "host-a", 1)
    assert "trouble" not in shown(rooms)
    for name in workers[:3]:
        rooms.troubles.report(name, evil, 0.5, 1.0)

    text = shown(rooms)

    assert "denied: 3 of 10 workers on host-a, for 0." in text
    assert "The token\\x1b[2J is expired. Renew the credentials" in text
    assert status_of(rooms).public()["trouble"][0]["workers"] == 3


def shown(rooms: Rooms) -> str:
    """The status as people read it."""
    console = Console(width=400, markup=False)
    with console.capture() as capture:
        console.print(overview(status_of(rooms)))
    return capture.get()


def test_a_code_of_any_form_is_one_word(rooms: Rooms, workers: list[str]) -> None:
    """What AWS, or whoever answers in its place, calls its error cannot break a record or a key."""
    odd = Trouble("denied", "No Such\x00 {thing} 'é'" * 20, "words with\nlines", "host", 1)

    assert rooms.troubles.report("w1", odd, 0.5, 1.0).alarm
    assert [one.trouble for one in rooms.troubles.all()] == [odd]
    assert rooms.troubles.over("w1", odd).alarm

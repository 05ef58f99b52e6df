"""Consumer groups on the stream of transitions: each is given to one consumer, at least once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from fleetpoll.client.consuming import Consumer
from fleetpoll.client.fleet import Fleet
from fleetpoll.embedded.private import private_server
from fleetpoll.errors import EventsTrimmed, SettingsError
from fleetpoll.jobs import JobStatus, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.groups import Member
from fleetpoll.state.rooms import Rooms, open_rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import move
from tests.integration.crash import kill_server

IDS = make_ids(6)
SOON_S = 0.2


@pytest.fixture
def fleet(rooms: Rooms, settings: Settings) -> Fleet:
    """A fleet in whose stream each of the jobs has started, in the order of their ids."""
    return started(rooms, settings)


def started(rooms: Rooms, settings: Settings) -> Fleet:
    """A fleet whose jobs have just started, one after the other."""
    rooms.schedule.track(IDS)
    for job_id in IDS:
        move(rooms, {job_id: JobStatus.RUNNING})
    return Fleet(rooms, settings)


def heard(consumer: Iterator[Transition | None], count: int) -> list[str]:
    """The jobs of the next transitions; the last one is not acknowledged."""
    return [transition.job_id for transition in islice((t for t in consumer if t is not None), count)]


def test_each_transition_goes_to_one_consumer(fleet: Fleet) -> None:
    """Consumers of a group share the stream; another group gets all of it."""
    with fleet.consume("a", after=BEGINNING) as one, fleet.consume("a", "two") as two:
        first = next(one)
        assert first is not None
        move(fleet._rooms, {IDS[0]: JobStatus.SUCCEEDED})
        assert [first.job_id, *heard(two, 1)] == [IDS[0], IDS[0]]

    assert heard(fleet.consume("b", after=BEGINNING), 7) == [*IDS, IDS[0]]


def test_a_group_begins_with_what_comes(fleet: Fleet, rooms: Rooms) -> None:
    """Without a cursor the past is left out; a quiet moment is told as None."""
    with fleet.consume("a") as consumer:
        assert next(consumer) is None
        move(rooms, {IDS[1]: JobStatus.FAILED})
        assert heard(consumer, 1) == [IDS[1]]


def test_asking_for_the_next_acknowledges_the_one_before(fleet: Fleet) -> None:
    """Who leaves the loop early is given the last one again, and the group remembers everything else."""
    with fleet.consume("a", "me", after=BEGINNING) as consumer:
        assert heard(consumer, 2) == IDS[:2]
    with fleet.consume("a", "me") as consumer:
        assert heard(consumer, 2) == IDS[1:3]
        consumer.acknowledge()
    with fleet.consume("a", "me") as consumer:
        assert heard(consumer, 3) == IDS[3:]
        consumer.acknowledge()

    assert [(g.name, g.pending, g.lag or 0) for g in fleet.groups()] == [("a", 0, 0)]  # Redis 6.2 does not tell the lag


def test_what_a_dead_consumer_held_goes_to_another(fleet: Fleet) -> None:
    """After a while, and only what it had not acknowledged."""
    dead = fleet.consume("a", "dead", after=BEGINNING)
    assert heard(dead, 2) == IDS[:2]

    with fleet.consume("a", "alive", retry_after_s=SOON_S) as consumer:
        assert heard(consumer, 5) == IDS[1:]


def test_what_a_consumer_has_not_begun_with_is_free_when_it_leaves(fleet: Fleet) -> None:
    """Nobody waits for what it held in reserve; what it was given last may be half done, and stays its own for a while."""
    with fleet.consume("a", "first", after=BEGINNING) as first:
        assert heard(first, 2) == IDS[:2]
    with fleet.consume("a", "second") as second:
        assert heard(second, 4) == IDS[2:]
        second.acknowledge()

    assert [(g.consumers, g.pending) for g in fleet.groups()] == [(1, 1)]
    assert heard(fleet.consume("a", "first"), 1) == IDS[1:2]


def test_what_was_taken_away_meanwhile_is_not_passed_on(fleet: Fleet) -> None:
    """A loop that takes too long for one transition loses the others that it held, and is not given them as well."""
    slow = fleet.consume("a", "slow", after=BEGINNING, retry_after_s=SOON_S)
    assert heard(slow, 1) == IDS[:1]
    with fleet.consume("a", "quick", retry_after_s=SOON_S) as quick:
        assert heard(quick, 6) == IDS
        quick.acknowledge()

    assert next(slow) is None


def test_consumers_without_a_name_leave_none_behind(fleet: Fleet) -> None:
    """A consumer that leaves and holds nothing is forgotten; one that holds something is not."""
    with fleet.consume("a", after=BEGINNING) as consumer:
        heard(consumer, 6)
        consumer.acknowledge()
    with fleet.consume("b", after=BEGINNING) as consumer:
        heard(consumer, 1)

    assert [(g.name, g.consumers, g.pending) for g in fleet.groups()] == [("a", 0, 0), ("b", 1, 6)]


def test_a_group_can_be_dropped(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Who still consumes makes it anew from its own place, and says so."""
    with fleet.consume("a", after=BEGINNING) as consumer:
        heard(consumer, 6)
        assert [fleet.drop_group("a"), fleet.drop_group("a"), fleet.groups()] == [True, False, []]
        assert next(consumer) is None
        move(rooms, {IDS[2]: JobStatus.FAILED})
        assert heard(consumer, 1) == [IDS[2]]

    assert "Consumer group 'a' is gone" in caplog.text


def test_an_empty_fleet_has_no_groups(rooms: Rooms, settings: Settings) -> None:
    """Nothing is asked of a stream that is not there; a first consumer may come before the first transition."""
    fleet = Fleet(rooms, settings)
    assert (fleet.groups(), fleet.drop_group("a")) == ([], False)

    with fleet.consume("a") as consumer:
        started(rooms, settings)
        assert heard(consumer, 6) == IDS


@pytest.mark.parametrize("wrong", [{"group": ""}, {"after": "yesterday"}, {"retry_after_s": 0.0}])
def test_what_will_not_do_is_refused(fleet: Fleet, wrong: dict[str, str]) -> None:
    """With a sentence that says what is wrong."""
    with pytest.raises(SettingsError):
        fleet.consume(**({"group": "a"} | wrong))  # type: ignore[arg-type] # wrong on purpose


def test_a_group_does_not_begin_where_nothing_is_kept(fleet: Fleet, rooms: Rooms) -> None:
    """The cursor to begin after has been left behind by the stream."""
    cursor = rooms.events.read(BEGINNING)[0].cursor
    rooms.client.xtrim(rooms.keys.events, maxlen=2, approximate=False)

    with pytest.raises(EventsTrimmed, match=f"came after {cursor} are not kept any more"):
        fleet.consume("a", after=cursor)


def test_a_group_that_is_there_goes_on_wherever_a_new_one_would_begin(fleet: Fleet, rooms: Rooms) -> None:
    """The cursor in a program's settings is left behind by the stream one day, and then means nothing any more."""
    cursor = rooms.events.read(BEGINNING)[0].cursor
    with fleet.consume("a", after=cursor) as consumer:
        assert heard(consumer, 5) == IDS[1:]
        consumer.acknowledge()
    move(rooms, {IDS[0]: JobStatus.SUCCEEDED})
    rooms.client.xtrim(rooms.keys.events, maxlen=1, approximate=False)

    with fleet.consume("a", after=cursor) as consumer:
        assert heard(consumer, 1) == IDS[:1]


def test_what_a_dead_consumer_held_may_be_gone(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Who takes it over says so, and it is pending no more."""
    heard(fleet.consume("a", "dead", after=BEGINNING), 1)
    rooms.client.xtrim(rooms.keys.events, maxlen=1, approximate=False)

    with caplog.at_level(logging.WARNING), fleet.consume("a", "alive", retry_after_s=0.001) as consumer:
        assert heard(consumer, 1) == IDS[5:]

    assert "5 transitions for 'alive' of group 'a' are not kept any more" in caplog.text
    assert [group.pending for group in fleet.groups()] == [1]


def test_what_a_consumer_leaves_may_be_gone(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """It says so itself, or on Redis 6.2 who comes next does; one that has not begun with anything leaves nothing."""
    with fleet.consume("a", after=BEGINNING):
        pass
    assert [(group.consumers, group.pending) for group in fleet.groups()] == [(0, 0)]
    with caplog.at_level(logging.WARNING), fleet.consume("a", "one") as one, fleet.consume("a", "two") as two:
        assert heard(one, 1) == IDS[:1]
        rooms.client.xtrim(rooms.keys.events, maxlen=0, approximate=False)
        one.close()
        assert next(two) is None

    assert "5 transitions for" in caplog.text


def test_a_loop_that_is_overtaken_says_so(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Although it had all that there was when it asked last."""
    hours = iter(range(0, 3600 * 1000, 3600))
    member = Member(rooms.keys, "a", "me", BEGINNING, 1e6, mono=lambda: next(hours))
    with caplog.at_level(logging.WARNING), Consumer(rooms.client, member) as consumer:
        assert heard(consumer, 6) == IDS
        for status in (JobStatus.RUNNABLE, JobStatus.RUNNING):
            for job_id in IDS:
                move(rooms, {job_id: status})
        assert caplog.text == ""
        rooms.client.xtrim(rooms.keys.events, maxlen=2, approximate=False)
        assert heard(consumer, 2) == IDS[4:]

    assert "Consumer group 'a' was overtaken" in caplog.text


def test_a_group_that_was_overtaken_says_so(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """What it held, and what it was never given, is gone: that is logged, and the group goes on with what is left."""
    with fleet.consume("a", "me", after=BEGINNING) as consumer:
        heard(consumer, 2)
    for job_id in IDS:
        move(rooms, {job_id: JobStatus.SUCCEEDED})
    rooms.client.xtrim(rooms.keys.events, maxlen=2, approximate=False)

    with caplog.at_level(logging.WARNING), fleet.consume("a", "me") as consumer:
        assert heard(consumer, 2) == IDS[-2:]

    assert "5 transitions for 'me' of group 'a' are not kept any more" in caplog.text
    assert "Consumer group 'a' was overtaken" in caplog.text


def test_groups_tell_what_they_have_lost(fleet: Fleet, rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Exactly, where the server counts; a group that has read everything loses nothing when that is trimmed."""
    for name in ("behind", "level"):
        with fleet.consume(name, after=BEGINNING) as consumer:
            heard(consumer, 6)
            consumer.acknowledge()
    for status in (JobStatus.RUNNABLE, JobStatus.RUNNING):
        move(rooms, dict.fromkeys(IDS, status))
    with fleet.consume("level") as consumer:
        heard(consumer, 12)
        consumer.acknowledge()
    assert [group.overtaken for group in fleet.groups()] == [False, False]
    rooms.client.xtrim(rooms.keys.events, maxlen=5, approximate=False)
    facts = fleet.groups()

    told = "lag" in rooms.client.xinfo_groups(rooms.keys.events)[0]  # from Redis 7.0 on
    assert [(group.lag, group.lost) for group in facts] == ([(12, 7), (0, 0)] if told else [(None, None), (None, 0)])
    with caplog.at_level(logging.WARNING), fleet.consume("behind") as consumer:
        assert heard(consumer, 5) == [*IDS[1:]]
    assert caplog.text.count("was overtaken") == 1
    assert not told or "it has lost 7 transitions. " in caplog.text


def test_a_consumer_survives_the_crash_of_redis(tmp_path: Path, settings: Settings) -> None:
    """Every transition is given at least once, in the order of the stream."""
    with private_server(os.environ.get("TEST_REDIS_SERVER"), tmp_path) as url:
        rooms = open_rooms(url, settings)
        with started(rooms, settings).consume("a", after=BEGINNING) as consumer:
            before = heard(consumer, 3)
            kill_server(rooms)
            after = heard(consumer, 3)
            move(rooms, {IDS[0]: JobStatus.SUCCEEDED})
            last = heard(consumer, 1)
        rooms.close()

    assert [before, after, last] == [IDS[:3], IDS[3:], IDS[:1]]

"""A relay between a real server and a real receiver: each transition arrives at least once, whatever is in the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fleetpoll.client.fleet import Fleet
from fleetpoll.errors import EventsTrimmed
from fleetpoll.jobs import JobStatus
from fleetpoll.relay.parcels import Verdict
from fleetpoll.relay.relay import Plan, Relay, Tally, send_again
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.letters import Letters
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.webhook import new_secret, verify
from tests.ids import make_ids
from tests.integration.cli_helpers import move, wait_until
from tests.integration.receivers import OK, Item, Receiver, Reply, receiver
from tests.integration.relays import SECRET, Flaky, group, relaying, webhook
from tests.servers import server

IDS = make_ids(6)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle relay hears soon that it is to leave, and a sink that fails is soon asked again."""
    monkeypatch.setattr("fleetpoll.relay.relay.IDLE_S", 0.05)
    monkeypatch.setattr("fleetpoll.relay.circuit.PROBE_S", (0.2, 0.4))
    monkeypatch.setattr("fleetpoll.relay.desk.RETRY_S", (0.1, 0.4))


@pytest.fixture
def told(rooms: Rooms) -> Rooms:
    """A fleet in whose stream each of the jobs has started, one after the other."""
    return started(rooms)


def started(rooms: Rooms) -> Rooms:
    """A fleet whose jobs have just started."""
    rooms.schedule.track(IDS)
    for job_id in IDS:
        move(rooms, {job_id: JobStatus.RUNNING})
    return rooms


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiver() as one:
        yield one


def test_each_transition_arrives_signed_and_is_acknowledged(told: Rooms, settings: Settings, inbox: Receiver) -> None:
    """One message each with the fleet in it; nothing is pending, and the relay leaves no name behind."""
    with relaying(told, webhook(inbox)) as relay:
        wait_until(lambda: len(inbox.done) == len(IDS), "all have arrived")
        move(told, {IDS[0]: JobStatus.FAILED}, exit_code=3)
        wait_until(lambda: len(inbox.done) == len(IDS) + 1, "what came later as well")

    last = inbox.done[-1]
    (item,) = last.items
    assert sorted(inbox.jobs) == sorted([*IDS, IDS[0]])
    assert (item["to"], item["exit_code"], item["fleet"]) == ("FAILED", 3, settings.fleet)
    assert verify(last.headers, last.body, [new_secret(), SECRET]) == f"{settings.fleet}:{item['id']}"
    assert group(told, settings) == (0, 0)
    assert relay.tally == Tally(delivered=7)


def test_what_is_not_wanted_is_acknowledged_and_not_sent(told: Rooms, settings: Settings, inbox: Receiver) -> None:
    """Only transitions into the statuses that were asked for."""
    move(told, {IDS[2]: JobStatus.FAILED, IDS[3]: JobStatus.SUCCEEDED})
    with relaying(told, webhook(inbox), only=frozenset({JobStatus.FAILED})) as relay:
        wait_until(lambda: relay.tally.skipped == len(IDS) + 1 and bool(inbox.done), "all are seen")

    assert inbox.jobs == [IDS[2]]
    assert group(told, settings) == (0, 0)


def test_a_batch_is_an_array(told: Rooms, inbox: Receiver) -> None:
    """As many as there are within a moment go together."""
    with relaying(told, webhook(inbox), batch=4, linger_s=0.05):
        wait_until(lambda: len(inbox.jobs) == len(IDS), "all have arrived")

    assert [len(message.items) for message in inbox.done] == [4, 2]
    assert inbox.jobs == IDS


def test_what_fails_is_sent_again_with_the_same_id(told: Rooms, settings: Settings, inbox: Receiver) -> None:
    """No answer, a 500 and a redirect, which is not followed; the time and the signature are new, and still good."""
    replies: dict[str, list[Reply | None]] = {
        IDS[0]: [None, (204, {})],
        IDS[1]: [(500, {}), (204, {})],
        IDS[2]: [(302, {"location": inbox.url}), (204, {})],
    }
    inbox.reply = lambda items: left.pop(0) if (left := replies.get(str(items[0]["job_id"]))) else OK
    with relaying(told, webhook(inbox)) as relay:
        wait_until(lambda: len(inbox.done) == len(IDS), "all have arrived")

    sent = [message for message in inbox.came if message.items[0]["job_id"] in replies]
    assert len({message.message_id for message in sent}) == 3
    assert len(sent) == 6
    assert {verify(message.headers, message.body, [SECRET]) for message in sent} == {message.message_id for message in sent}
    assert (relay.tally.failures, group(told, settings)) == (3, (0, 0))


def test_what_is_refused_becomes_a_dead_letter(told: Rooms, settings: Settings, inbox: Receiver) -> None:
    """With all that is known of it; it is pending no more. Sent again and taken, it is forgotten."""
    inbox.reply = refusing(IDS[1])
    with relaying(told, webhook(inbox)):
        wait_until(lambda: len(inbox.came) == len(IDS), "all are sent")
    letters = Letters(told.client, told.keys)
    (letter,) = letters.all()

    assert (letter.transition.job_id, letter.transition.after) == (IDS[1], JobStatus.RUNNING)
    assert (letter.group, letter.sink, letter.attempts, letter.error) == (
        "relay",
        inbox.url.replace("hook", "…"),
        1,
        "HTTP 422",
    )
    assert abs(letter.died_ms - told.roster.now_ms()) < 60_000
    assert group(told, settings) == (0, 0)

    assert again(letters, inbox, settings) == [Verdict.REFUSED]
    assert letters.count() == 1
    inbox.reply = lambda _: (200, {})
    assert again(letters, inbox, settings) == [Verdict.DELIVERED]
    assert (letters.count(), inbox.jobs[-1]) == (0, IDS[1])
    assert len({message.message_id for message in inbox.came if message.items[0]["job_id"] == IDS[1]}) == 1


def refusing(job_id: str) -> Callable[[Sequence[Item]], tuple[int, dict[str, str]]]:
    """What a receiver answers that will not have one job."""
    return lambda items: (422, {}) if items[0]["job_id"] == job_id else (204, {})


def again(letters: Letters, inbox: Receiver, settings: Settings) -> list[Verdict]:
    """What came of sending all letters again."""
    return [answer.verdict for _, answer in send_again(letters, list(letters.all()), settings.fleet, webhook(inbox))]


def test_a_sink_that_is_down_turns_nothing_into_dead_letters(told: Rooms, settings: Settings) -> None:
    """All is held, and delivered when it is back; meanwhile it is asked now and then, and not by everything."""
    sink = Flaky()
    with relaying(told, sink, attempts=1) as relay:
        wait_until(lambda: relay._desk.circuit.open, "the relay gives the sink a rest")
        asked = sink.asked
        sink.down = False
        wait_until(lambda: relay.tally.delivered == len(IDS), "all are delivered")

    assert asked <= 8
    assert Letters(told.client, told.keys).count() == 0
    assert group(told, settings) == (0, 0)


def test_two_relays_share_the_work(told: Rooms, redis_url: str, settings: Settings, inbox: Receiver) -> None:
    """None is sent twice."""
    other = open_rooms(redis_url, settings)
    with relaying(told, webhook(inbox)), relaying(other, webhook(inbox)):
        for status in (JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.FAILED):
            move(told, dict.fromkeys(IDS, status))
        wait_until(lambda: len(inbox.done) >= 4 * len(IDS), "all have arrived")
    other.close()

    assert len({message.message_id for message in inbox.came}) == len(inbox.came) == 4 * len(IDS)


def test_a_slow_sink_keeps_what_it_is_given(told: Rooms, redis_url: str, settings: Settings) -> None:
    """A delivery that takes longer than others wait is not taken over, because its relay is heard of."""
    other = open_rooms(redis_url, settings)
    with receiver(held=True) as slow, receiver() as quick:
        with relaying(told, webhook(slow, 30.0), takeover_s=0.4, parallel=6) as relay:
            wait_until(lambda: len(slow.came) == len(IDS), "all are under way")
            with relaying(other, webhook(quick), takeover_s=0.4):
                beats = relay._kept_at
                wait_until(lambda: relay._kept_at > beats + 1.0, "ten signs of life")
                slow.hold.set()
                wait_until(lambda: len(slow.done) == len(IDS), "all have arrived")
        assert quick.came == []
    other.close()
    assert group(told, settings) == (0, 0)


def test_a_relay_that_leaves_begins_with_nothing_more_and_is_heard_of(
    told: Rooms, redis_url: str, settings: Settings, inbox: Receiver
) -> None:
    """What waits for a free thread is given back; what is under way is not taken over, however long it takes."""
    other = open_rooms(redis_url, settings)
    over = threading.Event()
    with receiver(held=True) as slow, relaying(told, webhook(slow, 30.0), over, takeover_s=0.4, parallel=2) as relay:
        wait_until(lambda: len(slow.came) == 2 and relay._desk.under_way == 4, "two are under way, two wait for a thread")
        over.set()
        with relaying(other, webhook(inbox), takeover_s=0.4):
            beats = relay._kept_at
            wait_until(lambda: relay._kept_at > beats + 1.0, "ten signs of life")
            slow.hold.set()
            wait_until(lambda: len(inbox.done) == 4, "the other has the rest")
    other.close()
    assert (len(slow.came), len(inbox.came), group(told, settings)[1]) == (2, 4, 0)


def test_what_others_took_over_is_not_sent_as_well(told: Rooms, settings: Settings, inbox: Receiver) -> None:
    """A relay that stood still for too long does not begin with what is somebody else's by now."""
    sink = Flaky()
    with relaying(told, sink, takeover_s=0.4) as relay:
        wait_until(lambda: relay._desk.circuit.open, "it holds all of them")
        claim = ("XCLAIM", told.keys.events, "relay", "another", 0, *relay._holder.held)
        wait_until(lambda: bool(told.client.execute_command(*claim)) and len(relay._desk) == 0, "it lets go of them")
        sink.down = False

    assert (relay.tally.delivered, group(told, settings)) == (0, (1, len(IDS)))


def test_what_the_stream_has_trimmed_is_delivered_nevertheless(told: Rooms) -> None:
    """Nobody else could deliver it."""
    sink = Flaky()
    with relaying(told, sink, takeover_s=0.4) as relay:
        wait_until(lambda: relay._desk.circuit.open, "it holds all of them")
        told.client.xtrim(told.keys.events, maxlen=1, approximate=False)
        beats = relay._kept_at
        wait_until(lambda: relay._kept_at > beats + 0.3, "signs of life")
        sink.down = False
        wait_until(lambda: relay.tally.delivered == len(IDS), "all are delivered")


def test_a_relay_outlives_a_crash_of_redis(tmp_path: Path, settings: Settings, inbox: Receiver) -> None:
    """Everything arrives, and what was acknowledged before is not sent again."""
    with server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as one:
        rooms = open_rooms(one.url, settings)
        started(rooms)
        with relaying(rooms, webhook(inbox)):
            wait_until(lambda: len(inbox.done) == len(IDS) and group(rooms, settings)[1] == 0, "all have arrived")
            one.restart()
            move(rooms, dict.fromkeys(IDS, JobStatus.SUCCEEDED))
            wait_until(lambda: len(inbox.done) == 2 * len(IDS), "the rest as well")
        rooms.close()

    assert len({message.message_id for message in inbox.came}) == len(inbox.came)


def test_a_relay_whose_group_is_lost_goes_on_from_what_it_holds(told: Rooms, settings: Settings) -> None:
    """The group is made anew before the oldest transition that is not delivered."""
    sink = Flaky()
    with relaying(told, sink) as relay:
        wait_until(lambda: relay._desk.circuit.open, "it holds all of them")
        assert Fleet(told, settings).drop_group("relay")
        move(told, {IDS[0]: JobStatus.FAILED})
        sink.down = False
        wait_until(lambda: relay.tally.delivered == len(IDS) + 1, "all are delivered")

    assert group(told, settings) == (0, 0)


def test_a_relay_does_not_begin_where_nothing_is_kept(told: Rooms, inbox: Receiver) -> None:
    """It says so in place of leaving something out."""
    cursor = told.events.read(BEGINNING)[0].cursor
    told.client.xtrim(told.keys.events, maxlen=2, approximate=False)
    with pytest.raises(EventsTrimmed):
        Relay(told, Plan(since=cursor), webhook(inbox)).run(lambda: True)

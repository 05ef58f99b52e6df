"""Dead letters, as they are kept."""

from __future__ import annotations

import pytest

from fleetpoll.jobs import JobStatus
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.letters import Letter, Letters
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.moves import move_all


def test_letters_are_kept_up_to_a_number(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first, and whoever buries is told how many; the others can be named, and dropped."""
    monkeypatch.setattr("fleetpoll.state.letters.LETTERS_KEPT", 200)
    rooms.schedule.track(make_ids(1))
    move_all(rooms, JobStatus.RUNNING)
    letters, transition = Letters(rooms.client, rooms.keys), rooms.events.read(BEGINNING)[0]
    dropped = sum(letters.bury("relay", [Letter(transition, "relay", "sink", n, "no")] * 100) for n in range(5))
    kept = list(letters.all())

    assert (len(kept), dropped) == (letters.count(), 500 - letters.count())
    assert 200 <= len(kept) < 400
    assert kept[-1].attempts == 4
    assert letters.named([kept[0].letter_id, "1-1"]) == ([kept[0]], ["1-1"])
    assert letters.drop([letter.letter_id for letter in kept]) == len(kept)

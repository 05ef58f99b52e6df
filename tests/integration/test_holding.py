"""A consumer that holds many transitions at once."""

from __future__ import annotations

from fleetpoll.clock import system_mono
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.holding import Holder
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.steps import perform

MANY = 2500


def test_whoever_leaves_gives_back_all_that_he_holds(rooms: Rooms) -> None:
    """However much that is: the next one need not wait until it is taken for dead."""
    for _ in range(MANY):
        rooms.client.execute_command("XADD", rooms.keys.events, "*", "job_id", "j")
    leaving, coming = (Holder(rooms.keys, "relay", name, BEGINNING, 600.0, system_mono) for name in ("one", "two"))
    for holder in (leaving, coming):
        while perform(rooms.client, holder.take(0.0)):
            pass
        perform(rooms.client, holder.leave())

    assert (len(leaving.held), len(coming.held)) == (MANY, MANY)

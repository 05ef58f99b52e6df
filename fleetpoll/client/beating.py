"""Whether the workers of this host do their work: Redis answers in time, and they beat in each of their fleets."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING

from fleetpoll.client.many import ask_each
from fleetpoll.client.pulse import Verdict
from fleetpoll.errors import FleetpollError
from fleetpoll.text import plural

if TYPE_CHECKING:
    from fleetpoll.client.fleet import Fleet
    from fleetpoll.settings import Settings

PATIENCE_S = 2.0
"""How long Redis may take: whoever asks gives up soon himself."""


def beating(fleets: Sequence[Settings], patience_s: float = PATIENCE_S) -> Verdict:
    """Whether Redis answers in time, and workers of this host beat in each of the fleets."""
    said: list[Verdict] = []
    asking = Thread(target=lambda: said.append(heard_of(fleets)), daemon=True)  # Redis' own time-outs are longer
    asking.start()
    asking.join(patience_s)
    return (
        said[0] if said else Verdict(good=False, words=f"Redis does not answer within {patience_s:g} s; workers wait for it")
    )


def heard_of(fleets: Sequence[Settings]) -> Verdict:
    """What the rosters say of this host."""
    host = socket.gethostname()

    def ours(fleet: Fleet) -> int:
        return sum(beat.facts.host == host for beat in fleet.alive())

    try:
        heard = list(ask_each(fleets, ours))
    except FleetpollError as error:
        return Verdict(good=False, words=str(error))
    for one in heard:
        if one.error is not None:
            return Verdict(good=False, words=str(one.error))
        if not one.answer:
            return Verdict(good=False, words=f"no worker of {host} beats in {one.settings.fleet} yet")
    beats = plural(max(one.answer or 0 for one in heard), "worker")
    return Verdict(good=True, words=f"{beats} of {host} beat in {plural(len(heard), 'fleet')}")

"""Whether the workers of this host do their work: Redis answers in time, and they beat in each of their fleets."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from fleetpoll.client.fleet import open_fleet, redis_url
from fleetpoll.client.pulse import Verdict
from fleetpoll.errors import FleetpollError
from fleetpoll.text import plural

if TYPE_CHECKING:
    from fleetpoll.settings import Settings

PATIENCE_S, EACH_S = 2.0, 0.01
"""How long Redis may take, and each fleet more: whoever asks gives up soon himself."""


def beating(fleets: Sequence[Settings], patience_s: float = PATIENCE_S) -> Verdict:
    """Whether Redis answers in time, and workers of this host beat in each of the fleets."""
    said: list[Verdict] = []
    asking = Thread(target=lambda: said.append(heard_of(fleets)), daemon=True)  # Redis' own time-outs are longer
    asking.start()
    asking.join(patience_s + EACH_S * len(fleets))
    return (
        said[0] if said else Verdict(good=False, words=f"Redis does not answer within {patience_s:g} s; workers wait for it")
    )


def heard_of(fleets: Sequence[Settings]) -> Verdict:
    """What the rosters say of this host. One after the other: a pool of threads would be waited for at the end."""
    host, most = socket.gethostname(), 0
    try:
        with redis_url(fleets[0]) as url:
            for settings in fleets:
                with open_fleet(msgspec.structs.replace(settings, redis_url=url)) as fleet:
                    beats = sum(beat.facts.host == host for beat in fleet.alive())
                if not beats:
                    return Verdict(good=False, words=f"no worker of {host} beats in {settings.fleet} yet")
                most = max(most, beats)
    except FleetpollError as error:
        return Verdict(good=False, words=str(error))
    words = f"{plural(most, 'worker')} of {host} beat{'s' if most == 1 else ''} in {plural(len(fleets), 'fleet')}"
    return Verdict(good=True, words=words)

"""One quick answer for those who look after containers: does the worker of this host live, is it ready. AWS is not asked.

`live` is what a restart could mend: a supervisor of this host whose loop turns. Redis is not asked, for a worker outlives
its absence, and a fleet that is restarted whenever Redis is would come back slower.
`ready` is what a roll-out waits for: also Redis answers, and workers of this host beat in each fleet.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Thread
from typing import TYPE_CHECKING

from fleetpoll.client.many import ask_each
from fleetpoll.client.pulse import STALE_S, feel
from fleetpoll.errors import FleetpollError
from fleetpoll.text import plural

if TYPE_CHECKING:
    from fleetpoll.client.fleet import Fleet
    from fleetpoll.settings import Settings

PATIENCE_S = 1.0
"""How long Redis may take: whoever asks gives up soon himself."""


class Question(StrEnum):
    """What is asked."""

    LIVE = "live"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and why, in a line."""

    good: bool
    words: str


def probe(question: Question, fleets: Sequence[Settings], patience_s: float = PATIENCE_S) -> Verdict:
    """The answer to a question, within `patience_s` and a moment."""
    verdict = living()
    return verdict if question is Question.LIVE or not verdict.good else beating(fleets, patience_s)


def living() -> Verdict:
    """Whether a supervisor of this host turns, and none stands still."""
    felt = feel()
    if not felt:
        return Verdict(good=False, words="no worker runs here: start it by fleetpoll worker, as this user")
    if still := [one for one in felt if not one.alive]:
        words = f"the supervisor with pid {still[0].pid} stands still: no sign of life for more than {STALE_S:g} s"
        return Verdict(good=False, words=words)
    return Verdict(good=True, words=f"the supervisor lives (pid {', '.join(str(one.pid) for one in felt)})")


def beating(fleets: Sequence[Settings], patience_s: float) -> Verdict:
    """Whether Redis answers in time, and workers of this host beat in each of the fleets."""
    said: list[Verdict] = []
    asking = Thread(target=lambda: said.append(heard_of(fleets)), daemon=True)  # Redis' own time-outs are longer
    asking.start()
    asking.join(patience_s)
    return said[0] if said else Verdict(good=False, words=f"Redis does not answer within {patience_s:g} s; workers wait for it")


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

"""What is delivered next, what is tried again and when, and what is given up. Pure: no clock, no I/O, rng passed in.

The transitions of one job go one after the other: as long as one is under way or to be tried again, its later ones wait.
A failure counts against a transition only if something else was delivered since: what fails because the sink does is
tried for ever.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from fleetpoll.backoff import doubling_delay
from fleetpoll.jobs import Transition
from fleetpoll.relay.circuit import Circuit
from fleetpoll.relay.parcels import Answer, Parcel, Verdict
from fleetpoll.state.events import place

RETRY_S = (1.0, 300.0)
"""The first and the longest pause before a transition is tried again."""
BUSY_S = (1.0, 60.0)
"""The same for a sink that wants to be left alone and does not say how long."""
WAIT_MAX_S = 300.0
"""No sink is left alone for longer, whatever it says."""
SPLIT_AFTER = 2
"""Failures after which a parcel of several is taken apart, to find the one that fails."""


@dataclass(slots=True)
class Outcome:
    """What is to be done after an answer."""

    done: list[str] = field(default_factory=list)  # cursors to be acknowledged
    dead: list[Parcel] = field(default_factory=list)  # of one transition each, given up
    opened: bool = False  # from now on the sink is taken for failing
    closed: bool = False  # and no more


class Desk:
    """All that a relay holds and has not delivered. One may fail `attempts` times; up to `batch` go together."""

    def __init__(self, attempts: int, batch: int, linger_s: float, rng: Random) -> None:
        self._attempts, self._batch, self._linger_s, self._rng = attempts, batch, linger_s, rng
        self._new = deque[tuple[float, Transition]]()
        self._again: list[Parcel] = []
        self._out: set[Parcel] = set()
        self._busy: Counter[str] = Counter()  # jobs of parcels that are under way or to be tried again
        self._quiet_until, self._quiets = 0.0, 0
        self._probe: Parcel | None = None
        self.circuit = Circuit(rng)

    def __len__(self) -> int:
        """How many transitions it holds."""
        return len(self._new) + sum(len(parcel.transitions) for parcel in [*self._again, *self._out])

    @property
    def under_way(self) -> int:
        """How many parcels are being delivered."""
        return len(self._out)

    def put(self, transitions: Sequence[Transition], now: float) -> None:
        """These are to be delivered, after what came before."""
        self._new.extend((now, transition) for transition in transitions)

    def lose(self, cursors: set[str]) -> None:
        """These are somebody else's by now: they are not begun with any more."""
        self._new = deque((at, one) for at, one in self._new if one.cursor not in cursors)
        for parcel in [parcel for parcel in self._again if cursors.issuperset(parcel.cursors)]:
            self._again.remove(parcel)
            self._free(parcel)

    def next(self, now: float) -> Parcel | None:
        """A parcel to deliver now, None if there is none yet.

        While the sink fails, one at a time: first what was never tried, then each in turn, for one of them may be why.
        """
        if now < self._quiet_until or (self.circuit.open and (self._out or now < self.circuit.probe_at)):
            return None
        tried = next((one for one in self._again if self._may_go(one, now)), None)
        parcel = (self._packed(now) or tried) if self.circuit.open else (tried or self._packed(now))
        if parcel is None:
            return None
        if parcel is tried:
            self._again.remove(parcel)
        self._probe = parcel if self.circuit.open else None
        self._out.add(parcel)
        return parcel

    def wait_s(self, now: float) -> float:
        """How long nothing can be due, unless an answer comes first; infinite if nothing waits."""
        times = [parcel.due for parcel in self._again if not self._barred(parcel)]
        if any(not self._busy[transition.job_id] for _, transition in self._new):
            times.append(now if len(self._new) >= self._batch else self._new[0][0] + self._linger_s)
        if not times:
            return math.inf
        earliest = self.circuit.probe_at if self.circuit.open else min(times)
        return max(0.0, earliest - now, self._quiet_until - now)

    def answered(self, parcel: Parcel, answer: Answer, now: float) -> Outcome:
        """Go by the answer of the sink."""
        self._out.discard(parcel)
        parcel.words, outcome, probe = answer.words, Outcome(), parcel is self._probe
        if answer.wait_s is not None:
            wait_s = max(answer.wait_s, BUSY_S[0]) if answer.verdict is Verdict.BUSY else answer.wait_s
            self._quiet_until = max(self._quiet_until, now + min(wait_s, WAIT_MAX_S))
        if answer.verdict is Verdict.DELIVERED:
            self._delivered(parcel, outcome, now)
        elif answer.verdict is Verdict.BUSY:
            self._left_alone(parcel, answer, now)
        elif answer.verdict is Verdict.REFUSED and len(parcel.transitions) > 1:
            self._split(parcel, now)
        elif answer.verdict is Verdict.REFUSED and self.circuit.refused():
            self._give_up(parcel, outcome)
        else:
            self._failed(parcel, outcome, now, probe=probe)
        return outcome

    def _delivered(self, parcel: Parcel, outcome: Outcome, now: float) -> None:
        """What has failed since the last delivery was not the sink's fault, unless it was taken for that."""
        self._quiets = 0
        self._free(parcel)
        outcome.done += parcel.cursors
        outcome.closed = self.circuit.delivered()
        for other in (*self._again, *self._out):
            other.failures += 0 if outcome.closed else other.doubtful
            other.doubtful = 0
            other.due = now if outcome.closed else other.due  # its pause has grown by what was the sink's fault
        for other in list(self._again):
            if other.failures >= (self._attempts if other.single else SPLIT_AFTER):
                self._again.remove(other)
                if other.single:
                    self._give_up(other, outcome)
                else:
                    self._split(other, now)

    def _failed(self, parcel: Parcel, outcome: Outcome, now: float, *, probe: bool) -> None:
        parcel.doubtful += 1
        outcome.opened = self.circuit.failed(now, probe=probe)
        pause_s = doubling_delay(*RETRY_S, parcel.failures + parcel.doubtful)
        parcel.due = now + pause_s * self._rng.uniform(0.5, 1.0)
        self._again.append(parcel)

    def _left_alone(self, parcel: Parcel, answer: Answer, now: float) -> None:
        if answer.wait_s is None and now >= self._quiet_until:  # else it is one of several that were under way together
            self._quiets += 1
            self._quiet_until = now + doubling_delay(*BUSY_S, self._quiets)
        parcel.due = self._quiet_until
        self._again.insert(0, parcel)

    def _give_up(self, parcel: Parcel, outcome: Outcome) -> None:
        self._free(parcel)
        outcome.dead.append(parcel)

    def _split(self, parcel: Parcel, now: float) -> None:
        """Each by itself from now on."""
        self._again += [Parcel([transition], now, words=parcel.words) for transition in parcel.transitions]

    def _may_go(self, parcel: Parcel, now: float) -> bool:
        """Whether it is due, or one that fails may be tried, and nothing bars it."""
        return (parcel.due <= now or self.circuit.open) and not self._barred(parcel)

    def _barred(self, parcel: Parcel) -> bool:
        """Whether an older one of its job is on its way or to be tried again."""
        jobs = {transition.job_id for transition in parcel.transitions}
        if all(self._busy[job_id] == 1 for job_id in jobs):
            return False
        first = place(parcel.transitions[0].cursor)
        older = [other for other in (*self._again, *self._out) if place(other.transitions[0].cursor) < first]
        return any(transition.job_id in jobs for other in older for transition in other.transitions)

    def _packed(self, now: float) -> Parcel | None:
        """The oldest that may go, and what goes with them; None while more may come."""
        if not self._new or (len(self._new) < self._batch and now < self._new[0][0] + self._linger_s):
            return None
        taken, left = list[Transition](), list[tuple[float, Transition]]()
        waiting = set[str]()
        while self._new and len(taken) < self._batch:
            at, transition = self._new.popleft()
            if self._busy[transition.job_id] or transition.job_id in waiting:
                left.append((at, transition))
                waiting.add(transition.job_id)
            else:
                taken.append(transition)
        self._new.extendleft(reversed(left))
        self._busy.update(transition.job_id for transition in taken)
        return Parcel(taken) if taken else None

    def _free(self, parcel: Parcel) -> None:
        self._busy.subtract(transition.job_id for transition in parcel.transitions)
        for job_id in {transition.job_id for transition in parcel.transitions}:
            if not self._busy[job_id]:
                del self._busy[job_id]

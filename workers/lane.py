"""A lane: one fleet, as one process serves it.

It works in turns, which a poller gives it. A turn is a pass through the rooms; where a token is waited for the turn ends,
and another one goes on from there. So a lane holds up to a lease and a place in the row of tokens while others have their
turns, and no process waits for it. One lane of a process waits at a time, the others take tokens that are there: places in
many rows would come due together, be used one after the other, and be kept from processes that have nothing to do.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from random import Random
from typing import TYPE_CHECKING

import structlog

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.cadence.policy import PATIENCE
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle, Pass, Waits
from fleetpoll.errors import AccessDenied, AwsError, SettingsError, Throttled
from fleetpoll.janitor import FORGOTTEN_BEATS, STEP, Janitor
from fleetpoll.state.doorbell import Ring
from fleetpoll.state.roster import Facts, Order, OrderKind
from workers.sampling import Sampler
from workers.setback import Setback, pause_for_others_s
from workers.telling import ASKING, STARTING, WAITING, did, tell, tell_of_being_forgotten
from workers.troubles import AwsTrouble

if TYPE_CHECKING:
    from fleetpoll.settings import Settings
    from fleetpoll.state.rooms import Rooms

IDLE_S = 30.0
"""The longest that an idle lane trusts in being woken."""
REDIS_RETRY_S = (0.25, 2.0)
"""The first and the longest pause after failures of Redis in a row; it doubles in between: 5 s after its return we work."""
RECHECK_S = 5.0
"""How often a worker that waits because AWS answers nobody looks whether it does: a ring may have been missed."""
AWS_LONGEST_S = 60.0
"""The longest that a fleet stays away for others' sake because its AWS fails."""
OUTRUN_S = (0.1, 4.0)
"""The first and the longest pause of a lane that waits for no token and finds none there; it doubles in between, because
others take them before us, and is no shorter than until there will be one."""
SWEEP_S, SWEEP_MORE_S = 60.0, 1.0
"""Between two sweeps: usually, and when the last one left work."""

VERSION = version("fleetpoll")

log = structlog.get_logger("poller")


def name_of_worker() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Worker:
    """The process, as the roster of every fleet that it serves knows it; `serves` are so many."""

    serves: int
    worker_id: str = field(default_factory=name_of_worker)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


class Lane:
    """One fleet's work, beats, orders and troubles. Its verbs raise StateError, and are then to be tried again later."""

    def __init__(
        self,
        rooms: Rooms,
        settings: Settings,
        worker: Worker,
        rng: Random,
        *,
        sweep_in_s: float = 0.0,
        cycles: Callable[..., Cycle] = Cycle,
    ) -> None:
        self.rooms, self.settings, self.fleet, self._cycles = rooms, settings, settings.fleet, cycles
        self._worker, self._rng, self._mono = worker, rng, system_mono
        self._cycle: Cycle | None = None
        self._under_way: Waits | None = None
        self._janitor, self._sampler = Janitor(rooms, settings), Sampler(rooms, self._mono, rng, sweep_in_s)
        self._aws = AwsTrouble(rooms.troubles, worker.worker_id, worker.host, self._mono, rng)
        self.redis, self.bugs, self._outrun = Setback(*REDIS_RETRY_S), Setback(*REDIS_RETRY_S), Setback(*OUTRUN_S)
        self.held_until = 0.0  # neither turns nor beats before that
        self.calls = 0
        self._order: Order | None = None
        self._started_ms, self._beaten = 0, -math.inf
        self._next_beat, self._next_sweep, self._recheck_at = 0.0, self._mono() + sweep_in_s, math.inf
        self._ready_at = self._back_at = 0.0
        self._wakes: frozenset[Ring] = frozenset()
        self._answered, self._told_calls, self._did = 0, 0, STARTING

    @property
    def outrun(self) -> bool:
        """Whether it found no token and might not wait for one: as soon as it may, a turn is worth making."""
        return self._outrun.failures > 0 and self._order is None and self.held_until <= self._mono()

    @property
    def ready_at(self) -> float:
        """From when on another turn is worth making."""
        return math.inf if self._order is not None else max(self._ready_at, self.held_until)

    @property
    def waits(self) -> bool:
        """Whether it holds a place in the row of tokens."""
        return self._under_way is not None

    @property
    def house_at(self) -> float:
        """When `keep_house` has something to do again."""
        return max(min(self._next_beat, self._next_sweep, self._sampler.at, self._recheck_at), self.held_until)

    @property
    def drained(self) -> bool:
        """Whether it is told to stay and do nothing."""
        return self._order is not None and self._order.kind is OrderKind.DRAIN

    @property
    def stopped(self) -> bool:
        """Whether it is told to leave."""
        return self._order is not None and self._order.kind is OrderKind.STOP

    @property
    def doing(self) -> str:
        """What it has done since its last beat, in a few words for operators: a beat finds it between two turns."""
        if self._order is not None:
            return "drained" if self.drained else "leaving"
        if self._aws.reported is not None:
            return "AWS fails"
        if self.calls > self._told_calls:
            return ASKING
        return WAITING if self.waits else self._did

    def open(self) -> None:
        """Make the client of AWS. Raises SettingsError."""
        api = BatchApi(self.settings)
        self._cycle = self._cycles(self.rooms, api, self.settings, self._mono, self._rng, worker_id=self._worker.worker_id)

    def turn(self, *, patient: bool = True) -> None:
        """Go on with the pass that is under way, or begin one, until a token is waited for or it is over.

        One that begins waits for a token only if it is `patient`.
        """
        began, steps, self._under_way = self._mono(), self._under_way, None
        self._wakes, self._recheck_at = frozenset(), math.inf
        if self._cycle is None:
            try:
                self.open()
            except SettingsError as error:  # it may be mended while we run, and is no reason to leave other fleets alone
                self._failed(AccessDenied(str(error), "SettingsError"), self._mono() - began)
            return
        try:
            if steps is None:
                steps = self._cycle.steps(self._aws.ids_max, patient=patient)
                wait_s = next(steps)
            else:
                wait_s = steps.send(True)
            while wait_s <= 0:
                wait_s = steps.send(True)
        except StopIteration as end:
            self._over(end.value, self._mono() - began)
        else:
            self._under_way, self._ready_at = steps, self._mono() + wait_s

    def _over(self, done: Pass, took_s: float) -> None:
        """A pass is over: tell, and find out when the next is worth making."""
        self.calls += done.calls
        tell(done)
        self._did = did(done)
        if done.outrun:
            soon_s = min(done.wait_s or 0.0, OUTRUN_S[1])
            self._rest(max(soon_s, self._outrun.pause_s(self._rng)))
            return
        self._outrun.failures = 0
        if done.failure is not None and not isinstance(done.failure, Throttled):
            self._failed(done.failure, took_s)
        elif done.idle:
            self._aws.idle()
            self._idle(done.wait_s)
        else:
            if done.kept:
                self._aws.works()
            self._rest(done.wait_s or 0.0)

    def _idle(self, wait_s: float | None) -> None:
        """Wait until something is due. Jobs tracked meanwhile wake us, unless those that are due wait for company anyway."""
        wait_s = IDLE_S if wait_s is None else min(wait_s, IDLE_S)
        wakes = [Ring.TRACK] if wait_s > PATIENCE * self.settings.freshness else []
        if self._aws.reported is not None:
            wakes.append(Ring.RECOVERED)
        self._rest(wait_s, *wakes)

    def _failed(self, failure: AwsError, took_s: float) -> None:
        """Wait for our turn to try AWS again, or until others have found that it works; and leave time to other fleets."""
        turn = self._aws.failed(failure, took_s)
        others_s = pause_for_others_s(took_s, AWS_LONGEST_S) if self._worker.serves > 1 else 0.0
        self._rest(max(turn.wait_s, others_s), Ring.RECOVERED, least_s=turn.least_s)
        if turn.answered is not None:
            self._answered, self._recheck_at = turn.answered, self._mono() + RECHECK_S

    def _rest(self, wait_s: float, *wakes: Ring, least_s: float = 0.0) -> None:
        """No turn for `wait_s`; but after `least_s` if the bell rings for one of `wakes`, or an order is taken back."""
        now = self._mono()
        self._ready_at, self._back_at, self._wakes = now + wait_s, now + least_s, frozenset(wakes)

    def _wake(self) -> None:
        if self._under_way is None:
            self._ready_at = min(self._ready_at, self._back_at)
            self._wakes, self._recheck_at = frozenset(), math.inf

    def rang(self, ring: Ring) -> None:
        """The fleet's bell has rung."""
        if ring is Ring.ORDER:
            self._next_beat = 0.0
        elif ring in self._wakes:
            self._aws.others_work = self._aws.others_work or ring is Ring.RECOVERED
            self._wake()

    def keep_house(self) -> None:
        """Beat, sweep, keep a sample, and look whether AWS answers others, each in its time."""
        now = self._mono()
        if now >= self._next_beat:
            self._beat(now)
        if now >= self._next_sweep:
            self._sweep(now)
        if now >= self._sampler.at:
            self._sampler.sample()
        if now >= self._recheck_at:
            self._recheck_at = now + RECHECK_S
            if self.rooms.ledger.totals().answered > self._answered:
                self._wake()

    def _beat(self, now: float) -> None:
        me = self._worker
        self._started_ms = self._started_ms or self.rooms.roster.now_ms()
        facts = Facts(me.host, me.pid, self._started_ms, self.settings.beat, self.calls, VERSION, self.doing)
        heard = self.rooms.roster.beat(me.worker_id, facts)
        self._told_calls = facts.calls
        first = self._beaten == -math.inf
        if heard.new and not first:
            tell_of_being_forgotten(now - self._beaten, FORGOTTEN_BEATS * self.settings.beat)
        self._beaten = now
        spread = self._rng.uniform(1 / me.serves, 1.0) if first else 1.0  # or the beats of all fleets come together
        self._next_beat = now + self.settings.beat * spread
        self._obey(heard.order)

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + SWEEP_S * self._rng.uniform(0.5, 1.5)  # first: a sweep that fails must not end work
        jobs, silent = self._janitor.sweep()
        if jobs or silent:
            log.info("swept", jobs=jobs, silent_workers=silent)
        if jobs >= STEP:
            self._next_sweep = now + SWEEP_MORE_S

    def _obey(self, order: Order | None) -> None:
        order = order if order is not None and order.holds_for(self._started_ms) else None
        if order != self._order:
            log.info("order", order=str(order.kind) if order else "resume")
            self._order = order
            self._wake()
        if order is not None:
            self.give_back()

    def give_back(self) -> None:
        """Give back the lease and the token's place that are held."""
        steps, self._under_way = self._under_way, None
        if steps is not None:
            self._ready_at = 0.0
            try:
                while True:
                    steps.send(False)
            except StopIteration as end:
                self.calls += end.value.calls
                tell(end.value)

    def hold(self, pause_s: float) -> None:
        """Leave Redis alone for so long; the first thing after it is a beat."""
        self.held_until = max(self.held_until, self._mono() + pause_s)
        self._next_beat = 0.0
        if self._under_way is None:
            self._ready_at = 0.0

    def leave(self) -> None:
        """Give back what is held, and take leave of the roster."""
        if not self.redis.failures:  # else it would only keep us
            self.give_back()
            self.rooms.roster.leave(self._worker.worker_id)

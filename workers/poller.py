"""A poller: one process that takes leases through the cycle, one call in flight, until it is told to leave."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_double
from dataclasses import dataclass
from importlib.metadata import version
from random import Random

import structlog

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.backoff import doubling_delay
from fleetpoll.cadence.policy import PATIENCE
from fleetpoll.clock import Mono, system_mono
from fleetpoll.cycle import Cycle, Pass
from fleetpoll.errors import SettingsError, StateError, Throttled
from fleetpoll.janitor import FORGOTTEN_BEATS, STEP, Janitor
from fleetpoll.jobs import JobStatus
from fleetpoll.logs import configure
from fleetpoll.settings import Settings
from fleetpoll.state.doorbell import SLICE_S, Ring
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts, Order, OrderKind
from workers.stopping import Stopping
from workers.troubles import AwsTrouble, Turn

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_LEFT, EXIT_SETTINGS, EXIT_ORDERED = 0, 2, 10
ERRORS_MAX = 5
"""Errors of our own making in a row that a poller survives; then the supervisor sees to it."""
IDLE_S = 30.0
"""The longest that an idle poller trusts in being woken."""
REDIS_RETRY_S = (0.25, 2.0)
"""The first and the longest pause after failures of Redis in a row; it doubles in between: 5 s after its return we work."""
RECHECK_S = 5.0
"""How often a worker that waits because AWS answers nobody looks whether it does: a ring may have been missed."""
GARBAGE = 100_000
"""Objects between two searches for garbage in rings: a look makes and drops thousands, and hardly a ring among them."""
SWEEP_S, SWEEP_MORE_S = 60.0, 1.0
"""Between two sweeps: usually, and when the last one left work."""

VERSION = version("fleetpoll")

log = structlog.get_logger("poller")


@dataclass(slots=True)
class Setback:
    """Failures in a row, and how long to stay away because of them."""

    first_s: float
    longest_s: float
    failures: int = 0

    def pause_s(self, rng: Random) -> float:
        """The next pause: doubling, and never the same for two pollers."""
        self.failures += 1
        return doubling_delay(self.first_s, self.longest_s, self.failures) * rng.uniform(0.5, 1.0)


class Poller:
    """The loop around the cycle: beats, orders, back-off after failures, idle waits. `alive` is called as it turns."""

    def __init__(
        self, rooms: Rooms, api: BatchApi, settings: Settings, stopping: Stopping, alive: Callable[[], None]
    ) -> None:
        self._rooms, self._settings, self._stopping, self._alive = rooms, settings, stopping, alive
        self._mono: Mono = system_mono
        self._rng = Random()
        self._host, self._pid = socket.gethostname(), os.getpid()
        self.worker_id = f"{self._host}-{self._pid}-{secrets.token_hex(2)}"
        wait = self._wait_for_token
        self._cycle = Cycle(rooms, api, settings, self._mono, self._rng, wait, worker_id=self.worker_id)
        self._janitor = Janitor(rooms, settings)
        self._started_ms = 0
        self._calls = 0
        self._order: Order | None = None
        self._next_beat = self._next_sweep = 0.0
        self._aws = AwsTrouble(rooms.troubles, self.worker_id, self._host, self._mono, self._rng)
        self._redis = Setback(*REDIS_RETRY_S)
        self._bugs = Setback(*REDIS_RETRY_S)
        self._known, self._beaten = False, 0.0  # to the roster; when

    def run(self) -> None:
        """Work until told to leave."""
        while not self._leaving():
            self._alive()
            try:
                self._turn()
            except StateError as error:
                self._pause_for_redis(error)
            except Exception:
                log.exception("this should not be; going on")
                if self._bugs.failures >= ERRORS_MAX:
                    raise
                self._rest(self._bugs.pause_s(self._rng))
            else:
                self._bugs.failures = 0
                if self._redis.failures:
                    log.info("redis is back", failures=self._redis.failures)
                    self._redis.failures = 0
        self._leave()

    def _turn(self) -> None:
        """Beat if it is time, then one pass, or a wait if the fleet is told to drain."""
        self._rooms.doorbell.listen()
        self._keep_house()
        if self._order is not None and self._order.kind is OrderKind.DRAIN:
            self._sleep(IDLE_S)
            return
        if self._leaving():
            return
        asked_at = self._mono()
        done = self._cycle.run(self._aws.ids_max)
        self._calls += done.calls
        self._report(done)
        if done.failure is not None and not isinstance(done.failure, Throttled):
            self._stay_away(self._aws.failed(done.failure, self._mono() - asked_at))
        elif done.idle:
            self._aws.idle()
            self._idle(done.wait_s)
        else:
            if done.kept:
                self._aws.works()
            self._sleep(done.wait_s or 0.0)

    def _idle(self, wait_s: float | None) -> None:
        """Wait until something is due. Jobs tracked meanwhile wake us, unless those that are due wait for company anyway."""
        wait_s = IDLE_S if wait_s is None else min(wait_s, IDLE_S)
        wake = (Ring.TRACK,) if wait_s > PATIENCE * self._settings.freshness else ()
        if self._aws.reported is None:
            self._sleep(wait_s, *wake)
        elif self._sleep(wait_s, Ring.RECOVERED, *wake) is Ring.RECOVERED:
            self._aws.others_work = True

    def _stay_away(self, turn: Turn) -> None:
        """Wait for our turn to try AWS again, or until others have found that it works."""
        start = self._mono()
        while (left := start + turn.wait_s - self._mono()) > 0 and not self._leaving():
            rang = self._sleep(min(left, RECHECK_S), Ring.RECOVERED) is Ring.RECOVERED
            if rang or (turn.answered is not None and self._rooms.ledger.totals().answered > turn.answered):
                self._aws.others_work = rang
                self._sleep(start + turn.least_s - self._mono())
                return

    def _report(self, done: Pass) -> None:
        """Log changes, not ticks."""
        self._report_losses(done)
        if isinstance(done.failure, Throttled):
            words = "throttled by AWS, the fleet slows down" if done.slowed else "throttled by AWS, once is no limit"
            log.log(logging.INFO if done.slowed else logging.DEBUG, words, answer=str(done.failure))
        self._tell_of_jobs(done)

    def _tell_of_jobs(self, done: Pass) -> None:
        """What is odd about single jobs; everything about them only for who debugs."""
        for job_id in done.childless:
            log.warning("not an array, so it has no children to follow", job=job_id)
        for transition in done.moved:
            if transition.after is JobStatus.REJECTED:
                log.warning("AWS refuses to describe a job", job=transition.job_id, reason=transition.reason)
            log.debug("transition", job=transition.job_id, before=str(transition.before), after=str(transition.after))

    def _tell_of_being_forgotten(self, silent_s: float) -> None:
        """Either Redis has lost what it knew, or we were silent for so long that others took us off the roster."""
        if silent_s > FORGOTTEN_BEATS * self._settings.beat:
            words = "silent for long, and off the roster by now; if redis was flushed or replaced, track the jobs again"
            log.warning(words, silent_s=round(silent_s, 1))
        else:
            log.error("redis has forgotten this worker; if it was flushed or replaced, track the jobs again")

    def _report_losses(self, done: Pass) -> None:
        """What another worker has by now, or what nobody has heard the end of; neither costs a job or an event."""
        if done.lost:
            log.warning("jobs of a lease were not ours any more when they were settled", jobs=done.lost)
        if done.unheard:
            log.info("a settle was repeated, its first answer was lost", jobs=done.unheard)

    def _keep_house(self, *, at_once: bool = False) -> None:
        """Beat and sweep, each in its time."""
        now = self._mono()
        if at_once or now >= self._next_beat:
            self._started_ms = self._started_ms or self._rooms.roster.now_ms()
            facts = Facts(self._host, self._pid, self._started_ms, self._settings.beat, self._calls, VERSION)
            heard = self._rooms.roster.beat(self.worker_id, facts)
            if heard.new and self._known:
                self._tell_of_being_forgotten(now - self._beaten)
            self._known, self._beaten = True, now
            self._obey(heard.order)
            self._next_beat = now + self._settings.beat
        if now >= self._next_sweep:
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

    def _leaving(self) -> bool:
        return self._stopping.drain or (self._order is not None and self._order.kind is OrderKind.STOP)

    def _sleep(self, wait_s: float, *wake: Ring) -> Ring | None:
        """Wait `wait_s`, beating in time; less if the bell rings for one of `wake`, orders change, or we are to leave.

        Returns what rang of `wake`.
        """
        until, order = self._mono() + wait_s, self._order
        while (left := until - self._mono()) > 0 and not self._leaving():
            until_beat = max(0.0, self._next_beat - self._mono())
            ring = self._rooms.doorbell.wait(min(left, until_beat), self._cut, Ring.ORDER, *wake)
            self._keep_house(at_once=ring is Ring.ORDER)
            if ring in wake:
                return ring
            if self._order != order:
                break
        return None

    def _wait_for_token(self, wait_s: float) -> bool:
        """The cycle's sleep: all of it, unless we are to leave or an order came that ends work."""
        until = self._mono() + wait_s
        self._sleep(wait_s)
        return self._mono() >= until and self._order is None and not self._leaving()

    def _cut(self) -> bool:
        self._alive()
        return self._stopping.drain

    def _pause_for_redis(self, error: StateError) -> None:
        if not self._redis.failures:
            log.error("redis failed, no calls until it is back", error=str(error))
        self._rooms.drop_connections()  # a demoted primary answers for ever on the old ones
        self._next_beat = 0.0
        self._rest(self._redis.pause_s(self._rng))

    def _rest(self, wait_s: float) -> None:
        """A sleep that needs no Redis."""
        until = self._mono() + wait_s
        while (left := until - self._mono()) > 0 and not self._cut():
            time.sleep(min(left, SLICE_S))

    def _leave(self) -> None:
        try:
            if not self._redis.failures:  # else it would only keep us
                self._rooms.roster.leave(self.worker_id)
        except StateError as error:
            log.warning("could not take leave, the roster forgets us in time", error=str(error))
        log.info("poller left", calls=self._calls)
        self._rooms.close()


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep signals waiting within the block, and for a process that is started in it, until it lets them in."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def main(settings: Settings, url: str, stamp: c_double) -> None:
    """A poller process from start to end. `stamp` is shared: the loop writes the monotonic time at which it turned."""
    stopping = Stopping()
    stopping.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides what it means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    configure(settings.log_format, settings.log_level)
    structlog.contextvars.bind_contextvars(fleet=settings.fleet, pid=os.getpid())

    def alive() -> None:
        stamp.value = system_mono()

    try:
        poller = Poller(open_rooms(url, settings, worker=True), BatchApi(settings), settings, stopping, alive)
    except SettingsError as error:
        log.critical("the settings will not do", error=str(error))
        raise SystemExit(EXIT_SETTINGS) from None
    log.info("poller started", worker=poller.worker_id)
    gc.freeze()  # what is there by now stays, and is not looked through again
    gc.set_threshold(GARBAGE)
    poller.run()
    raise SystemExit(EXIT_LEFT if stopping.drain else EXIT_ORDERED)

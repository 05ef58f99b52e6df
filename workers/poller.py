"""A poller: one process that serves fleets in turns, one call in flight, until it is told to leave.

Whichever fleet is ready has the next turn, the one that had the least time for its share first. So processes go where there
is work and allowance for it, and a fleet that idles, waits, drains, or whose AWS or Redis fails holds nobody else up.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_double
from random import Random

import structlog

from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.errors import RedisSilent, RedisUnavailable, SettingsError, StateError
from fleetpoll.logs import configure
from fleetpoll.settings import Settings
from fleetpoll.state.doorbell import SLICE_S, Doorbell, Ring
from fleetpoll.state.rooms import open_for_worker
from fleetpoll.turns import Turns
from workers.lane import Lane, Worker
from workers.setback import pause_for_others_s
from workers.stopping import Stopping
from workers.tracing import cycles

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_LEFT, EXIT_SETTINGS, EXIT_ORDERED = 0, 2, 10
ERRORS_MAX = 5
"""Errors of our own making in a row that a poller survives, if no fleet is without them; then the supervisor sees to it."""
REDIS_LONGEST_S = 15.0
"""The longest that a server which takes its time to fail is left alone for the sake of fleets on others."""
DEAF_S = 30.0
"""How long a poller of several fleets goes without bells when it is denied one of them: a beat or two late for orders."""
SWEEPS_APART_S = 0.5
"""Between the first sweeps of two fleets."""
GARBAGE = 100_000
"""Objects between two searches for garbage in rings: a look makes and drops thousands, and hardly a ring among them."""

log = structlog.get_logger("poller")


class Poller:
    """The loop over the lanes of `fleets`, on the Redis at `url`. `alive` is called as it turns; `cycles` makes cycles.

    Making one raises SettingsError when that is so for all of them.
    """

    def __init__(
        self,
        fleets: Sequence[Settings],
        url: str,
        stopping: Stopping,
        alive: Callable[[], None],
        worker: Worker | None = None,
        cycles: Callable[..., Cycle] = Cycle,
    ) -> None:
        self._stopping, self._alive, self._mono, self._rng = stopping, alive, system_mono, Random()
        self.worker = worker or Worker(len(fleets))
        rooms = open_for_worker(url, fleets)
        self._lanes = [
            Lane(own, settings, self.worker, self._rng, sweep_in_s=number * SWEEPS_APART_S, cycles=cycles)
            for number, (own, settings) in enumerate(zip(rooms, fleets, strict=True))
        ]
        self._rng.shuffle(self._lanes)  # or all processes would begin with the same fleet
        self._rooms, self._by_name = rooms, {lane.fleet: lane for lane in self._lanes}
        self._turns = Turns({lane.fleet: lane.settings.share for lane in self._lanes})
        self._bell = Doorbell({lane.rooms.keys.doorbell: lane.fleet for lane in self._lanes}, system_mono)
        self._deaf_until = 0.0
        self._open()

    def _open(self) -> None:
        """Fleets whose settings will not do are left for later, unless all of them are such."""
        errors = []
        for lane in self._lanes:
            try:
                lane.open()
            except SettingsError as error:
                errors.append(error)
        if len(errors) == len(self._lanes):
            raise errors[0]

    def run(self) -> None:
        """Work until told to leave."""
        while self._lanes and not self._stopping.drain:
            self._alive()
            self._hear(0.0)
            self._keep_house()
            now = self._mono()
            free = not any(lane.waits for lane in self._lanes)  # who was outrun meanwhile is not to be so for ever
            if ready := [lane.fleet for lane in self._lanes if lane.ready_at <= now or (free and lane.outrun)]:
                self._give_turn(self._by_name[self._turns.next(ready)])
            elif self._lanes:
                self._hear(min(min(lane.ready_at, lane.house_at) for lane in self._lanes) - now)
        self._leave()

    def _give_turn(self, lane: Lane) -> None:
        began = self._mono()
        patient = not any(other.waits for other in self._lanes if other is not lane)
        if self._guarded(lane, lambda: lane.turn(patient=patient)):
            self._well(lane)
        self._turns.took(lane.fleet, self._mono() - began)

    def _keep_house(self) -> None:
        """The beats and sweeps of all lanes, each in its time; those that are told to stop leave."""
        for lane in tuple(self._lanes):
            if lane.house_at > self._mono():  # now: one that fails may have held others of the same server
                continue
            self._alive()
            if self._guarded(lane, lane.keep_house) and lane.drained:
                self._well(lane)
            if lane.stopped:
                self._dismiss(lane)
                self._lanes.remove(lane)

    def _guarded(self, lane: Lane, deed: Callable[[], None]) -> bool:
        """Do something for one fleet; what goes wrong with that is kept from the others. Returns whether it went well."""
        began = self._mono()
        with structlog.contextvars.bound_contextvars(fleet=lane.fleet):
            try:
                deed()
            except StateError as error:
                self._redis_failed(lane, error, self._mono() - began)
            except Exception:
                log.exception("this should not be; going on")
                if all(one.bugs.failures >= ERRORS_MAX for one in self._lanes):
                    raise
                lane.hold(lane.bugs.pause_s(self._rng))
            else:
                return True
        return False

    def _well(self, lane: Lane) -> None:
        """Redis and we do our work for a fleet."""
        lane.bugs.failures = 0
        if lane.redis.failures:
            log.info("redis is back", fleet=lane.fleet, failures=lane.redis.failures)
            lane.redis.failures = 0

    def _redis_failed(self, lane: Lane, error: StateError, took_s: float = 0.0) -> None:
        """Leave Redis alone for a while: for this fleet, and if nobody answers there for all on the same server."""
        if not lane.redis.failures:
            log.error("redis failed, no calls until it is back", fleet=lane.fleet, error=str(error))
        place = lane.rooms.place
        pause_s = lane.redis.pause_s(self._rng)
        if any(other.rooms.place != place for other in self._lanes):
            pause_s = max(pause_s, pause_for_others_s(took_s, REDIS_LONGEST_S))
        if isinstance(error, RedisUnavailable):  # else it answers, and others have their connection with us
            lane.rooms.drop_connections()  # a demoted primary answers for ever on the old ones
            if self._bell.client is lane.rooms.client:
                self._bell.close()
        lane.hold(pause_s)
        if isinstance(error, RedisSilent):
            for other in self._neighbours(lane):
                other.hold(pause_s)

    def _neighbours(self, lane: Lane) -> list[Lane]:
        """The others on the same server."""
        return [other for other in self._lanes if other.rooms.place == lane.rooms.place and other is not lane]

    def _hear(self, wait_s: float) -> None:
        """Wait so long at most, and tell the lanes whose bells ring."""
        if self._bell.client is None and not self._tune_in():
            self._doze(wait_s)
            return
        client = self._bell.client
        try:
            for fleet, ring in self._bell.wait(wait_s, self._cut):
                self._by_name[fleet].rang(ring)
        except StateError as error:
            lane = next((lane for lane in self._lanes if lane.rooms.client is client), None)
            if lane is not None and (isinstance(error, RedisUnavailable) or len(self._lanes) == 1):
                self._redis_failed(lane, error)  # most likely its server is gone
            elif not isinstance(error, RedisUnavailable):
                self._deaf_until = self._mono() + DEAF_S
                log.warning("a bell is denied, so none is heard: orders and new jobs come late", error=str(error))

    def _tune_in(self) -> bool:
        """Listen where Redis answers, as far as we know, and take it that all bells rang while nobody did."""
        now = self._mono()
        lane = next((lane for lane in self._lanes if lane.held_until <= now), None)
        if lane is None or now < self._deaf_until:
            return False
        try:
            self._bell.listen(lane.rooms.client)
        except StateError as error:
            self._redis_failed(lane, error, self._mono() - now)
            return False
        for other in self._lanes:
            other.rang(Ring.ORDER)
            other.rang(Ring.TRACK)
        return True

    def _cut(self) -> bool:
        self._alive()
        return self._stopping.drain

    def _doze(self, wait_s: float) -> None:
        """A wait that needs no Redis."""
        until = self._mono() + wait_s
        while (left := until - self._mono()) > 0 and not self._cut():
            time.sleep(min(left, SLICE_S))

    def _dismiss(self, lane: Lane) -> None:
        with structlog.contextvars.bound_contextvars(fleet=lane.fleet):
            try:
                lane.leave()
            except StateError as error:
                log.warning("could not take leave, the roster forgets us in time", error=str(error))
                if isinstance(error, RedisSilent):  # nor will it answer the others, and each would wait for that
                    for other in self._neighbours(lane):
                        other.redis.failures += 1
            log.info("poller left", calls=lane.calls)

    def _leave(self) -> None:
        for lane in self._lanes:
            self._dismiss(lane)
        self._bell.close()
        for rooms in self._rooms:
            rooms.close()


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep signals waiting within the block, and for a process that is started in it, until it lets them in."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def main(fleets: Sequence[Settings], url: str, stamp: c_double) -> None:
    """A poller process from start to end. `stamp` is shared: the loop writes the monotonic time at which it turned."""
    stopping = Stopping()
    stopping.on(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides what it means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    configure(fleets[0].log_format, fleets[0].log_level)
    of_one = {"fleet": fleets[0].fleet} if len(fleets) == 1 else {}
    structlog.contextvars.bind_contextvars(pid=os.getpid(), **of_one)

    def alive() -> None:
        stamp.value = system_mono()

    worker = Worker(len(fleets))
    try:
        with cycles(fleets[0], worker.worker_id, signals_held) as made:
            poller = Poller(fleets, url, stopping, alive, worker, made)
            log.info("poller started", worker=worker.worker_id, fleets=len(fleets))
            gc.freeze()  # what is there by now stays, and is not looked through again
            gc.set_threshold(GARBAGE)
            poller.run()
    except SettingsError as error:
        log.critical("the settings will not do", error=str(error))
        raise SystemExit(EXIT_SETTINGS) from None
    raise SystemExit(EXIT_LEFT if stopping.drain else EXIT_ORDERED)

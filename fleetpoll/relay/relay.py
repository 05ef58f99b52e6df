"""The loop between a consumer group, the desk and a sink. A transition is acknowledged when it was delivered, not before.

One thread speaks with Redis and decides; as many as are delivered at once do nothing but deliver.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import structlog

from fleetpoll.client.consuming import RETRY_AFTER_S, some_name
from fleetpoll.client.fleet import redis_url
from fleetpoll.client.following import pause_s
from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import RedisUnavailable, StateError
from fleetpoll.jobs import JobStatus
from fleetpoll.relay.desk import Desk
from fleetpoll.relay.parcels import Answer, Parcel, Sink, Verdict
from fleetpoll.settings import Settings
from fleetpoll.state.holding import Holder
from fleetpoll.state.letters import LETTERS_KEPT, Letter, Letters
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.steps import perform

HELD_MIN = 500
"""So many transitions may be held at least."""
AHEAD = 2
"""Parcels that are handed out for each that is delivered at once, so that nobody waits for us."""
FLUSH_S, FLUSH_MAX = 0.05, 100
"""Acknowledgements are sent together: this long after the last ones, or when there are so many."""
IDLE_S = 1.0
"""How long one read waits for news when nothing is to be done: an idle relay hears of its end no later."""
KEPT = 4
"""So often a relay gives a sign of life in the time after which it is taken for dead."""
LOOK_S = 0.02
"""How often the stream is looked at while deliveries are under way."""

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to relay: as which group and from where, what of it, and how it is delivered."""

    group: str = "relay"
    since: str | None = None  # where a new group begins; None: with what comes from now on
    only: frozenset[JobStatus] = frozenset()  # others are acknowledged and not sent; none: all are sent
    batch: int = 1
    linger_s: float = 0.2
    parallel: int = 4
    attempts: int = 10
    takeover_s: float = RETRY_AFTER_S  # what a relay has held for so long without a word goes to another one


@dataclass(slots=True)
class Tally:
    """What a relay has done. Repeats count."""

    delivered: int = 0
    skipped: int = 0
    failures: int = 0
    dead: int = 0


@dataclass(slots=True)
class Basket:
    """What is to be told to Redis, as soon as it can be reached."""

    done: list[str] = field(default_factory=list)
    dead: list[Letter] = field(default_factory=list)
    since: float = 0.0


class Relay:
    """One member of the group: any number of them, on any number of machines, share its transitions."""

    def __init__(self, rooms: Rooms, plan: Plan, sink: Sink, mono: Mono = system_mono) -> None:
        self._client, self._fleet, self._plan, self._sink, self._mono = rooms.client, rooms.keys.fleet, plan, sink, mono
        self._holder = Holder(rooms.keys, plan.group, some_name(), plan.since, plan.takeover_s, mono)
        self._letters = Letters(rooms.client, rooms.keys)
        self._desk = Desk(plan.attempts, plan.batch, plan.linger_s, Random())
        self._room = max(HELD_MIN, 2 * AHEAD * plan.parallel * plan.batch)
        self._basket, self._answers = Basket(), queue.SimpleQueue[tuple[Parcel, Answer]]()
        self._kept_at = self._looked_at = mono()
        self._leaving = False  # what waits for a thread of the pool is not begun with any more
        self.tally = Tally()

    def run(self, leaving: Callable[[], bool]) -> Tally:
        """Relay until `leaving`; then what is under way is finished, and the rest given back. Raises StateError."""
        perform(self._client, self._holder.join())  # whoever cannot begin says so at once
        log.info("relay started", fleet=self._fleet, group=self._plan.group, sink=self._sink.name)
        with ThreadPoolExecutor(self._plan.parallel, "deliver") as pool:
            while not leaving():
                self._turn(pool)
            self._leaving = True
            while self._desk.under_way:
                self._collect(min(IDLE_S, self._plan.takeover_s / KEPT))
                with suppress(RedisUnavailable):
                    self._flush()
                    self._keep()
            self._leave()
        log.info("relay left", delivered=self.tally.delivered, dead=self.tally.dead, given_back=len(self._desk))
        return self.tally

    def _turn(self, pool: ThreadPoolExecutor) -> None:
        """One round: what is new, what may go, what came of it. While Redis is away, deliveries go on."""
        try:
            self._flush()
            self._keep()
            self._take()
        except RedisUnavailable:
            self._collect(pause_s())
        while self._desk.under_way < AHEAD * self._plan.parallel and (parcel := self._desk.next(self._mono())) is not None:
            pool.submit(self._deliver, parcel)
        if self._desk.under_way or len(self._desk) >= self._room:
            self._collect(min(LOOK_S, self._wait_s()) if len(self._desk) < self._room else FLUSH_S)

    def _wait_s(self) -> float:
        wait_s = self._desk.wait_s(self._mono())
        return wait_s if wait_s > 0 else math.inf  # what could go is barred by what is under way

    def _take(self) -> None:
        """Ask for what is new; nobody waits for that while deliveries are under way."""
        if len(self._desk) >= self._room:
            return
        now = self._mono()
        if self._desk.under_way:
            if now - self._looked_at < LOOK_S:
                return
            block_s = 0.0
        else:
            block_s = min(IDLE_S, self._plan.takeover_s / KEPT, max(0.0, self._desk.wait_s(now)))
        page = perform(self._client, self._holder.take(block_s))
        full = len(page) > 0
        self._looked_at = self._mono() - (LOOK_S if full else 0.0)  # more may be there
        only = self._plan.only
        wanted = [one for one in page if one.job_id and (not only or one.after in only)]  # one without a job is none of ours
        chosen = {one.cursor for one in wanted}
        self._acknowledge([one.cursor for one in page if one.cursor not in chosen])
        self.tally.skipped += len(page) - len(wanted)
        self._desk.put(wanted, self._mono())

    def _deliver(self, parcel: Parcel) -> None:
        """In a thread of the pool."""
        if self._leaving:
            self._answers.put((parcel, Answer(Verdict.BUSY)))
            return
        try:
            answer = self._sink.send(parcel.name(self._fleet), parcel.public(self._fleet))
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not look as if it were still delivering
            answer = Answer(Verdict.FAILED, f"{type(error).__name__}: {error}")
        self._answers.put((parcel, answer))

    def _collect(self, patience_s: float) -> None:
        """What came of deliveries, waiting so long for the first."""
        try:
            answered = self._answers.get(timeout=max(0.0, patience_s))
            while True:
                self._answered(*answered)
                answered = self._answers.get_nowait()
        except queue.Empty:
            return

    def _answered(self, parcel: Parcel, answer: Answer) -> None:
        outcome = self._desk.answered(parcel, answer, self._mono())
        self.tally.delivered += len(outcome.done)
        self.tally.failures += answer.verdict in (Verdict.FAILED, Verdict.REFUSED)
        self.tally.dead += len(outcome.dead)
        self._acknowledge(outcome.done)
        self._basket.dead += [self._letter_of(dead) for dead in outcome.dead]
        if outcome.opened:
            log.error("the sink fails: trying again, one at a time, and giving up nothing", error=answer.words)
        if outcome.closed:
            log.info("the sink works again", held=len(self._desk))

    def _letter_of(self, parcel: Parcel) -> Letter:
        (transition,) = parcel.transitions
        attempts = parcel.failures + parcel.doubtful or 1
        log.warning(
            "transition given up", id=transition.cursor, job=transition.job_id, attempts=attempts, error=parcel.words
        )
        return Letter(transition, self._plan.group, self._sink.name, attempts, parcel.words)

    def _acknowledge(self, cursors: Sequence[str]) -> None:
        if not self._basket.done:
            self._basket.since = self._mono()
        self._basket.done += cursors

    def _flush(self, *, all_of_it: bool = False) -> None:
        """Tell Redis what is done with."""
        basket = self._basket
        if basket.dead:
            if trimmed := self._letters.bury(self._plan.group, basket.dead):
                log.warning("the oldest dead letters were dropped", dropped=trimmed, kept=LETTERS_KEPT)
            self._holder.let_go(letter.transition.cursor for letter in basket.dead)
            basket.dead = []
        due = len(basket.done) >= FLUSH_MAX or self._mono() - basket.since >= FLUSH_S or not self._desk.under_way
        if basket.done and (due or all_of_it):
            perform(self._client, self._holder.acknowledge_these(basket.done))
            basket.done = []

    def _keep(self) -> None:
        """Say that we are alive, so that nobody takes over what we hold."""
        now = self._mono()
        if now - self._kept_at < self._plan.takeover_s / KEPT:
            return
        taken = perform(self._client, self._holder.keep()) if self._holder.held else set()
        self._kept_at = now
        if taken:
            log.warning("transitions were taken over by another relay, because this one was silent", count=len(taken))
            self._desk.lose(taken)

    def _leave(self) -> None:
        """Acknowledge what was delivered, and let others have the rest at once."""
        try:
            self._flush(all_of_it=True)
            perform(self._client, self._holder.leave())
        except StateError as error:
            log.warning("what was delivered last may be delivered again", error=str(error))


@contextmanager
def open_relay(settings: Settings, plan: Plan, sink: Sink) -> Iterator[Relay]:
    """A relay of a fleet by its settings."""
    with redis_url(settings) as url:
        rooms = open_rooms(url, settings)
        try:
            yield Relay(rooms, plan, sink)
        finally:
            rooms.close()


@contextmanager
def open_letters(settings: Settings) -> Iterator[Letters]:
    """The dead letters of a fleet by its settings."""
    with redis_url(settings) as url:
        rooms = open_rooms(url, settings)
        try:
            yield Letters(rooms.client, rooms.keys)
        finally:
            rooms.close()


def send_again(letters: Letters, chosen: Sequence[Letter], fleet: str, sink: Sink) -> Iterator[tuple[Letter, Answer]]:
    """Deliver letters once more, each once; what is delivered is forgotten. Its message has the id that it always had."""
    for letter in chosen:
        parcel = Parcel([letter.transition])
        answer = sink.send(parcel.name(fleet), parcel.public(fleet))
        if answer.verdict is Verdict.DELIVERED:
            letters.drop([letter.letter_id])
        yield letter, answer

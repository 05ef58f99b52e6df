"""A run from the first act to the last check."""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rig import alive, wait_until
from fleetpoll.errors import FleetpollError, StateError
from fleetpoll.state.rooms import DESCRIBE
from tests.chaos.acts import Acts
from tests.chaos.consistency import Stored, stored
from tests.chaos.consumer import GROUP
from tests.chaos.history import Api, History, Totals
from tests.chaos.notes import Burst, Entry, Wait, read
from tests.chaos.plan import Moment
from tests.chaos.stage import Stage, await_work

STEP_S = 0.1
LOOK_S = 4.0
"""Between two looks at what is stored while the run is under way."""
DRAIN_S = 240.0
"""How long the fleet may take from the last act to the last end."""
CATCH_UP_S = 60.0
AGAIN_S = 0.5

Due = tuple[float, int, Callable[[], str]]
"""When something is undone, which of those of one moment comes first, and how."""


@dataclass
class Run:
    """One run on a stage."""

    stage: Stage
    moments: list[Moment]
    problems: list[str] = field(default_factory=list)
    looks: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing has begun."""
        self.acts = Acts(self.stage)
        self._began = time.monotonic()

    def harm(self) -> None:
        """Do all acts, each undone in its time; at the end nothing is broken any more."""
        self.stage.open_programs()
        await_work(self.stage)
        self._began = time.monotonic()
        self.say("the fleet works")
        order, undos = itertools.count(), list[Due]()
        todo, next_look = list(reversed(self.moments)), LOOK_S
        while (now := self.elapsed()) < self.stage.size.seconds:
            self._undo(undos, now)
            while todo and todo[-1].at_s <= now:
                moment = todo.pop()
                words, undo = self.acts.do(moment)
                self.say(words)
                if undo is not None:
                    heapq.heappush(undos, (now + moment.lasts_s, next(order), undo))
                if not words.startswith("not now"):
                    self.counts[moment.act.value] = self.counts.get(moment.act.value, 0) + 1
            self._watch()
            if now >= next_look:
                next_look = now + LOOK_S
                self._look()
            threading.Event().wait(STEP_S)
        self._wait(lambda: self._all_undone(undos), CATCH_UP_S, "nothing is broken any more")

    def settle(self) -> float:
        """Let everything come to its end. Returns how long the last jobs took."""
        began, rooms = time.monotonic(), self.stage.rooms
        self._wait(lambda: not any(one.alive() for one in self.stage.producers), DRAIN_S, "the producers have left")
        self._wait(lambda: rooms.ledger.sizes()[0] == 0, DRAIN_S, "every job has ended")
        drained_s = time.monotonic() - began
        self._wait(self._caught_up, CATCH_UP_S, "readers, consumers and waits have caught up")
        self._wait(lambda: not any(map(alive, self.acts.orphans)), CATCH_UP_S, "the orphans have left")
        return drained_s

    def history(self) -> History:
        """What the witnesses say. Ends the fleet."""
        rooms, stage = self.stage.rooms, self.stage
        for one in stage.supervisors:
            one.tell()
        self.acts.exits |= {one.name: one.left() for one in stage.supervisors}
        bursts = [burst for how in ("library", "command") for burst in read(stage.notes(how), Burst)]
        view, totals = rooms.buckets[DESCRIBE].view(), rooms.ledger.totals()
        truth = stage.simulator.truth([job_id for burst in bursts for job_id in burst.ids])
        return History(
            bursts=bursts,
            truth={job_id: status for job_id, (status, _) in truth.items()},
            stored=stored(rooms),
            stream=list(self._stream()),
            read=list(read(stage.notes("reader"), Entry)),
            consumed=[entry for name in ("member-1", "member-2") for entry in read(stage.notes(name), Entry)],
            waits=list(read(stage.notes("waiter"), Wait)),
            api=api_of(stage.simulator.stats()["operations"]["describe"]),
            totals=Totals(view.tokens_granted, totals.calls, totals.throttled, totals.failed),
            quiets=self.acts.quiets,
            returns=self.acts.returns.seen,
            freezes=self.acts.freezes,
            margin_s=stage.settings.margin,
            call_s=stage.settings.connect_timeout + stage.settings.read_timeout,
            moments=self.problems,
            permanent_keys=frozenset(self._permanent_keys()),
            orphans=[pid for pid in self.acts.orphans if alive(pid)],
            exits=self.acts.exits,
        )

    def elapsed(self) -> float:
        """Seconds since the fleet worked."""
        return time.monotonic() - self._began

    def say(self, words: str) -> None:
        """One line."""
        sys.stdout.write(f"{self.elapsed():7.1f} s  {words}\n")
        sys.stdout.flush()

    def _undo(self, undos: list[Due], now: float) -> None:
        """Undo what is due; what cannot be undone yet is tried again a little later."""
        while undos and undos[0][0] <= now:
            due_s, order, undo = heapq.heappop(undos)
            try:
                self.say(undo())
            except StateError:
                heapq.heappush(undos, (due_s + AGAIN_S, order, undo))

    def _watch(self) -> None:
        if words := self.acts.watch():
            self.say(words)

    def _all_undone(self, undos: list[Due]) -> bool:
        """Undo what is left, whenever it was due."""
        if undos:
            self._undo(undos, undos[0][0])
        return not undos

    def _look(self) -> None:
        if self.acts.redis_away:
            return
        try:
            found: Stored = stored(self.stage.rooms)
        except Exception as error:  # noqa: BLE001 - a connection that an act has cut, whoever says so
            self.say(f"no look at what is stored: {error}")
            return
        self.looks += 1
        self.problems += [f"at {self.elapsed():.1f} s: {problem}" for problem in found.problems()]

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait, and let the checks tell what is missing if it is in vain."""

        def holds() -> bool:
            self._watch()
            try:
                return condition()
            except FleetpollError:
                return False

        try:
            took_s = wait_until(holds, timeout_s, what)
        except TimeoutError as error:
            self.problems.append(str(error))
            self.say(f"in vain: {error}")
        else:
            self.say(f"{what} ({took_s:.1f} s)")

    def _caught_up(self) -> bool:
        stage = self.stage
        bursts = sum(burst.acknowledged for how in ("library", "command") for burst in read(stage.notes(how), Burst))
        waits = sum(1 for _ in read(stage.notes("waiter"), Wait))
        length = int(stage.rooms.client.xlen(stage.rooms.keys.events))
        there = sum(1 for _ in read(stage.notes("reader"), Entry))
        group: Any = stage.rooms.client.xinfo_groups(stage.rooms.keys.events)
        mine = next(facts for facts in group if facts["name"] == GROUP)
        return waits >= bursts and there >= length and not mine["pending"] and not mine.get("lag")

    def _stream(self) -> Iterator[Entry]:
        cursor = "0-0"
        while page := self.stage.rooms.events.read(cursor):
            yield from map(Entry.of, page)
            cursor = page[-1].cursor

    def _permanent_keys(self) -> Iterator[str]:
        prefix = self.stage.rooms.keys.bucket("").removesuffix("bucket:")
        for key in self.stage.rooms.client.scan_iter(count=1000):
            if int(self.stage.rooms.client.ttl(key)) < 0:
                yield key.removeprefix(prefix)


def api_of(describe: dict[str, Any]) -> Api:
    """What the checks need of the simulator's figures."""
    return Api(
        calls=describe["calls"],
        throttled=describe["throttled"],
        strays=describe["strays"],
        faults=sum(describe.get("faults", {}).values()),
        with_duplicates=describe["calls_with_duplicates"],
        over_100=describe["calls_over_100"],
        worst_second=describe["worst_second_calls"],
        overlaps=tuple((asked_ms, answered_ms, ids) for asked_ms, answered_ms, ids in describe["overlaps"]),
    )

"""How each act is done, and undone. An act that finds nothing to harm says so and does nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fleetpoll.errors import RedisUnavailable, StateError
from fleetpoll.simulator.config import Fault, Operation
from fleetpoll.state.rooms import DESCRIBE
from tests.chaos.history import Freeze, Quiet
from tests.chaos.plan import Act, Moment
from tests.chaos.processes import Program, children, send
from tests.chaos.returns import Returns
from tests.chaos.stage import Stage, mixed

STORM_SHARE = 0.5
SETTLING_S = 2.0
"""From the moment that Redis is away, or the budget paused, until no call may come any more."""
STAMPEDE = 20

Victim = TypeVar("Victim")
Undo = Callable[[], str]
Done = tuple[str, Undo | None]
"""What was done, in words, and how it is undone. What cannot be undone for now raises StateError."""


def nothing(why: str) -> Done:
    """An act that was not done."""
    return f"not now: {why}", None


@dataclass(slots=True)
class Hush:
    """A while in which no call may come has begun."""

    why: str
    from_s: float  # monotonic, when the calls under way have come
    began_ms: int
    calls: int | None = None  # that had come by then


class Acts:
    """Does acts on a stage, and keeps in mind what the checks must know of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.freezes: list[Freeze] = []
        self.quiets: list[Quiet] = []
        self.orphans: list[int] = []
        self.exits: dict[str, int | None] = {}
        self.returns = Returns(stage)
        self._frozen: dict[int, int] = {}  # pid → since when, in epoch ms
        self._stampedes = 0
        self._redis_away = self._paused = False
        self._hushed: Hush | None = None
        self._doing: dict[Act, Callable[[Moment], Done]] = {
            Act.KILL_POLLER: self._kill_poller,
            Act.KILL_SUPERVISOR: lambda moment: self._kill_supervisor(moment, whole=False),
            Act.KILL_TREE: lambda moment: self._kill_supervisor(moment, whole=True),
            Act.FREEZE_POLLER: self._freeze_poller,
            Act.FREEZE_LONG: self._freeze_poller,
            Act.FREEZE_SUPERVISOR: self._freeze_supervisor,
            Act.KILL_REDIS: self._kill_redis,
            Act.FREEZE_REDIS: self._freeze_redis,
            Act.CUT_CLIENTS: lambda _: self._order(
                "CLIENT KILL of all", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
            ),
            Act.FLUSH_SCRIPTS: lambda _: self._order("SCRIPT FLUSH", "SCRIPT", "FLUSH"),
            Act.EXPIRED: lambda _: self._disturb("credentials have expired", "renewed", faults={Fault.EXPIRED: 1.0}),
            Act.STORM: lambda _: self._disturb("a storm of 429", "over", reject_share=STORM_SHARE),
            Act.PAUSE: self._pause,
            Act.KILL_CONSUMER: self._kill_consumer,
            Act.STAMPEDE: self._stampede,
        }

    def do(self, moment: Moment) -> Done:
        """Do one act."""
        return self._doing[moment.act](moment)

    def watch(self) -> str:
        """To be called again and again: hold calls against the times in which none may come, and see calls come back.

        Returns a line for the reader when they have.
        """
        hushed = self._hushed
        if hushed is not None and hushed.calls is None and time.monotonic() >= hushed.from_s:
            hushed.calls = self._stage.calls()
        return self.returns.look(self._pollers())

    @property
    def redis_away(self) -> bool:
        """Whether Redis is down, or stands still."""
        return self._redis_away

    def _pollers(self) -> list[int]:
        pids = [pid for supervisor in self._stage.supervisors for pid in supervisor.pollers()]
        return [pid for pid in pids if pid not in self._frozen]

    def _kill_poller(self, moment: Moment) -> Done:
        pids = self._pollers()
        if not pids:
            return nothing("no poller is there")
        pid = picked(pids, moment)
        send(pid, signal.SIGKILL)
        return f"kill -9 poller {pid}", None

    def _kill_supervisor(self, moment: Moment, *, whole: bool) -> Done:
        here = [
            one for one in self._stage.supervisors if one.alive() and not self._frozen.keys() & {one.pid, *one.pollers()}
        ]
        if not here:
            return nothing("no supervisor is there")
        victim, place = picked(here, moment), self._stage.supervisors.index(picked(here, moment))
        pids = children(victim.pid)
        victim.kill(whole=whole)
        self.orphans += [] if whole else pids

        def undo() -> str:
            self._stage.supervisors[place] = victim.again()
            return f"{victim.name} is started again"

        return f"kill -9 {victim.name} ({victim.pid}), {'with' if whole else 'without'} its pollers", undo

    def _freeze_poller(self, moment: Moment) -> Done:
        pids = self._pollers()
        return self._freeze(picked(pids, moment), "poller", moment) if pids else nothing("no poller is there")

    def _freeze_supervisor(self, moment: Moment) -> Done:
        here = [one.pid for one in self._stage.supervisors if one.alive() and one.pid not in self._frozen]
        return self._freeze(picked(here, moment), "supervisor", moment) if here else nothing("no supervisor is there")

    def _freeze(self, pid: int, what: str, moment: Moment) -> Done:
        send(pid, signal.SIGSTOP)
        self._frozen[pid] = epoch_ms()

        def undo() -> str:
            send(pid, signal.SIGCONT)
            since = self._frozen.pop(pid)
            if what == "poller":
                self.freezes.append(Freeze(since, epoch_ms()))
            return f"{what} {pid} goes on"

        return f"SIGSTOP {what} {pid} for {moment.lasts_s:.1f} s", undo

    def _kill_redis(self, moment: Moment) -> Done:
        if self._redis_away:
            return nothing("Redis is away already")
        self._away("Redis was down")
        self._stage.server.kill()

        def undo() -> str:
            self._over()
            calls = self._stage.calls()
            self._stage.server.start()
            return self._back("Redis is started again", calls)

        return f"kill -9 Redis for {moment.lasts_s:.1f} s", undo

    def _freeze_redis(self, moment: Moment) -> Done:
        if self._redis_away:
            return nothing("Redis is away already")
        self._away("Redis stood still")
        self._stage.server.signal(signal.SIGSTOP)

        def undo() -> str:
            self._over()
            calls = self._stage.calls()
            self._stage.server.signal(signal.SIGCONT)
            return self._back("Redis goes on", calls)

        return f"SIGSTOP Redis for {moment.lasts_s:.1f} s", undo

    def _away(self, why: str) -> None:
        self._redis_away = True
        self.returns.give_up()
        self._hush(why)

    def _back(self, words: str, calls: int) -> str:
        self._redis_away = False
        if not self._paused:
            self.returns.back(calls)
        return words

    def _hush(self, why: str) -> None:
        """From a moment on no call may come; of two such whiles at once the first is watched."""
        if self._hushed is None:
            self._hushed = Hush(why, time.monotonic() + SETTLING_S, epoch_ms())

    def _over(self) -> None:
        hushed, self._hushed = self._hushed, None
        if hushed is not None and hushed.calls is not None:
            late = sum(freeze.thawed_ms >= hushed.began_ms for freeze in self.freezes)
            self.quiets.append(Quiet(hushed.why, self._stage.calls() - hushed.calls, late))

    def _order(self, words: str, *command: str) -> Done:
        if self._redis_away:
            return nothing("Redis is away")
        with self._stage.server.client() as client:
            answer: Any = client.execute_command(*command)
        return f"{words}: {answer}", None

    def _disturb(
        self, words: str, over: str, *, faults: dict[Fault, float] | None = None, reject_share: float = 0.0
    ) -> Done:
        """Only what this act disturbs is undone: another may be under way."""
        disturb, usual = self._stage.simulator.disturb, mixed(self._stage.size.faults)
        disturb(Operation.DESCRIBE, faults=faults, reject_share=reject_share or None)
        self.returns.aws(fails=True)

        def undo() -> str:
            disturb(Operation.DESCRIBE, faults=faults and usual, reject_share=0.0 if reject_share else None)
            self.returns.aws(fails=False)
            return f"{words}: {over}"

        return words, undo

    def _pause(self, moment: Moment) -> Done:
        bucket = self._stage.rooms.buckets[DESCRIBE]
        if self._redis_away:
            return nothing("Redis is away")
        try:
            bucket.pause(True)
        except StateError as error:
            return nothing(str(error))
        self._paused = True
        self.returns.give_up()
        self._hush("the budget was paused")

        def undo() -> str:
            if self._redis_away:
                raise RedisUnavailable("the pause lasts as long as Redis is away")
            self._over()
            bucket.pause(False)
            self._paused = False
            return "the budget goes on"

        return f"the budget is paused for {moment.lasts_s:.1f} s", undo

    def _kill_consumer(self, moment: Moment) -> Done:
        places = [place for place, one in enumerate(self._stage.consumers) if one.name.startswith("member") and one.alive()]
        if not places:
            return nothing("no consumer is there")
        place = picked(places, moment)
        victim = self._stage.consumers[place]
        victim.kill(whole=True)

        def undo() -> str:
            self._stage.consumers[place] = victim.again()
            return f"{victim.name} is started again"

        return f"kill -9 {victim.name}", undo

    def _stampede(self, _: Moment) -> Done:
        self._stampedes += 1
        crowd: list[Program] = [self._stage.supervise(f"crowd-{self._stampedes}-{n}", pollers=1) for n in range(STAMPEDE)]
        self._stage.crowd += crowd

        def undo() -> str:
            for one in crowd:
                one.tell()
            self.exits |= {one.name: one.left() for one in crowd}
            return f"{STAMPEDE} supervisors have left"

        return f"{STAMPEDE} supervisors start at once", undo


def picked(victims: list[Victim], moment: Moment) -> Victim:
    """The victim that the moment's draw points at."""
    return victims[int(moment.pick * len(victims))]


def epoch_ms() -> int:
    """The wall clock, which is the simulator's as well."""
    return time.time_ns() // 1_000_000

"""Processes that serve many fleets in turns: how many carry how many calls, what the worst fleet gets, what waiting costs.

Each process picks whose turn it is by the workers' own `Turns` and has one call in flight; where a token is waited for the
turn ends, and the process holds that lease and asks again every half second. It waits for one at a time. Tokens of other
fleets it takes if they are there, else it looks again after the workers' own pauses. A call takes 200 ms of AWS,
log-normally spread, and some CPU. Every fleet is allowed 10 calls/s and always has jobs that are due, unless the line says
otherwise.
`made` are calls/s, `worst` is what the fleet that got least made of what it was allowed, `busy` the share of the processes'
time, `held` the leases of a fleet that wait for a token, `asks` the questions about tokens that Redis has for each call.
A fleet that hangs does so for as long as is counted, and is not counted itself: it takes 23 s of each who calls, until the
first of them knows, and from then on one tries for all. `a place in every row` is not what the workers do: there a process
waits for a token of each fleet at the same time.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from benchmarks.model.callers import Latency
from fleetpoll.forecast.loop import Loop
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import PACE_S
from fleetpoll.turns import Turns
from workers.lane import OUTRUN_S
from workers.setback import Setback

RATE = 10.0
TOKEN_WAIT_S = Settings().token_wait
LATENCY = Latency(0.2, 0.35)
CLAIM_S, ASK_S, CPU_S = 0.002, 0.0005, 0.005
"""What a process spends on a claim with its question for a token, on another question, and on an answer."""
HANGS_S = Settings().read_timeout + Settings().connect_timeout
"""How long a call hangs where nobody answers."""
WARM_S, COUNTED_S = 30.0, 30.0

HEAD = "what happens                fleets processes | wanted    made  worst |  busy   held   asks"


@dataclass(frozen=True, slots=True)
class Crew:
    """Processes and the fleets that they serve."""

    name: str
    fleets: int
    processes: int
    wanted: float = RATE  # calls/s that a fleet has work for
    first: float | None = None  # and the first one, if that is another
    allowed_first: float = RATE
    places: int = 1  # tokens that a process waits for at a time
    hangs: bool = False  # nobody answers the first one, from when it is counted

    def work(self, number: int) -> float:
        """The calls/s that a fleet has work for and may make."""
        if number:
            return min(self.wanted, RATE)
        return min(self.wanted if self.first is None else self.first, self.allowed_first)


CREWS = (
    *(Crew("all are busy", 40, processes) for processes in (60, 80, 100, 120)),
    Crew("a hundred calls/s for one", 40, 80, wanted=5.0, first=100.0, allowed_first=100.0),
    Crew("a place in every row", 40, 80, places=40),
    Crew("one of them hangs", 40, 100, hangs=True),
    Crew("half of them rest", 40, 60, wanted=5.0),
    Crew("all are busy", 80, 200),
)


@dataclass(slots=True)
class Bucket:
    """Tokens that come at a rate, in debt if need be; work comes likewise, and is used up."""

    rate: float
    tokens: float = 0.0
    at_s: float = 0.0
    held: int = 0
    calls: int = 0

    def reserve(self, now_s: float, longest_s: float) -> float:
        """How long to wait for a token that is ours; more than `longest_s`: none was taken."""
        self.tokens = min(max(1.0, self.rate / 4), self.tokens + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        wait_s = max(0.0, (1.0 - self.tokens) / self.rate)
        if wait_s <= longest_s:
            self.tokens -= 1.0
        return wait_s


@dataclass(slots=True)
class Counts:
    """What was counted of all processes."""

    busy_s: float = 0.0
    asks: int = 0
    held: list[float] = field(default_factory=list)
    hung_s: float = math.inf  # since when a fleet hangs


class Process:
    """One process: the moments from which its lanes are ready, and those of the tokens that it holds."""

    def __init__(self, loop: Loop, rng: Random, crew: Crew, buckets: Sequence[Bucket], counts: Counts) -> None:
        self._loop, self._rng, self._crew, self._counts = loop, rng, crew, counts
        self._buckets = buckets
        self._names = [str(number) for number in range(crew.fleets)]
        rng.shuffle(self._names)
        self._turns = Turns(dict.fromkeys(self._names, 1.0))
        self._ready_s = dict.fromkeys(self._names, 0.0)
        self._token_s: dict[str, float] = {}
        self._outrun = {name: Setback(*OUTRUN_S) for name in self._names}
        loop.after(rng.uniform(0.0, 1.0), self._choose)

    def _choose(self) -> None:
        now_s = self._loop.now_s
        free = not self._token_s
        ready = [name for name in self._names if self._ready_s[name] <= now_s or (free and self._outrun[name].failures)]
        if not ready:
            self._loop.at(min(self._ready_s.values()), self._choose)
            return
        name = self._turns.next(ready)
        took_s = self._turn(name, self._buckets[int(name)], now_s)
        self._turns.took(name, took_s)
        self._counts.busy_s += took_s
        self._loop.after(took_s, self._choose)

    def _turn(self, name: str, bucket: Bucket, now_s: float) -> float:
        """Go on with a fleet until a token is waited for or a call is made. Returns how long that takes."""
        took_s, self._counts.asks = CLAIM_S, self._counts.asks + 1
        if name in self._token_s:
            took_s, wait_s = ASK_S, self._token_s[name] - now_s
        else:
            ahead_s = TOKEN_WAIT_S if len(self._token_s) < self._crew.places else 0.0
            wait_s = bucket.reserve(now_s, ahead_s)
            if wait_s > ahead_s:
                if ahead_s:
                    self._outrun[name].failures = 0
                    back_s = wait_s - ahead_s * self._rng.uniform(0.25, 0.75)
                else:
                    took_s, back_s = ASK_S, max(min(wait_s, OUTRUN_S[1]), self._outrun[name].pause_s(self._rng))
                self._ready_s[name] = now_s + took_s + back_s
                return took_s
            self._outrun[name].failures = 0
            self._token_s[name] = now_s + wait_s
            bucket.held += 1
        if wait_s > 0:
            self._ready_s[name] = now_s + took_s + min(wait_s, PACE_S)
            return took_s
        del self._token_s[name]
        bucket.held -= 1
        return took_s + self._call(name, bucket, now_s + took_s)

    def _call(self, name: str, bucket: Bucket, now_s: float) -> float:
        if name == "0" and now_s >= self._counts.hung_s:
            self._ready_s[name] = math.inf
            return HANGS_S if now_s < self._counts.hung_s + HANGS_S else 0.0
        bucket.calls += 1
        self._ready_s[name] = now_s
        return LATENCY.draw_s(self._rng) + CPU_S


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted of a crew."""

    wanted: float
    made: float
    worst: float
    busy: float
    held: float
    asks: float


def play(crew: Crew, seed: int = 1, warm_s: float = WARM_S, counted_s: float = COUNTED_S) -> Found:
    """Run a crew for a while."""
    loop, rng, counts = Loop(), Random(seed), Counts()
    buckets = [Bucket(crew.work(number)) for number in range(crew.fleets)]
    for _ in range(crew.processes):
        Process(loop, rng, crew, buckets, counts)
    loop.run(warm_s)
    for bucket in buckets:
        bucket.calls = 0
    counts.busy_s, counts.asks = 0.0, 0
    if crew.hangs:
        counts.hung_s = loop.now_s
    for _ in range(10):
        loop.run(loop.now_s + counted_s / 10)
        counts.held.append(sum(bucket.held for bucket in buckets) / crew.fleets)
    others = buckets[1:] if crew.hangs else buckets
    made = sum(bucket.calls for bucket in others)
    return Found(
        wanted=sum(bucket.rate for bucket in others),
        made=made / counted_s,
        worst=min(bucket.calls / (bucket.rate * counted_s) for bucket in others),
        busy=counts.busy_s / (crew.processes * counted_s),
        held=sum(counts.held) / len(counts.held),
        asks=counts.asks / made,
    )


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    del options
    for crew in CREWS:
        found = play(crew)
        yield line(crew, found), asdict(crew) | asdict(found)


def line(crew: Crew, found: Found) -> str:
    """One line of the table."""
    f = found
    about = f"{crew.name:27} {crew.fleets:6} {crew.processes:9}"
    return f"{about} | {f.wanted:6.0f} {f.made:7.1f} {f.worst:6.1%} | {f.busy:5.0%} {f.held:6.1f} {f.asks:6.1f}"

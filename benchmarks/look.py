"""What a look costs a poller: CPU for each DescribeJobs of 100 jobs, as a process, by its parts, and beside the floor.

The schedule is always overdue, so that each pass is a claim, a token, a call, a plan and a settlement, of 100 jobs each. The
kernel's own count of the process is the witness for the whole; the parts are those of the same cycle in this process.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Self
from unittest.mock import patch

import msgspec

from benchmarks import results
from benchmarks.cpu import seconds_of
from benchmarks.floor import floor
from benchmarks.rig import Rig, limited, rig, wait_until
from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from benchmarks.tables import line, unmeasured
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.settings import Settings
from fleetpoll.simulator.surroundings import NO_AWS
from fleetpoll.state.rooms import DESCRIBE
from workers.poller import GARBAGE

NAME, TOP = "look", "look-top"
BOUNDLESS = 1_000.0
"""Calls a second that are allowed: more than anybody here can make."""
SWEEPS = 3
"""How often each job is looked at before it counts."""
PACKAGES = ("boto3", "botocore", "urllib3", "redis", "hiredis", "msgspec")
SAMPLE_S = 0.001
PARTS = ("claim", "reserve", "describe", "plan", "settle")


@dataclass(frozen=True, slots=True)
class Looking:
    """So many jobs that live for so long, and so many calls that count."""

    live: int = 10_000
    life_s: tuple[float, float] = (60.0, 300.0)
    calls: int = 1_500
    contenders: tuple[str, ...] = ("poller", "parts", "floor")

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.live:,} jobs"

    def quick(self) -> Looking:
        """The same in seconds."""
        return replace(self, calls=100)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}

    def settings(self) -> Settings:
        """One poller that always has something to do."""
        return Settings(workers=1, rate=BOUNDLESS, rate_start=BOUNDLESS, freshness=0.5, beat=1.0, log_format="json")


def measure(case: Looking, contender: str, seed: int) -> dict[str, Any]:
    """One run of one way to measure."""
    account = limited(4 * BOUNDLESS, life_min_s=case.life_s[0], life_max_s=case.life_s[1], seed=seed)
    with rig(case.settings(), account) as stage:
        if contender == "floor":
            return run(seed, floor(stage, case.calls))
        stage.submit(case.live)
        if contender == "poller":
            return run(seed, whole(stage, case))
        figures, top = parts(stage, case)
        return run(seed, figures) | {"top": top}


def run(seed: int, figures: dict[str, float]) -> dict[str, Any]:
    """One run in the form of all scenarios."""
    return {"seed": seed, "phases": {"all": {"figures": figures}}}


def whole(stage: Rig, case: Looking) -> dict[str, float]:
    """A poller as users run it."""
    with stage.workers():
        (pid,) = stage.await_pollers(1)
        warm = SWEEPS * case.live // 100
        wait_until(lambda: describes(stage)["calls"] >= warm, 120, "the first sweeps")
        stage.simulator.reset_stats()
        before = seconds_of(pid)
        wait_until(lambda: describes(stage)["calls"] >= case.calls, 300, "calls")
        spent_s, found = seconds_of(pid) - before, stage.simulator.stats()
    calls = found["operations"]["describe"]["calls"]
    return {
        "look_ms": 1e3 * spent_s / calls,
        "calls_per_core_s": calls / spent_s,
        "transitions_per_call": found["transitions_shown"] / calls,
    }


def describes(stage: Rig) -> dict[str, Any]:
    """What the simulator has counted of DescribeJobs."""
    found: dict[str, Any] = stage.simulator.stats()["operations"]["describe"]
    return found


def parts(stage: Rig, case: Looking) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """The rooms that a cycle goes through, each with its CPU, and in a second go the functions that take most of it."""
    with ExitStack() as stack:
        cycle, api = cycle_on(stage, stack)
        for _ in range(SWEEPS * case.live // 100):
            cycle.run()
        gc.freeze()  # as a poller does
        stack.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(GARBAGE)
        with Sampler() as sampler:
            for _ in range(case.calls):
                cycle.run()
        spent: defaultdict[str, float] = defaultdict(float)
        schedule, bucket = stage.rooms.schedule, stage.rooms.buckets[DESCRIBE]
        clocks = (
            (schedule, "claim"),
            (bucket, "reserve"),
            (api, "describe"),
            (cycle, "_plan"),
            (schedule, "settle"),
            (cycle, "run"),
        )
        for owner, method in clocks:
            setattr(owner, method, clocked(getattr(owner, method), spent, method.lstrip("_")))
        calls = sum(cycle.run().calls for _ in range(case.calls))
    figures = {f"{part}_ms": 1e3 * spent[part] / calls for part in PARTS}
    return figures | {"look_ms": 1e3 * spent["run"] / calls, "calls_per_core_s": calls / spent["run"]}, sampler.top()


def cycle_on(stage: Rig, stack: ExitStack) -> tuple[Cycle, BatchApi]:
    """A cycle as a poller has it, in this process."""
    settings = msgspec.structs.replace(stage.settings, endpoint_url=stage.simulator.url)
    stack.enter_context(patch.dict(os.environ, NO_AWS))
    api = BatchApi(settings)
    stack.callback(api.close)
    return Cycle(stage.rooms, api, settings, system_mono, Random(17), nap, worker_id="bench"), api


def nap(wait_s: float) -> bool:
    """Wait."""
    time.sleep(wait_s)
    return True


def clocked(method: Callable[..., Any], spent: defaultdict[str, float], name: str) -> Callable[..., Any]:
    """A method that notes the CPU that it takes."""

    def noted(*args: Any, **more: Any) -> Any:
        before = time.process_time()
        try:
            return method(*args, **more)
        finally:
            spent[name] += time.process_time() - before

    return noted


class Sampler:
    """Looks now and then, by the process's own CPU time, in which function it is; what that calls of C counts as its own."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """From now on."""
        signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
        return self

    def __exit__(self, *_: object) -> None:
        """No more."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number
        if frame is not None:
            self._found[f"{place(frame.f_code.co_filename)} {frame.f_code.co_qualname}"] += 1

    def top(self, most: int = 10) -> list[tuple[str, float]]:
        """The functions that it was in most often, and how large a part of the time."""
        return [(name, count / self._found.total()) for name, count in self._found.most_common(most)]


def place(file: str) -> str:
    """A module by its path within its package or ours."""
    path = Path(file)
    known = next((at for at, part in enumerate(path.parts) if part in {"site-packages", "fleetpoll"} and at), None)
    start = None if known is None else known + (path.parts[known] == "site-packages")
    return "/".join(path.parts[start:]) if start is not None else path.name


def blocks(folder: Path) -> dict[str, str]:
    """The table of the functions that take most, from the last run."""
    measured = [m for m in results.load(folder, NAME) if m["contender"] == "parts"]
    return {TOP: top_table(measured[-1]["runs"][-1]["top"]) if measured else unmeasured(NAME)}


def top_table(top: Sequence[tuple[str, float]]) -> str:
    """One row for each function."""
    rows = [line([f"`{name}`", f"{share:.1%}"]) for name, share in top]
    return "\n".join([line(["function", "share"]), line(["---", "--:"]), *rows, ""])


SCENARIO = Scenario(
    NAME,
    "What a look costs",
    (Looking(),),
    {
        "poller": Ours("a whole poller process, by /proc", PACKAGES, "**a poller**"),
        "parts": Ours("the same cycle in one process, with a clock on each room", PACKAGES, "**its cycle**, part by part"),
        "floor": Ours(
            "urllib3 + botocore's SigV4 + msgspec alone; redis-py + hiredis with EVALSHA of the same size",
            PACKAGES,
            "the floor",
        ),
    },
    ("look_ms", "calls_per_core_s", *(f"{part}_ms" for part in PARTS), "transitions_per_call"),
    measure,
)

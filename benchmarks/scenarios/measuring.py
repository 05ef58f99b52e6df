"""Measures one contender in one case: the same account, the same jobs, the same warm-up for whoever polls."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from benchmarks.contenders.catalogue import CONTENDERS
from benchmarks.contenders.running import Running
from benchmarks.figures import Conditions, figures, whole_seconds
from benchmarks.proxy import far_redis
from benchmarks.rig import Rig, rig
from benchmarks.scenarios.cases import Case, Phase
from fleetpoll.simulator.config import Operation

TICK_S = 0.5
LOG_TAIL = 3000


def measure(case: Case, contender: str, seed: int) -> dict[str, Any]:
    """One run. Returns its phases, each with figures and timeline, and how many polls were given up."""
    with ExitStack() as stack:
        settings = msgspec.structs.replace(case.settings(), **CONTENDERS[contender].settings)
        stage = stack.enter_context(rig(settings, case.account(seed)))
        stack.enter_context(last_words(stage))
        rtt_ms = None
        if case.redis_rtt_ms is not None:
            far = stack.enter_context(far_redis(stage.url, case.redis_rtt_ms))
            stage, rtt_ms = replace(stage, url=far.url), far.measured_rtt_ms()
        running = stack.enter_context(CONTENDERS[contender].start(stage, case.processes, case.live))
        running.prepare(case.jobs_expected())
        running.watch(stage.simulator.populate(case.live, **case.crowd()))
        stage.simulator.reset_stats()
        running.go()
        phases = {phase.name: run_phase(stage, running, case, phase) for phase in case.phases}
        return {"seed": seed, "redis_rtt_ms": rtt_ms, "phases": phases, "given_up": running.finish()}


def run_phase(stage: Rig, running: Running, case: Case, phase: Phase) -> dict[str, Any]:
    """Measure one phase; the next window begins at once."""
    if phase.limit is not None:
        stage.simulator.limit(Operation.DESCRIBE, phase.limit, max(1.0, phase.limit))
    cpu_s = running.cpu_s()
    keep_up(stage, running, case, phase)
    cpu_s = running.cpu_s() - cpu_s
    stats = stage.simulator.stats()
    stage.simulator.reset_stats()
    seconds = (stats["now_ms"] - stats["since_ms"]) / 1000
    given = Conditions(case.live, case.limit_in(phase), seconds, case.replaced, cpu_s)
    accepted, throttled = whole_seconds(stats["operations"]["describe"]["timeline"], int(seconds))
    return {
        "figures": figures(stats, given),
        "lag_cdf_ms": stats["completion_lag_ms"]["cdf"],
        "accepted": accepted,
        "throttled": throttled,
    }


def keep_up(stage: Rig, running: Running, case: Case, phase: Phase) -> None:
    """Wait for as long as the phase lasts; a new job comes for each that ends, if the case says so."""
    until, pause = time.monotonic() + phase.seconds, threading.Event()
    while (left_s := until - time.monotonic()) > 0:
        pause.wait(min(TICK_S, left_s))
        missing = case.live - stage.simulator.live() if case.replaced else 0
        if missing > 0:
            running.watch(stage.simulator.populate(missing, **case.newcomers(phase)))


@contextmanager
def last_words(stage: Rig) -> Iterator[None]:
    """When a run fails, show what its processes have logged before their folder goes."""
    try:
        yield
    except Exception:
        for log in sorted(stage.directory.glob("*.log")):
            words = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
            print(f"--- {log.name}\n{words}", file=sys.stderr, flush=True)
        raise

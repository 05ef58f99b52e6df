"""Sixteen processes on one bucket: what all of them get together, what it costs, and how it is shared out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fleetpoll.state.rooms import DESCRIBE, Rooms

PROCESSES = 16
RATE, BURST = 100.0, 10.0
SPEND_S = 2.5
SCRIPT = Path(__file__).with_name("spend_tokens.py")


class Grant(NamedTuple):
    """One token that a process got."""

    asked_at: float  # monotonic, the same clock for all processes
    usable_at: float  # by the server's clock
    wait_s: float
    returned_at: float  # monotonic

    @property
    def late_s(self) -> float:
        """How long after its time the process woke up, at the most."""
        return self.returned_at - self.asked_at - self.wait_s


def spend(url: str, key: str) -> list[list[Grant]]:
    """What each process got."""
    command = [sys.executable, str(SCRIPT), url, key, str(RATE), str(BURST)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        until = time.monotonic() + SPEND_S
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{until}\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=30)[0] for process in processes]
    return [[Grant(*grant) for grant in json.loads(output)] for output in outputs]


def most_beyond_rate(moments: list[float]) -> float:
    """The largest number of grants in any window, beyond the rate times the window's length."""
    lowest, most = float("inf"), 0.0
    for number, moment in enumerate(sorted(moments)):
        lowest = min(lowest, number - RATE * moment)
        most = max(most, number + 1 - RATE * moment - lowest)
    return most


def evalsha_calls(rooms: Rooms) -> int:
    """How many script calls the server has seen."""
    stats: Any = rooms.client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


def test_processes_keep_to_the_rate_cheaply_and_fairly(
    rooms: Rooms, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Together they never get more than burst + 100 · t, for one Redis call a token, and nobody is starved."""
    calls = evalsha_calls(rooms)

    shares = spend(redis_url, rooms.keys.bucket(DESCRIBE))

    calls = evalsha_calls(rooms) - calls
    grants = [grant for share in shares for grant in share]
    granted = most_beyond_rate([grant.usable_at for grant in grants])
    returned = most_beyond_rate([grant.returned_at for grant in grants])
    latest_s = max(grant.late_s for grant in grants)
    fairness = min(map(len, shares)) / max(map(len, shares))
    with capsys.disabled():
        print(  # noqa: T201 - the figures are worth seeing
            f"\n{len(grants)} grants to {PROCESSES} processes in {SPEND_S:g} s; most beyond the rate in any window:"
            f" {granted:.3f} booked, {returned:.3f} returned; latest wake-up {latest_s * 1000:.1f} ms;"
            f" {calls / len(grants):.3f} Redis calls a grant; shares {min(map(len, shares))} to {max(map(len, shares))}"
        )
    assert granted <= BURST + 1e-3
    assert min(grant.late_s for grant in grants) >= 0
    assert returned <= BURST + RATE * latest_s + 1e-3  # nobody returns early, and who wakes up late books no more for it
    assert len(grants) >= 0.7 * RATE * SPEND_S
    assert calls / len(grants) <= 1.1
    assert fairness >= 0.6

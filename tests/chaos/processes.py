"""The processes of a run: supervisors with their pollers, and the programs that use the fleet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import alive, wait_until

LEAVE_S = 30.0


@dataclass
class Program:
    """A Python module as a process in a session of its own; all that it says goes to one file."""

    name: str
    words: list[str]
    env: dict[str, str]
    log: Path
    cwd: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, words: list[str], env: dict[str, str], log: Path, cwd: Path) -> Program:
        """Start it."""
        with log.open("ab") as stream:
            command = [sys.executable, "-m", *words]
            process = subprocess.Popen(
                command, env=env, cwd=cwd, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, start_new_session=True
            )
        return cls(name, words, env, log, cwd, process)

    def again(self) -> Program:
        """The same anew."""
        return self.start(self.name, self.words, self.env, self.log, self.cwd)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it runs, or stands still."""
        return self.process.poll() is None

    def pollers(self) -> list[int]:
        """The pollers among its children, the eldest first."""
        return [pid for pid in children(self.pid) if alive(pid)]

    def kill(self, *, whole: bool) -> None:
        """Kill -9: it alone, or the whole session."""
        if whole:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def tell(self) -> None:
        """Ask it to leave, once it listens. Once: the same again is another order."""
        with suppress(TimeoutError):
            wait_until(lambda: not self.alive() or catches(self.pid, signal.SIGTERM), LEAVE_S, "its handler")
        if self.alive():
            self.process.terminate()

    def left(self) -> int | None:
        """The exit code of one that was told to leave; None when it did not, and was killed."""
        try:
            return self.process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self.kill(whole=True)
            return None


def children(pid: int) -> list[int]:
    """The children of a process, as Linux tells."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal: until Python has imported much, a supervisor has none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)

"""A home of its own in which the blocks of a page are run, in terminals as a reader would, with real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rig import alive, wait_until
from tests.pages import ROOT, Block, lines

BASH = shutil.which("bash") or "/bin/bash"
PATIENCE_S = 120.0
STAYS = re.compile(
    r"^fleetpoll (?:--\S+ \S+ )?"
    r"(worker|simulate serve|dashboard|metrics|relay (?=--)|events (?:--follow|--group))"
)
"""Commands that go on until Ctrl-C, each the last of its block."""
READY = {"worker": "poller started", "simulate serve": "http://", "dashboard": "http://", "metrics": "http://"}
EXIT = re.compile(r"#.*\bexit code (\d+)")
SAY_VARIABLES = "import json, os; print(json.dumps(dict(os.environ)))"
ENDED_WELL = {0, 130}


@dataclass
class Running:
    """A command that goes on, in a terminal."""

    process: subprocess.Popen[bytes]
    line: str
    log: Path

    def stop(self) -> None:
        """Ctrl-C, and see that it ends well."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(40)
        assert code in ENDED_WELL, f"{self.line}\nended with {code}:\n{self.log.read_text(encoding='utf-8')}"


@dataclass
class Sandbox:
    """Terminals, which share a home and a folder, and have variables of their own."""

    home: Path
    env: dict[str, str]
    instead: dict[str, str]  # what stands on the page -> what is typed here
    left_out: dict[str, str]  # pattern of lines that cannot be run here -> why
    terminals: dict[str, dict[str, str]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    took_s: list[tuple[str, float]] = field(default_factory=list)

    def typed(self, text: str) -> str:
        """What is typed here for what stands on the page."""
        for shown, real in self.instead.items():
            text = text.replace(shown, real)
        return text

    def run(self, block: Block) -> None:
        """Type a block into its terminal; what still runs there is ended first, as a reader would."""
        chosen = [line for line in lines(block.text) if not any(re.search(one, line) for one in self.left_out)]
        if not chosen:
            return
        self.end(block.title)
        for line in map(self.typed, chosen):
            began = time.monotonic()
            stays = STAYS.match(line)
            if stays:
                self.start(block.title, line, stays[1])
            else:
                self.do(block.title, line)
            self.took_s.append((line, time.monotonic() - began))

    def do(self, terminal: str, line: str) -> None:
        """Run a command to its end; variables that it sets are there for the next one."""
        code = EXIT.search(line)
        after = self.home / "environment"
        script = f"set -eu -o pipefail\n{line}\n{sys.executable} -c {SAY_VARIABLES!r} > {after}"
        if code:
            script = f"set -u\n{line}\ntest $? -eq {code[1]}"
        done = self.popen(terminal, script, subprocess.PIPE)
        out = done.communicate(timeout=PATIENCE_S)[0].decode(errors="replace")
        assert done.returncode == 0, f"{line}\nended with {done.returncode}:\n{out}"
        assert "Traceback" not in out, out
        if not code:
            self.terminals[terminal] = json.loads(after.read_text(encoding="utf-8"))

    def start(self, terminal: str, line: str, what: str) -> None:
        """Run a command that goes on, until it says that it is ready."""
        log = self.home / f"terminal-{len(self.took_s)}.log"
        with log.open("wb") as stream:
            process = self.popen(terminal, f"exec {line}", stream.fileno())
        self.running[terminal] = running = Running(process, line, log)
        sign = READY.get(what.strip(), "")
        wait_until(lambda: sign in log.read_text(encoding="utf-8") or process.poll() is not None, 30.0, line)
        assert process.poll() is None, f"{line}\nended with {process.returncode}:\n{running.log.read_text(encoding='utf-8')}"

    def popen(self, terminal: str, script: str, out: int) -> subprocess.Popen[bytes]:
        """A shell in the terminal."""
        return subprocess.Popen(
            [BASH, "-c", script],
            cwd=self.home,
            env=self.terminals.setdefault(terminal, dict(self.env)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def end(self, terminal: str) -> None:
        """End what still runs in a terminal."""
        running = self.running.pop(terminal, None)
        if running is not None:
            running.stop()


@contextmanager
def sandbox(home: Path, env: dict[str, str], instead: dict[str, str], left_out: dict[str, str]) -> Iterator[Sandbox]:
    """A home with what a clone has; at its end all that runs is ended, the last one first, and the embedded server."""
    for name in ("dev.py", "constraints.txt", "pyproject.toml"):
        (home / name).symlink_to(ROOT / name)
    (home / ".venv").symlink_to(Path(sys.prefix))
    plain = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
    place = Sandbox(home, plain | {"HOME": str(home)} | env, instead, left_out)
    try:
        yield place
        for terminal in reversed(list(place.running)):
            place.end(terminal)
    finally:
        for running in place.running.values():
            if running.process.poll() is None:
                os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()
        end_server(home)


def end_server(home: Path) -> None:
    """End the embedded server, if there is one, and its keeper."""
    for pid in [int(file.read_text()) for file in home.rglob("keeper.pid")]:
        if alive(pid):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda pid=pid: not alive(pid), 20.0, "the embedded server has left")  # type: ignore[misc]

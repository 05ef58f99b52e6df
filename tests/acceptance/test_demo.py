"""`fleetpoll demo` from outside: it shows what it promises, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.rig import alive, wait_until

SCRIPT = str(Path(sys.executable).with_name("fleetpoll"))


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose temporary files are in `folder`, in a process group of its own as in a terminal."""
    with subprocess.Popen(
        [SCRIPT, "demo", *words],
        env=os.environ | {"TMPDIR": str(folder), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        yield process


def await_play(process: subprocess.Popen[str]) -> None:
    """Read its progress until jobs have been seen."""
    assert process.stderr is not None
    assert any("UNSEEN" in line for line in process.stderr)


def pids_of(process: subprocess.Popen[str], folder: Path) -> set[int]:
    """The demo, all that descend from it, and the server with its keeper, who are nobody's children."""
    found = {process.pid}
    for pid_file in (*folder.rglob("keeper.pid"), *folder.rglob("server.pid")):
        found.add(int(pid_file.read_text()))
    front = {process.pid}
    while front:
        front = {int(child) for pid in front for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
        found |= front
    return found


def assert_nothing_is_left(pids: set[int], folder: Path) -> None:
    """No process that was there, and no file."""
    wait_until(lambda: not any(alive(pid) for pid in pids), 5.0, "all processes are gone")
    assert list(folder.iterdir()) == []


def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    """200 jobs are seen through: each end once, nothing throttled, and the table says so; nothing is left."""
    with demo(tmp_path, "--jobs", "200", "--life", "1:5", "--limit", "20", "--workers", "2") as process:
        await_play(process)
        pids = pids_of(process, tmp_path)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (0, False)
    shown = {line[:20].strip(): line[20:].strip() for line in out.splitlines()}
    assert shown["throttled"] == "0"
    assert shown["completions shown"] == "200 of 200"
    assert shown["ends"] == "200; exactly one for 200 of 200 jobs"
    assert shown["last statuses"] == "200 of 200 are those of the API"
    assert "would have needed 40 calls/s, 2.0 times the limit" in out
    assert len(pids) >= 7  # itself, the simulator, the supervisor, two pollers, the keeper, the server
    assert_nothing_is_left(pids, tmp_path)


@pytest.mark.parametrize("to_group", [True, False], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, *, to_group: bool) -> None:
    """Ctrl-C, which reaches everything in the terminal, and SIGTERM, which reaches the demo alone, end it cleanly."""
    with demo(tmp_path, "--jobs", "100", "--life", "60:90", "--workers", "2") as process:
        await_play(process)
        pids = pids_of(process, tmp_path)
        if to_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert_nothing_is_left(pids, tmp_path)


def test_a_demo_that_is_interrupted_at_its_start_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while the stage is being built."""
    with demo(tmp_path, "--jobs", "10") as process:
        wait_until(lambda: any(tmp_path.rglob("keeper.lock")), 20.0, "the server is being started")
        pids = pids_of(process, tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert_nothing_is_left(pids, tmp_path)

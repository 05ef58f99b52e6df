"""A supervisor that is PID 1 buries the processes that lost their parents, and takes nothing from its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workers.orphans import bury_orphans

ROOT = Path(__file__).parents[2]
AS_PID_1 = """
import os, subprocess, sys, time
from workers.orphans import bury_orphans
assert os.getpid() == 1
own = subprocess.Popen(["sleep", "0"])                          # ends before the orphans do
subprocess.run(["sh", "-c", "sleep 0.05 & sleep 0.05 &"])       # their parent leaves at once
buried, deadline = 0, time.monotonic() + 10
while buried < 2 and time.monotonic() < deadline:
    buried += bury_orphans([own.pid] if own.returncode is None else [])
    own.poll()
print(buried, own.returncode)
"""


def in_a_namespace() -> list[str]:
    """The words that make a process PID 1; none where that is not allowed."""
    words = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if shutil.which("unshare") is None:
        return []
    allowed = subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if allowed else []


@pytest.mark.skipif(not in_a_namespace(), reason="this machine lets nobody make a namespace of processes")
def test_pid_1_buries_orphans_and_leaves_its_own_exit_codes_alone() -> None:
    """Two orphans are buried, and the exit code of a child of its own is still there to be fetched."""
    command = [*in_a_namespace(), sys.executable, "-c", AS_PID_1]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)

    assert (done.stdout, done.stderr) == ("2 0\n", "")


def test_who_is_not_pid_1_waits_for_nobody() -> None:
    """Elsewhere the children of a process are its own affair."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        assert bury_orphans([]) == 0
        assert child.wait() == 0

"""Ctrl-C at the worst moment, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, threading
from fleetpoll.cli.interrupts import keep_interrupts

class Doomed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
        raise ValueError("never: the interrupt comes first")

keep_interrupts()
try:
    doomed = Doomed()
    del doomed
    print("went on", flush=True)
    threading.Event().wait(20)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_inside_a_finalizer_is_not_lost() -> None:
    """Python prints "Exception ignored" and goes on, for ever where a command follows the stream."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("went on\ninterrupted\n", "", 0)

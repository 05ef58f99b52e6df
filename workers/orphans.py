"""What a supervisor that is PID 1 of a container owes: burying processes that lost their parents.

A poller that is killed may leave a `credential_process` of its profile behind, a health check its helpers; the kernel gives
them to PID 1, and what nobody waits for stays in the table of processes for as long as the container lives.
"""

from __future__ import annotations

import os
from collections.abc import Collection

INIT = 1


def bury_orphans(ours: Collection[int | None]) -> int:
    """Wait for dead children that are none of `ours`, if we are PID 1. Returns how many there were.

    A child of ours is only looked at: its exit code is multiprocessing's to fetch. Where one lies in front of orphans they
    come next time, after it was fetched.
    """
    buried = 0
    if os.getpid() != INIT:
        return buried
    try:
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid not in ours:
            os.waitpid(found.si_pid, 0)
            buried += 1
    except ChildProcessError:  # there is no child at all
        pass
    return buried

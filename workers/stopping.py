"""How a process is told to end. Handlers set a flag and nothing else; the loop that works reads it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from types import FrameType


class Stopping:
    """The flags of one process: `drain` after the first signal, `now` after the second."""

    def __init__(self) -> None:
        self.signals = 0
        supervisor = multiprocessing.parent_process()  # as it was at our birth, even if it has died since
        self._supervisor = None if supervisor is None else supervisor.pid

    def on(self, *signals: signal.Signals) -> None:
        """Let these signals set the flags."""
        for number in signals:
            signal.signal(number, self._count)

    def _count(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.signals += 1

    @property
    def drain(self) -> bool:
        """Whether to finish and leave: told so, or orphaned (a poller without its supervisor is nobody's)."""
        return self.signals > 0 or self._supervisor not in (None, os.getppid())

    @property
    def now(self) -> bool:
        """Whether to leave at once."""
        return self.signals > 1

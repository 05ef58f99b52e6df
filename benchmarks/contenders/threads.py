"""One thread for each job: how everybody polls who waits for one job and knows of no others."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence

SWITCH_S = 0.5
"""How long a thread may keep the interpreter. All that want it ask again after that time: with the default of 5 ms a
thousand of them spend the machine on asking. They let it go at each call anyway."""

Wait = Callable[[str], None]
"""Returns when the job has ended; raises when it gives the job up."""


class OnePerJob:
    """A poller in which each job has a thread, and in it a `Wait` of its own, such as a task's process would have."""

    def __init__(self, make: Callable[[], Wait]) -> None:
        sys.setswitchinterval(SWITCH_S)
        self.given_up = 0
        self._make, self._made = make, list[Wait]()
        self._lock, self._begun = threading.Lock(), threading.Event()

    def prepare(self, count: int) -> None:
        """Make the waits for so many jobs: SDK clients are slow to make."""
        self._made += [self._make() for _ in range(count)]

    def watch(self, ids: Sequence[str]) -> None:
        """A thread for each of these jobs."""
        for job_id in ids:
            wait = self._made.pop() if self._made else self._make()
            threading.Thread(target=self._poll, args=(wait, job_id), daemon=True).start()

    def go(self) -> None:
        """Let the threads begin."""
        self._begun.set()

    def _poll(self, wait: Wait, job_id: str) -> None:
        self._begun.wait()
        try:
            wait(job_id)
        except Exception:  # noqa: BLE001 - whatever ends the poll, the task would have failed with it
            with self._lock:
                self.given_up += 1

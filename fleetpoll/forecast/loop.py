"""Virtual time: what is to happen is done in order, and the clock jumps from one thing to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Loop:
    """An event loop without a real clock. `now_s` is the time since it began."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._coming: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def at(self, moment_s: float, do: Callable[..., object], *args: Any) -> None:
        """Do something at a moment; what is asked for the same moment is done in the order of asking."""
        self._number += 1
        heapq.heappush(self._coming, (moment_s, self._number, do, args))

    def after(self, delay_s: float, do: Callable[..., object], *args: Any) -> None:
        """Do something after a delay."""
        self.at(self.now_s + delay_s, do, *args)

    def run(self, until_s: float) -> None:
        """Let time pass."""
        while self._coming and self._coming[0][0] <= until_s:
            self.now_s, _, do, args = heapq.heappop(self._coming)
            do(*args)
        self.now_s = until_s

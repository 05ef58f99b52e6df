"""Time on this machine. What is stored takes Redis TIME instead; what is measured takes the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Mono = Callable[[], float]
"""Seconds on a clock that never steps: for waits, time-outs and trust, never for what is stored."""

system_mono: Mono = time.monotonic

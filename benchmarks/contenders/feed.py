"""How the processes of a contender learn what to poll: lines on standard input, one order a line.

    prepare N       be able to take N jobs at once; answered by "ready"
    watch ID ID …   poll these as well, from `go` on
    go              begin
    (end of input)  say as JSON how many polls were given up, and leave

The contenders that stand in an environment of their own import nothing of ours but this and `threads`, and these
nothing but the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Protocol

ENDS = frozenset({"SUCCEEDED", "FAILED"})


class Poller(Protocol):
    """What polls. `given_up` counts the polls that came to nothing."""

    given_up: int

    def prepare(self, count: int) -> None:
        """Be able to take so many jobs at once."""

    def watch(self, ids: Sequence[str]) -> None:
        """Poll these jobs as well."""

    def go(self) -> None:
        """Begin to poll, in threads of its own."""


def serve(poller: Poller) -> None:
    """Follow the orders until there are no more."""
    for line in sys.stdin:
        order, *words = line.split()
        if order == "prepare":
            poller.prepare(int(words[0]))
            print("ready", flush=True)
        elif order == "watch":
            poller.watch(words)
        elif order == "go":
            poller.go()
    print(json.dumps({"given_up": poller.given_up}), flush=True)

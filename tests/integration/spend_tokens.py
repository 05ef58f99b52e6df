"""A process that spends tokens of a fleet's bucket as fast as it gets them; run by test_bucket_processes.

Arguments: the Redis URL, the bucket's key, the rate, the burst. Says "ready", reads the monotonic time until which it is to
spend, then writes one JSON line: [when the token was asked for, when it may be used by the server's clock, the wait, when
try_acquire returned] for each grant; the first and the last are monotonic.
"""

from __future__ import annotations

import json
import sys
import time

from fleetpoll.clock import system_mono
from fleetpoll.state.allowance import Allowance, Permit, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.connection import connect
from fleetpoll.state.limiter import FleetLimiter
from fleetpoll.state.scripts import Scripts


class WatchedBucket(FleetBucket):
    """Remembers its last reservation."""

    last: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def reserve(self, max_wait_s: float, n: int = 1, *, now_us: int | None = None) -> Permit | Refused:
        """Reserve, and note when it was asked for and from when on it holds."""
        asked_at = time.monotonic()
        answer = super().reserve(max_wait_s, n, now_us=now_us)
        if isinstance(answer, Permit) and n:
            self.last = (asked_at, answer.stamp_us / 1e6 + answer.wait_s, answer.wait_s)
        return answer


def main(url: str, key: str, rate: float, burst: float) -> None:
    """Spend until the time is up."""
    client = connect(url)
    bucket = WatchedBucket(client, Scripts(client), key, Allowance("DescribeJobs", rate, 0.5, burst), system_mono)
    limiter, grants = FleetLimiter(bucket), list[tuple[float, ...]]()
    client.ping()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    until = float(sys.stdin.readline())
    while time.monotonic() < until:
        if limiter.try_acquire():
            grants.append((*bucket.last, time.monotonic()))
    client.close()
    sys.stdout.write(json.dumps(grants) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))

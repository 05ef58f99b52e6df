"""A process that sweeps its share of the jobs in hundreds, as fast as its SDK's retries and its gate let it.

`python -m benchmarks.contenders.sweep --retries MODE --gate GATE --redis URL --rate RATE`
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.contenders.feed import ENDS, serve
from benchmarks.contenders.gates import GATES, Gate

CALL_IDS = 100


class Sweeper:
    """Sweeps without a pause. A call that still fails after the SDK's retries is passed over until the next sweep."""

    def __init__(self, client: Any, gate: Gate) -> None:
        self.given_up = 0
        self._client, self._gate = client, gate
        self._ids: dict[str, None] = {}  # in the order of arrival
        self._lock, self._some = threading.Lock(), threading.Event()

    def prepare(self, count: int) -> None:
        """There is nothing to prepare."""

    def watch(self, ids: Sequence[str]) -> None:
        """Sweep these jobs as well."""
        with self._lock:
            self._ids.update(dict.fromkeys(ids))
            self._some.set()

    def go(self) -> None:
        """Sweep in a thread until the process ends."""
        threading.Thread(target=self._sweep_forever, daemon=True).start()

    def _sweep_forever(self) -> None:
        while self._some.wait():
            for hundred in self._hundreds():
                self._gate()
                self._ask(hundred)

    def _hundreds(self) -> list[list[str]]:
        with self._lock:
            ids = list(self._ids)
            if not ids:
                self._some.clear()
        return [ids[start : start + CALL_IDS] for start in range(0, len(ids), CALL_IDS)]

    def _ask(self, ids: list[str]) -> None:
        try:
            jobs = self._client.describe_jobs(jobs=ids)["jobs"]
        except (ClientError, BotoCoreError):
            self.given_up += 1
            return
        with self._lock:
            for job in jobs:
                if job["status"] in ENDS:
                    self._ids.pop(job["jobId"], None)


def main() -> None:
    """Sweep as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--retries", choices=("legacy", "standard", "adaptive"), required=True)
    parser.add_argument("--gate", choices=GATES, default="free")
    parser.add_argument("--redis", required=True)
    parser.add_argument("--rate", type=float, required=True)
    arguments = parser.parse_args()
    client = boto3.client("batch", config=Config(retries={"mode": arguments.retries}))
    serve(Sweeper(client, GATES[arguments.gate](arguments.redis, arguments.rate)))


if __name__ == "__main__":
    main()

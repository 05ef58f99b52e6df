"""Callers that always want to call: each process has its own bucket object, each of its threads one call in flight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from benchmarks.model.aws import Aws
from fleetpoll.forecast.loop import Loop
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import PACE_S, Permit
from fleetpoll.state.bucket import FleetBucket

TOKEN_WAIT_S = Settings().token_wait


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call takes: lognormal about `median_s`; always that for a spread of 0."""

    median_s: float = 0.08
    spread: float = 0.35

    def draw_s(self, rng: Random) -> float:
        """One call's latency."""
        return self.median_s * math.exp(rng.gauss(0.0, self.spread)) if self.spread else self.median_s


class Process:
    """One process of workers, whose threads reserve, wait, call and penalize as `fleetpoll.cycle` does."""

    def __init__(self, loop: Loop, rng: Random, bucket: FleetBucket, aws: Aws, latency: Latency, threads: int) -> None:
        self._loop, self._rng, self._bucket, self._aws, self._latency = loop, rng, bucket, aws, latency
        for _ in range(threads):
            loop.after(rng.uniform(0.0, 0.2), self._reserve)

    def _reserve(self) -> None:
        answer = self._bucket.reserve(TOKEN_WAIT_S)
        if isinstance(answer, Permit):
            self._hold(answer)
        else:
            too_far_s = answer.wait_s - TOKEN_WAIT_S * self._rng.uniform(0.25, 0.75)
            self._loop.after(max(0.01, too_far_s), self._reserve)

    def _hold(self, permit: Permit) -> None:
        """Wait for the permit's time, and ask meanwhile whether it has changed."""
        if permit.wait_s <= PACE_S:
            self._loop.after(permit.wait_s, self._send, permit)
        else:
            self._loop.after(PACE_S, self._reconsider, permit)

    def _reconsider(self, permit: Permit) -> None:
        answer = self._bucket.reconsider(permit)
        if isinstance(answer, Permit):
            self._hold(answer)
        else:
            self._loop.after(PACE_S, self._reconsider, permit)

    def _send(self, permit: Permit) -> None:
        there_s = self._latency.draw_s(self._rng) / 2
        self._loop.after(there_s, self._arrive, permit, there_s)

    def _arrive(self, permit: Permit, back_s: float) -> None:
        self._loop.after(back_s, self._answered, permit, self._aws.call())

    def _answered(self, permit: Permit, accepted: bool) -> None:  # noqa: FBT001 - an answer is a yes or a no
        if not accepted:
            self._bucket.penalize(permit.stamp_us)
        self._reserve()

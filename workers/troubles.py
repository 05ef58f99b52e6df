"""What a worker does when AWS fails it: it counts, tells the fleet once that is no accident, and tries again in its turn.

A failure now and then costs no pause: the bucket spaces the calls, and the jobs wait a moment anyway. A denial, or failures
in a row, is trouble, and the fleet's affair: one alarm for all, tries in turns so that a hundred workers ask no more often
than one, and when AWS answers one of them again, all are woken.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import structlog

from fleetpoll.awsbatch.words import advice
from fleetpoll.backoff import doubling_delay
from fleetpoll.errors import AccessDenied, AwsError
from fleetpoll.state.schedule import IDS_PER_LEASE
from fleetpoll.state.troubles import Trouble, Troubles

if TYPE_CHECKING:
    from fleetpoll.clock import Mono

ACCIDENTS = 2
"""Failures in a row that are no trouble yet."""
ACCIDENT_S = 10.0
"""Or, for failures that take their time: how long that may go on."""
PAUSE_S = (0.5, 5.0)
"""A worker's own pause while AWS answers others: at first, and in the end; it doubles in between."""
SHARE_S = 1.0
"""Where more than a few are in the same trouble (a host without a network), they try no more often than this together."""
EVERY_S = (1.0, 5.0)
"""Between two tries of all workers in trouble, while AWS answers nobody: at first, and in the end; it doubles in between."""

PROBES_AFTER = 3
"""After so many reports of trouble a try is made for one job only: the others need not wait for what will hardly come."""

log = structlog.get_logger("poller")


@dataclass(frozen=True, slots=True)
class Turn:
    """When to try again: in `wait_s`; but in `least_s` if a worker in trouble finds meanwhile that AWS works again.

    With `answered` that is so as well as soon as more calls than these are answered: the turn is long because none was.
    """

    wait_s: float = 0.0
    least_s: float = 0.0
    answered: int | None = None


class AwsTrouble:
    """One worker's failures in a row. `works` and `failed` are told of each call that AWS answered, or did not."""

    def __init__(self, troubles: Troubles, worker_id: str, host: str, mono: Mono, rng: Random) -> None:
        self._troubles, self._worker_id, self._host = troubles, worker_id, host
        self._mono, self._rng = mono, rng
        self._failures, self._since = 0, 0.0
        self._reports = self._same = 0
        self.reported: Trouble | None = None
        self.others_work = False

    def failed(self, failure: AwsError, took_s: float = 0.0) -> Turn:
        """AWS failed a call, after `took_s`. Returns when to make the next."""
        self.others_work = False
        if not self._failures:
            self._since = self._mono() - took_s
        self._failures += 1
        trouble = Trouble(failure.kind, failure.code, str(failure), self._host, self._failures)
        accident = self._failures <= ACCIDENTS and self._mono() - self._since < ACCIDENT_S
        if accident and self.reported is None and not isinstance(failure, AccessDenied):
            log.debug("a call failed", kind=failure.kind, error=trouble.words)
            return Turn()
        self._reports += 1
        longest_s = max(PAUSE_S[1], SHARE_S * self._same)
        pause_s = doubling_delay(PAUSE_S[0], longest_s, self._reports) * self._rng.uniform(0.5, 1.0)
        every_s = doubling_delay(*EVERY_S, self._reports) * self._rng.uniform(0.7, 1.0)
        standing = self._troubles.report(self._worker_id, trouble, pause_s, every_s)
        self._say(trouble, alarm=standing.alarm)
        self.reported, self._same = trouble, standing.same
        least_s = min(standing.turn_s, EVERY_S[1])
        return Turn(standing.turn_s, least_s, standing.answered if standing.in_turn else None)

    def _say(self, trouble: Trouble, *, alarm: bool) -> None:
        """One error for the whole fleet; of the others, who falls into trouble; nothing of who stays there."""
        facts = {"kind": trouble.kind, "code": trouble.code, "error": trouble.words}
        if alarm:
            log.error("AWS fails", **facts, do=advice(trouble.kind, trouble.code, trouble.words))
        elif self.reported is None or self.reported.mark != trouble.mark:
            log.debug("AWS fails this worker, too", **facts)

    @property
    def ids_max(self) -> int:
        """How many jobs the next call is worth."""
        return 1 if self._reports >= PROBES_AFTER else IDS_PER_LEASE

    def works(self) -> None:
        """AWS answered."""
        self._failures, self._reports, self._same, self.others_work = 0, 0, 0, False
        if self.reported is None:
            return
        standing = self._troubles.over(self._worker_id, self.reported)
        say = log.info if standing.alarm else log.debug
        say("AWS works again", kind=self.reported.kind, after_failures=self.reported.failures)
        self.reported = None

    def idle(self) -> None:
        """Nothing is to be asked. Whoever has heard that AWS works again takes others' word for it."""
        if self.others_work:
            self.works()

"""The fleet's token bucket for one AWS operation, on Redis TIME, with a rate that finds AWS's limit by itself.

The answer to `reserve` is a time, not yes or no: the bucket goes into debt and the caller sleeps, so that a grant costs
one Redis call however many wait. A permit is a place in the row of tokens, not a moment: who holds one for long asks
`reconsider` now and then, and waits longer when the rate was cut, less when it grew. The law is in lua/law.lua.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from fleetpoll.errors import SettingsError
from fleetpoll.state.reading import number, whole

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.scripts import Argument, Scripts

PACE_S = 0.5
"""How long the holder of a permit goes by what it has heard: within this, a cut or an operator's word reaches everybody."""
PIN_MIN, PIN_MAX = 0.001, 1e6
"""The slowest rate that can be pinned, for who wants less wants a pause; and the fastest, lest times be no numbers."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is configured for one operation, in calls/s: the hard ceiling `rate`, the floor `rate_min`, tokens that pile up.

    `start` is where the slow start of a bucket begins that has met no limit yet; None: at `rate`, whose limit is known.
    """

    operation: str
    rate: float
    rate_min: float
    burst: float | None = None  # None: max(1, granted rate / 4)
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """A token that may be used once `wait_s` has passed.

    `stamp_us` is when we last heard of the bucket (Redis TIME): it tells a throttle of the call from an older event's.
    `position` is its place: how many tokens must have come in, ever. `n` is how many tokens it is worth.
    """

    wait_s: float
    stamp_us: int
    granted: float
    position: float = 0.0
    n: int = 1


class Reason(IntEnum):
    """Why there is no permit, in the numbers of reserve.lua."""

    TOO_LONG = 0
    NEVER = -1
    PAUSED = -2


@dataclass(frozen=True, slots=True)
class Refused:
    """No token was taken: `wait_s` says how long the wait would have been."""

    wait_s: float
    reason: Reason
    granted: float


@dataclass(frozen=True, slots=True)
class BucketView:
    """What the bucket looks like from outside. `limit` is AWS's limit as last met, None before the first time."""

    configured: float
    granted: float
    limit: float | None
    burst: float
    pinned: float | None
    paused: bool
    tokens_granted: int  # and not given back: as many as calls were paid for
    throttles: int
    cuts: int
    given_back: int = 0

    @property
    def tokens_ever(self) -> int:
        """Tokens that were granted, those that were given back among them: what a rate is taken of must never fall."""
        return self.tokens_granted + self.given_back


class SharedAllowance:
    """The bucket of one operation, as everybody shares it.

    The allowance of the workers counts (`worker=True`); others go by it as soon as a worker has drawn a token.
    """

    def __init__(
        self, client: Connection, scripts: Scripts, key: str, allowance: Allowance, *, worker: bool = False
    ) -> None:
        self._client, self._scripts, self._key = client, scripts, key
        self.allowance, self._worker = allowance, "1" if worker else ""
        self.granted_last, self.paused_last = allowance.rate_min, False  # as far as we have heard

    def reserve(self, max_wait_s: float, n: int = 1, *, now_us: int | None = None) -> Permit | Refused:
        """Take `n` tokens, in debt if need be, unless the wait would be longer than `max_wait_s`. One Redis call.

        Raises RedisUnavailable; then a token may have been taken, never used twice.
        """
        state, wait_us, stamp_us, granted, position = self._run("reserve", now_us, n, round(max_wait_s * 1e6))
        self.granted_last, self.paused_last = granted / 1e6, state == Reason.PAUSED
        if state == 1:
            return Permit(wait_us / 1e6, int(stamp_us), granted / 1e6, float(position), n)
        return Refused(wait_us / 1e6, Reason(state), granted / 1e6)

    def look(self) -> Refused:
        """How long who reserves now would have to wait, and why. Takes nothing."""
        state, wait_us, _, granted, _ = self._run("reserve", None, 1, -1)  # even no wait is longer than that
        return Refused(wait_us / 1e6, Reason(state), granted / 1e6)

    def reconsider(self, permit: Permit, *, now_us: int | None = None) -> Permit | Refused:
        """The permit with the wait that is left of it now; Refused while the bucket is paused. Takes nothing.

        The tokens ahead of it never become more: a bucket that was lost meanwhile counts anew, its permits do not.
        """
        now = self.reserve(0.0, 0, now_us=now_us)
        if isinstance(now, Refused):
            return now
        ahead = min(max(0.0, permit.position - now.position), permit.wait_s * permit.granted)
        wait_s, position = now.wait_s + ahead / now.granted, now.position + ahead
        return Permit(wait_s, now.stamp_us, now.granted, position, permit.n)

    def penalize(self, stamp_us: int, retry_after_s: float = 0.0, *, now_us: int | None = None) -> bool:
        """AWS throttled a call whose permit had this stamp: if a limit is met, slow the whole fleet down, once per event.

        Returns whether the rate was cut.
        """
        return bool(self._run("penalize", now_us, stamp_us, round(retry_after_s * 1e6))[0])

    def refund(self, *permits: Permit, now_us: int | None = None) -> int:
        """Give back what will not be used, as far as nobody has booked behind it. Returns how many tokens that were.

        Never tried again: tokens that are lost come in again, tokens that return twice are calls too many.
        """
        last_first = sorted(permits, key=lambda permit: permit.position, reverse=True)
        return int(self._run("refund", now_us, *(word for p in last_first for word in (p.n, p.position))))

    def pin(self, rate: float | None, *, now_us: int | None = None) -> None:
        """Fix the granted rate for the whole fleet, above or below the configured one; None lets it go again.

        Raises SettingsError for what is no rate: NaN would be no limit at all, and 1e300 leaves the range of times.
        """
        if rate is not None and not (math.isfinite(rate) and PIN_MIN <= rate <= PIN_MAX):
            raise SettingsError(f"{rate:g} calls/s is no rate to pin: give {PIN_MIN:g} to {PIN_MAX:g}, or pause the bucket.")
        if rate is None:
            self._run("steer", now_us, "unpin", "")
        else:
            self._run("steer", now_us, "pin", rate)

    def pause(self, paused: bool, *, now_us: int | None = None) -> None:  # noqa: FBT001 - the state itself is the argument
        """Grant nothing to anybody until the pause ends."""
        self._run("steer", now_us, "pause" if paused else "resume", "")

    def view(self) -> BucketView:
        """The bucket as it is now; nothing is taken."""
        look = self.reserve(0.0, 0)
        stored: Any = self._client.hgetall(self._key)
        depth = number(stored, "b") if "b" in stored else self.allowance.burst
        return BucketView(
            configured=number(stored, "r") or self.allowance.rate,
            granted=look.granted,
            limit=number(stored, "w") or None,
            burst=depth or max(1.0, look.granted / 4),
            pinned=number(stored, "pin") or None,
            paused=stored.get("pause") == "1",
            tokens_granted=whole(stored, "c"),
            throttles=whole(stored, "x"),
            cuts=whole(stored, "k"),
            given_back=whole(stored, "g"),
        )

    def _run(self, verb: str, now_us: int | None, *args: Argument) -> Any:
        """Run a verb of the law on the bucket."""
        a = self.allowance
        burst = "" if a.burst is None else a.burst
        start = a.rate if a.start is None else a.start
        head: tuple[Argument, ...] = ("" if now_us is None else now_us, a.rate, burst, a.rate_min, start, self._worker)
        return self._scripts.run(verb, (self._key,), (*head, *args))

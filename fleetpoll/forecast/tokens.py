"""Where the tokens of a fleet in virtual time come from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol


class Grant(Protocol):
    """A token that may be used once `wait_s` has passed, and the rate that is granted now."""

    @property
    def wait_s(self) -> float:
        """How long to wait, in seconds."""

    @property
    def granted(self) -> float:
        """The rate that the cadence plans with, in calls/s."""


class Known(NamedTuple):
    """The grant of a limit that is known."""

    wait_s: float
    granted: float


class Tokens(ABC):
    """Where the fleet's tokens come from, and what becomes of the calls. Here no call is refused."""

    pace_s = math.inf
    """How long the holder of a grant goes by what it has heard."""

    @abstractmethod
    def reserve(self, now_s: float) -> Grant:
        """One token, in debt if need be."""

    def reconsider(self, grant: Any, now_s: float) -> Grant:
        """The grant with what is left of its wait, `pace_s` after it was last heard of."""
        del now_s
        return Known(grant.wait_s - self.pace_s, grant.granted)

    def accepts(self, now_s: float) -> bool:
        """Whether the API accepts the call that arrives now."""
        del now_s
        return True

    def refused(self, grant: Any, now_s: float) -> None:  # noqa: B027 - who refuses nothing has nothing to do
        """The answer is here, and the call was throttled."""


class KnownRate(Tokens):
    """A limit that is known: `rate` calls/s, with the burst that the fleet's bucket has by default."""

    def __init__(self, rate: float, granted: float) -> None:
        self.rate, self._granted, self._tokens, self._at_s = rate, granted, 0.0, 0.0

    def change(self, rate: float) -> None:
        """Another limit from now on, at once known to all."""
        self.rate = self._granted = rate

    def reserve(self, now_s: float) -> Grant:
        """One token, in debt if need be."""
        self._tokens += (now_s - self._at_s) * self.rate
        self._tokens, self._at_s = min(max(1.0, self.rate / 4), self._tokens) - 1.0, now_s
        return Known(max(0.0, -self._tokens / self.rate), self._granted)

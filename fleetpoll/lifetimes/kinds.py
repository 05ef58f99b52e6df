"""Kinds of jobs that stand side by side, each with a definition and lifetimes of its own."""

from __future__ import annotations

import math

from fleetpoll.errors import SettingsError
from fleetpoll.lifetimes.stages import Stages


class Kind(Stages, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The jobs of one definition in one queue. `share` is their part of the arrivals, beside the shares of other kinds."""

    job_definition: str
    job_queue: str = "fleet"
    share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a share of nothing."""
        Stages.__post_init__(self)
        if not 0 < self.share < math.inf:
            raise SettingsError(f"share is {self.share:g}: give a number above 0")

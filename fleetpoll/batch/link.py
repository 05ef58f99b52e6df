"""How a client is tied to a fleet: which one, whether it polls for the client, and who closes what."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cached_property
from logging import Logger
from typing import Literal

from fleetpoll.batch.metering import Meter, MeteredClient
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.batch.subscription import Subscription
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.errors import SettingsError
from fleetpoll.settings import Settings, load

FleetChoice = Fleet | Settings | Literal[False] | None
"""A fleet, or the settings to open one by; None: those of the environment, a fleet only if they name a Redis;
False: the same, but it is not to poll for us. What is opened here is closed here."""


class FleetLink:
    """One client's tie to a fleet. Nothing is opened before it is needed. Making one raises SettingsError."""

    def __init__(self, choice: FleetChoice, log: Logger) -> None:
        self._choice, self._log, self._stack = choice, log, ExitStack()
        self.settings = settings_of(choice)

    @cached_property
    def fleet(self) -> Fleet | None:
        """The fleet whose buckets are spent from; None without one."""
        if isinstance(self._choice, Fleet):
            return self._choice
        if isinstance(self._choice, Settings) or self.settings.redis_url is not None:
            return self._stack.enter_context(open_fleet(self.settings))
        return None

    @cached_property
    def subscription(self) -> Subscription | None:
        """What is asked instead of AWS; None if it is not to be."""
        return None if self._choice is False or self.fleet is None else Subscription(self.fleet, self._log)

    @cached_property
    def meter(self) -> Meter:
        """Through which the calls go."""
        meter = Meter(self.fleet, self._log)
        self._stack.callback(meter.close)
        return meter

    def metered(self, client: BatchProtocol) -> BatchProtocol:
        """The client on the fleet's allowance; without a fleet, as it is."""
        return client if self.fleet is None else MeteredClient(client, self.meter)

    def polls_for_us(self) -> bool:
        """Whether the fleet polls for us now, so that nothing needs to be slept to spare AWS."""
        return self.subscription is not None and self.subscription.works()

    def close(self) -> None:
        """Close what was opened here."""
        self._stack.close()


def settings_of(choice: FleetChoice) -> Settings:
    """The settings that a choice comes with, else those of the environment. Raises SettingsError."""
    if isinstance(choice, Fleet):
        return choice.settings
    if isinstance(choice, Settings):
        return choice
    if choice not in (None, False):
        kind = type(choice).__name__  # and no more of it: a URL may hold a password
        raise SettingsError(f"fleet is of type {kind}: give a Fleet, Settings(redis_url=...), None or False.")
    return load(os.environ, os.environ.get("FLEETPOLL_CONFIG") or None)

"""All accounts of a simulator, each in one Region: alike at first, and nothing that happens to one is felt in another."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.account import Account, wall_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fleetpoll.simulator.config import SimulatorConfig
    from fleetpoll.simulator.credentials import Caller

ACCOUNT_ID = re.compile(r"\d{12}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class Accounts:
    """The accounts by id and Region, each made when it is first met."""

    def __init__(self, config: SimulatorConfig, clock: Callable[[], int] = wall_ms) -> None:
        self.config = msgspec.structs.replace(config, seed=config.seed or secrets.randbits(48))
        self._clock = clock
        self.default = Account(self.config, clock)
        self._met = {(config.account_id, config.region): self.default}

    def __iter__(self) -> Iterator[Account]:
        """All that were met, the default one first."""
        return iter(tuple(self._met.values()))

    def of(self, caller: Caller) -> Account:
        """The account that pays for a caller's calls."""
        return self._at(caller.account_id, caller.region) if caller.account_id else self.default

    def named(self, account_id: str, region: str) -> Account:
        """The account of that id in that Region; what is empty is as in the default one. Raises SettingsError."""
        account_id, region = account_id or self.config.account_id, region or self.config.region
        if (account_id, region) not in self._met and not (ACCOUNT_ID.fullmatch(account_id) and REGION.fullmatch(region)):
            raise SettingsError(f"account {account_id!r} in {region!r}: give 12 digits and a Region like us-east-1")
        return self._at(account_id, region)

    def _at(self, account_id: str, region: str) -> Account:
        place = account_id, region
        if place not in self._met:
            own = msgspec.structs.replace(self.config, account_id=account_id, region=region)
            self._met[place] = Account(own, self._clock, kin=f"{account_id}/{region}")
        return self._met[place]

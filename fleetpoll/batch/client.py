"""A client for AWS Batch in the manner of Airflow's AwsBatchClientHook, without Airflow."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Self

import msgspec

from fleetpoll.awsbatch.api import open_client
from fleetpoll.batch.link import FleetChoice, FleetLink
from fleetpoll.batch.metering import MeteredClient
from fleetpoll.batch.methods import BatchMethods
from fleetpoll.batch.protocol import BatchProtocol


class BatchClient(BatchMethods):
    """Submit, watch, check and terminate jobs.

    `client` is boto3's or anything alike; None: one is made when it is needed, by the settings of the fleet or of the
    environment, in `region_name` if that is given. For `fleet` see `fleetpoll.batch.link.FleetChoice`: while it works it
    does the polling, and whenever there is a Redis every call takes a token of the fleet's. Close it, or use it as a
    context manager. Raises SettingsError.
    """

    log = logging.getLogger("fleetpoll.batch")

    def __init__(
        self,
        client: BatchProtocol | None = None,
        *,
        fleet: FleetChoice = None,
        region_name: str | None = None,
        max_retries: int | None = None,
        status_retries: int | None = None,
    ) -> None:
        self._link = FleetLink(fleet, self.log)
        self._given, self._region_name = client, region_name
        self.max_retries = max_retries or self.MAX_RETRIES
        self.status_retries = status_retries or self.STATUS_RETRIES

    @cached_property
    def client(self) -> BatchProtocol:
        """The client whose calls are made, on the fleet's allowance if there is a Redis.

        One that is made here has no retries of boto3's, so a throttled call is made again here, with or without a Redis.
        """
        return MeteredClient(self._own, self._link.meter) if self._given is None else self._link.metered(self._given)

    @cached_property
    def _own(self) -> BatchProtocol:
        settings = self._link.settings
        region = self._region_name or settings.region
        made: BatchProtocol = open_client(msgspec.structs.replace(settings, region=region))
        return made

    def close(self) -> None:
        """Close what was opened here: the connections to AWS and Redis, not those of a client or fleet that was given."""
        own = self.__dict__.pop("_own", None)
        if own is not None:
            own.close()
        self._link.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

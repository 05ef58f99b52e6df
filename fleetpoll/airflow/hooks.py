"""Airflow's hooks for AWS Batch, under their names of today and of before, with the polling left to the fleet."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook as AirflowBatchClientHook
from airflow.providers.amazon.aws.hooks.batch_waiters import BatchWaitersHook as AirflowBatchWaitersHook

from fleetpoll.airflow.connection import FleetpollHook
from fleetpoll.airflow.errors import as_airflow_error
from fleetpoll.awsbatch.api import one_request
from fleetpoll.batch.link import FleetChoice, FleetLink
from fleetpoll.batch.methods import BatchMethods
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.batch.waiters import WaiterMethods
from fleetpoll.client.fleet import Fleet
from fleetpoll.errors import BatchError, RedisUnavailable
from fleetpoll.jobs import AWS_STATUSES, Snapshot, as_job_id

__all__ = [
    "AwsBatchClientHook",
    "AwsBatchProtocol",
    "AwsBatchWaitersHook",
    "BatchClientHook",
    "BatchProtocol",
    "BatchWaitersHook",
]

AwsBatchProtocol = BatchProtocol
SEEN = frozenset(AWS_STATUSES)


class BatchClientHook(BatchMethods, AirflowBatchClientHook):
    """Airflow's BatchClientHook whose polls are the fleet's while it works, and whose calls take a token of the fleet's.

    AWS is reached as ever, through `aws_conn_id` and the rest of Airflow's arguments. Errors are AirflowException's and
    BatchError's. With a Redis, one call is one request: the fleet's allowance is spared by asking again with a new token,
    not by botocore's own retries, which the bucket would never see.

    :param fleetpoll_conn_id: the Airflow connection of type `fleetpoll`; None: FLEETPOLL_ variables, if they name a Redis
    :param fleet: a fleet or settings of one in its place; False: take tokens, but poll by oneself
    """

    def __init__(self, *args: Any, fleetpoll_conn_id: str | None = None, fleet: FleetChoice = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fleetpoll_conn_id, self._fleet_choice = fleetpoll_conn_id, fleet

    @cached_property
    def _link(self) -> FleetLink:  # type: ignore[override] # looked up late: a DAG that is parsed asks for no connection
        named = self.fleetpoll_conn_id is not None and self._fleet_choice is None
        return FleetLink(FleetpollHook(self.fleetpoll_conn_id).get_conn() if named else self._fleet_choice, self.log)

    @property
    def client(self) -> BatchProtocol:
        """The boto3 client, on the fleet's allowance if there is a Redis."""
        return self._link.metered(self.conn)

    @property
    def fleet(self) -> Fleet | None:
        """The fleet; None without a Redis."""
        return self._link.fleet

    def fleet_works(self) -> bool:
        """Whether a fleet polls for us now; a change of that is logged."""
        return self._link.polls_for_us()

    def known(self, job_id: str, patience_s: float = 0.0) -> Snapshot | None:
        """What the fleet knows of a job, which is tracked from now on; None without a fleet, or while Redis is away.

        A job that nobody has looked at yet is waited for, `patience_s` seconds at most.
        """
        watched = as_job_id(job_id)
        if self.fleet is None or watched is None:
            return None
        try:
            self.fleet.wait([watched], SEEN, patience_s)
            return self.fleet.get([watched]).get(watched)
        except RedisUnavailable as error:
            self.log.warning("AWS Batch job (%s) is not tracked yet: %s", job_id, error)
            return None

    def close(self) -> None:
        """Close the connections to Redis."""
        self._link.close()

    def _get_config(self, config: Any = None) -> Any:
        merged = super()._get_config(config)
        return merged if self.fleet is None else one_request(merged)

    @classmethod
    def _error(cls, kind: type[BatchError], message: str) -> Exception:
        return as_airflow_error(kind, message)


class BatchWaitersHook(WaiterMethods, BatchClientHook, AirflowBatchWaitersHook):
    """The hook that waits with botocore's waiters while no fleet polls for it.

    :param waiter_config: the configuration of the waiters; None: the default
    """

    def __init__(self, *args: Any, waiter_config: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._configure(waiter_config)


AwsBatchClientHook = BatchClientHook
AwsBatchWaitersHook = BatchWaitersHook

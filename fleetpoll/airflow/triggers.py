"""The trigger that leaves the polling of a deferred task's job to the fleet: it subscribes, and makes no call to AWS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from itertools import count
from typing import Any, TypeVar

from airflow.providers.amazon.aws.links.batch import BatchJobDetailsLink
from airflow.providers.amazon.aws.triggers.batch import BatchJobTrigger as AirflowBatchJobTrigger
from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from fleetpoll.aio import Fleet
from fleetpoll.airflow.asking import asking
from fleetpoll.airflow.connection import FleetpollHook
from fleetpoll.airflow.hooks import BatchClientHook
from fleetpoll.airflow.outcome import KILLED, Event, described, ended, gave_up
from fleetpoll.airflow.sharing import SharedFleet, shared_fleet
from fleetpoll.airflow.tries import waits_on
from fleetpoll.clock import system_mono
from fleetpoll.errors import FleetClosed, FleetpollError, RedisDenied, RedisUnavailable
from fleetpoll.jobs import Snapshot
from fleetpoll.settings import Settings

REDIS_RETRY_S = 5.0
DENIED_RETRY_S = 30.0
"""A password that is changed must not fail every deferred task; after this long it is looked up again."""
NOTICE_S = 15.0
"""How long no worker may be alive before the task's log says so."""

Result = TypeVar("Result")


class BatchJobTrigger(AirflowBatchJobTrigger):
    """Waits for a job of AWS Batch by subscribing to a fleet; any number of triggers in a triggerer share one connection.

    The event is what Airflow's own operator and sensor take, with what is known of the job in `job`. While Redis is away,
    and while no worker of the fleet is alive, it waits on and says so in the task's log; with `fallback_after_s` it asks
    AWS itself once no worker has been alive that long, on the fleet's allowance and with growing pauses, until one is again.
    Where no Redis is configured at all, AWS is asked. It gives up after waiter_delay * waiter_max_attempts seconds, as
    Airflow's own does.

    :param fleetpoll_conn_id: the Airflow connection of type `fleetpoll`; None: the FLEETPOLL_ variables of the triggerer
    :param fallback_after_s: seconds without a worker after which AWS is asked; None: never
    :param terminate_on_kill: whether the job is terminated when somebody clears or marks the deferred task
    """

    def __init__(
        self,
        *,
        job_id: str | None,
        fleetpoll_conn_id: str | None = None,
        fallback_after_s: float | None = None,
        terminate_on_kill: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(job_id=job_id, **kwargs)
        self.job_id = job_id
        self.fleetpoll_conn_id = fleetpoll_conn_id
        self.fallback_after_s = fallback_after_s
        self.terminate_on_kill = terminate_on_kill
        self.serialized_fields |= {
            "fleetpoll_conn_id": fleetpoll_conn_id,
            "fallback_after_s": fallback_after_s,
            "terminate_on_kill": terminate_on_kill,
        }

    def hook(self) -> BatchClientHook:
        """The hook for the calls that this trigger makes itself; each takes a token of the fleet's."""
        return BatchClientHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
            fleetpoll_conn_id=self.fleetpoll_conn_id,
            status_retries=1,  # who asks comes again after a pause, in which no thread sleeps
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, when the job is over."""
        try:
            event = await self._outcome()
        except (FleetpollError, AirflowException) as error:  # Airflow's: there is no such connection
            event = gave_up(self.job_id, str(error))
        yield TriggerEvent(event)

    async def on_kill(self) -> None:
        """Terminate the job, if that is wanted: somebody clears or marks the deferred task. Airflow asks from 3.3 on.

        The triggerer cancels an `on_kill` again each second. What has begun, or waits for a thread, is done all the same:
        who clears a thousand tasks wants a thousand jobs ended.
        """
        if self.terminate_on_kill and self.job_id:
            await asyncio.shield(asyncio.to_thread(self._terminate, self.job_id))

    def _terminate(self, job_id: str) -> None:
        """Terminate the job, unless its task waits on. Nobody may be left to take an error, so it is logged."""
        try:
            if self.task_instance is not None and waits_on(self.task_instance, BatchJobDetailsLink.key):
                self.log.info("AWS Batch job %s goes on: its task is deferred still, another triggerer has it", job_id)
                return
            with closing(self.hook()) as hook:
                hook.terminate_job(job_id, KILLED)
        except Exception:
            self.log.exception("AWS Batch job %s may go on: it could not be terminated", job_id)

    async def _outcome(self) -> Event:
        settings = await self._settings()
        until, told = system_mono() + self.waiter_delay * self.attempts, ""
        if settings.redis_url is None:
            self.log.info("No Redis is configured, so there is no fleet: asking AWS about Batch job %s", self.job_id)
            return await self._ask(until)
        while True:
            shared = shared_fleet(settings)
            try:
                async with shared.used() as fleet:
                    return await self._await_end(fleet, shared, until)
            except (RedisUnavailable, RedisDenied, FleetClosed) as trouble:
                denied = isinstance(trouble, RedisDenied)
                if str(trouble) != told:
                    told = str(trouble)
                    self.log.warning("%s Waiting on for AWS Batch job %s", told, self.job_id)
            if system_mono() >= until:
                return self._too_late()
            await asyncio.sleep(DENIED_RETRY_S if denied else REDIS_RETRY_S)
            settings = await self._settings() if denied else settings

    async def _settings(self) -> Settings:
        """The settings, looked up where Airflow's connections can be had.

        Shielded: a cancellation carries Airflow's word whether it is a kill, and sync_to_async drops that on the way.
        """
        settings: Settings = await asyncio.shield(sync_to_async(FleetpollHook(self.fleetpoll_conn_id).get_conn)())
        return settings

    async def _await_end(self, fleet: Fleet, shared: SharedFleet, until: float) -> Event:
        """The first of two: the fleet says that the job is over, or we have found out ourselves."""
        async with going_on(self._subscribe(fleet, until)) as told, going_on(self._stand_in(shared, until)) as found:
            await asyncio.wait({told, found}, return_when=asyncio.FIRST_COMPLETED)
            return told.result() if told.done() else found.result()

    async def _subscribe(self, fleet: Fleet, until: float) -> Event:
        """Wait for the fleet to see the job's end. One that is untracked meanwhile is tracked again: a task waits for it."""
        assert self.job_id is not None  # noqa: S101 - `_outcome` is not for a task without a job
        while (left_s := until - system_mono()) > 0:
            waited = await fleet.wait([self.job_id], timeout_s=left_s)
            for job_id, status in waited.reached.items():
                known = (await fleet.get([job_id])).get(job_id)
                return ended(job_id, Snapshot(status=status) if known is None else known)
        return self._too_late()

    async def _stand_in(self, shared: SharedFleet, until: float) -> Event:
        """Say when no worker is alive, and ask AWS after a while if that is wanted."""
        while True:
            await shared.deserted(NOTICE_S if self.fallback_after_s is None else min(NOTICE_S, self.fallback_after_s))
            self.log.warning(
                "No worker of the fleet is alive, so AWS Batch job %s is not looked at: start some, `fleetpoll worker`. %s",
                self.job_id,
                "Waiting on" if self.fallback_after_s is None else f"AWS is asked after {self.fallback_after_s:g} s",
            )
            async with going_on(shared.attended()) as back, going_on(self._fall_back(until)) as found:
                await asyncio.wait({back, found}, return_when=asyncio.FIRST_COMPLETED)
                if found.done():
                    return found.result()
            self.log.info("Workers are alive again: AWS Batch job %s is looked at", self.job_id)

    async def _fall_back(self, until: float) -> Event:
        """Ask AWS after a while; never, if that is not wanted."""
        if self.fallback_after_s is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(max(0.0, self.fallback_after_s - NOTICE_S))
        return await self._ask(until)

    async def _ask(self, until: float) -> Event:
        """Ask AWS until the job is over, with pauses that grow."""
        way = (self.fleetpoll_conn_id, self.aws_conn_id, self.region_name, self.verify, repr(self.botocore_config))
        async with asking(way, self.hook) as asker:
            for tries in count(1):
                try:
                    job = described(await asker.describe(str(self.job_id)))
                except Exception as error:  # noqa: BLE001 - whatever the hook raises, the job may still run
                    self.log.warning("AWS Batch job %s could not be asked for: %s", self.job_id, error)
                else:
                    if job.status.terminal:
                        return ended(str(self.job_id), job)
                if system_mono() >= until:
                    break
                await asyncio.sleep(min(asker.hook.exponential_delay(tries), max(0.0, until - system_mono())))
        return self._too_late()

    def _too_late(self) -> Event:
        waited_s = self.waiter_delay * self.attempts
        return gave_up(self.job_id, f"AWS Batch job {self.job_id} is not over after {waited_s:g} s: nobody waits any longer")


@asynccontextmanager
async def going_on(work: Coroutine[Any, Any, Result]) -> AsyncIterator[asyncio.Task[Result]]:
    """Work that goes on beside the block, and ends with it at the latest."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

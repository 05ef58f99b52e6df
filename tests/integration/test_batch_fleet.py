"""A BatchClient whose polling is the fleet's: real worker processes, and the simulator counts who asks."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.rig import Rig, Workers, alive, limited, rig, wait_until
from fleetpoll import errors
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.waiters import BatchWaiters
from fleetpoll.client.fleet import Fleet
from fleetpoll.settings import Settings, load

QUICK = {
    "connect_timeout": 1.0,
    "read_timeout": 2.0,
    "token_wait": 3.0,
    "margin": 1.0,
    "visibility": 8.0,
    "stuck_after": 4.0,
}
QUICK |= {"beat": 0.5, "freshness": 0.5, "rate": 20, "rate_start": 20, "workers": 1, "missing_grace": 0, "missing_checks": 2}
NO_JOB = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def stage() -> Iterator[Rig]:
    """A server and a simulator, for all tests here; what they count is counted anew by each test."""
    with rig(load({}, flags=QUICK), limited(20, life_min_s=60.0, fail_share=0.0, retry_share=0.0)) as made:
        yield made


@pytest.fixture
def fleet(stage: Rig) -> Rig:
    """The stage, with nothing counted and nobody alive."""
    wait_until(lambda: not Fleet(stage.rooms, stage.settings).alive(), 10, "nobody alive")
    stage.simulator.limit("describe", 20, 20)
    stage.simulator.reset_stats()
    return stage


@contextmanager
def client(fleet: Rig, kind: Any = BatchClient, **given: Any) -> Iterator[Any]:
    """A client that finds the fleet by settings, as another process would. It polls quickly, if it has to."""
    more = {"redis_url": fleet.url, "endpoint_url": fleet.simulator.url}
    settings = load({}, flags=QUICK | more)
    with kind(fleet=settings, **given) as made:
        made.exponential_delay = lambda _: 0.2
        yield made


@contextmanager
def working(fleet: Rig) -> Iterator[Workers]:
    """The fleet with a worker."""
    with fleet.workers() as workers:
        fleet.await_pollers(1)
        yield workers


def asked(fleet: Rig) -> int:
    """How many DescribeJobs calls AWS has seen."""
    return int(fleet.simulator.stats()["operations"]["describe"]["calls"])


def kill(fleet: Rig, workers: Workers) -> None:
    """End supervisor and pollers at once; nobody says goodbye."""
    pids = [workers.process.pid, *fleet.poller_pids()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    workers.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), 10, "all dead")


def test_a_subscribed_client_asks_aws_nothing(fleet: Rig) -> None:
    """All DescribeJobs are the workers'. It needs no client for AWS, sleeps for nobody's sake, and believes the ledger."""
    (good,) = fleet.simulator.populate(1, life_min_s=2.0, life_max_s=2.0)
    (bad,) = fleet.simulator.populate(1, life_min_s=2.0, life_max_s=2.0, fail_share=1.0, attempts=1)
    calls_before = fleet.rooms.ledger.totals().calls
    with working(fleet), client(fleet) as batch, ThreadPoolExecutor(2) as pool:
        batch.delay = lambda _=None: pytest.fail("slept")
        list(pool.map(batch.wait_for_job, [good, bad]))

        assert batch.check_job_success(good) is True
        with pytest.raises(errors.JobFailed, match=r"failed: {'jobId': .*'status': 'FAILED'.*'statusReason'.*'container'"):
            batch.check_job_success(bad)
        assert "_own" not in vars(batch)
    assert asked(fleet) == fleet.rooms.ledger.totals().calls - calls_before > 0


def test_the_waiters_subscribe_as_well(fleet: Rig) -> None:
    """A failed job ends the wait badly, as a waiter would; a log fetcher works while the job runs."""
    (good,) = fleet.simulator.populate(1, life_min_s=1.0, life_max_s=1.0)
    (bad,) = fleet.simulator.populate(1, life_min_s=1.0, life_max_s=1.0, fail_share=1.0, attempts=1)
    calls_before = fleet.rooms.ledger.totals().calls
    wanted: list[str] = []
    with working(fleet), client(fleet, BatchWaiters) as batch:
        batch.wait_for_job(good, get_batch_log_fetcher=wanted.append)
        with pytest.raises(errors.WaitFailed, match="it is FAILED"):
            batch.wait_for_job(bad)
    assert wanted == [good]
    assert asked(fleet) == fleet.rooms.ledger.totals().calls - calls_before


def test_what_cannot_come_any_more_is_said(fleet: Rig) -> None:
    """A job that AWS does not know becomes LOST, one that is over does not run again, and a bound is a time.

    None of it is found out by calls of the client's.
    """
    calls_before = fleet.rooms.ledger.totals().calls
    (over,) = fleet.simulator.populate(1, life_min_s=0.0, life_max_s=0.0)
    (live,) = fleet.simulator.populate(1)
    with working(fleet), client(fleet) as batch, client(fleet, max_retries=1) as hasty:
        with pytest.raises(
            errors.JobLost, match=r"is LOST: AWS Batch left this job out of 2 answers in a row\. Check the id"
        ):
            batch.poll_for_job_running(NO_JOB)
        with pytest.raises(errors.JobLost):
            batch.check_job_success(NO_JOB)
        with pytest.raises(errors.JobOver, match="is SUCCEEDED and will never be in"):
            batch.poll_job_status(over, ["RUNNING"])
        with pytest.raises(errors.ChecksExceeded, match="exceed max_retries"):
            hasty.poll_for_job_complete(live)
    assert asked(fleet) == fleet.rooms.ledger.totals().calls - calls_before


def test_without_workers_the_client_polls_on_the_fleets_allowance(fleet: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, and each of its calls took a token."""
    (job,) = fleet.simulator.populate(1, life_min_s=1.0, life_max_s=1.0)
    granted = fleet.rooms.buckets["DescribeJobs"].view().tokens_granted
    with client(fleet) as batch, caplog.at_level(logging.INFO, "fleetpoll.batch"):
        batch.delay(0)
        batch.wait_for_job(job, delay=0)
        assert batch.check_job_success(job) is True
    assert asked(fleet) == fleet.rooms.buckets["DescribeJobs"].view().tokens_granted - granted >= 3
    assert caplog.text.count("No worker is alive") == 1


def test_workers_may_die_and_come_back(fleet: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A wait that has lost its fleet polls by itself, and is a subscription again when there are workers."""
    (job,) = fleet.simulator.populate(1)
    with client(fleet) as batch, ThreadPoolExecutor(1) as pool, caplog.at_level(logging.INFO, "fleetpoll.batch"):
        with working(fleet) as workers:
            waiting = pool.submit(batch.wait_for_job, job)
            wait_until(lambda: bool(Fleet(fleet.rooms, fleet.settings).get([job])), 10, "tracked")
            kill(fleet, workers)
        wait_until(lambda: "No worker is alive" in caplog.text, 10, "the loss is noticed")
        was = asked(fleet)
        wait_until(lambda: asked(fleet) > was + 1, 10, "polls")
        with working(fleet):
            wait_until(lambda: "polls for us again" in caplog.text, 10, "the return is noticed")
            assert not waiting.done()
            batch.terminate_job(job, "enough")
            waiting.result(20)
            with pytest.raises(errors.JobFailed, match="enough"):
                batch.check_job_success(job)
    assert caplog.text.count("is of no use now") == 1


def test_a_throttle_is_told_to_the_bucket(fleet: Rig) -> None:
    """Each of them, once; the wait goes on."""
    (job,) = fleet.simulator.populate(1, life_min_s=1.5, life_max_s=1.5)
    told = fleet.rooms.buckets["DescribeJobs"].view().throttles
    fleet.simulator.limit("describe", 1.5, 1)
    with client(fleet) as batch:
        batch.delay = lambda _=None: None
        batch.wait_for_job(job)
    throttled = fleet.simulator.stats()["operations"]["describe"]["throttled"]
    assert fleet.rooms.buckets["DescribeJobs"].view().throttles - told == throttled > 0


def test_a_fleet_that_is_given_is_used_and_left_open(fleet: Rig) -> None:
    """Its settings are those of the calls."""
    (job,) = fleet.simulator.populate(1, life_min_s=0.0, life_max_s=0.0)
    given = Fleet(fleet.rooms, Settings(endpoint_url=fleet.simulator.url))
    with BatchClient(fleet=given) as batch:
        given.track([job])
        assert batch.check_job_success(job) is True  # as AWS says: the fleet has not seen it yet
        info = batch.get_job_awslogs_info(job)
    assert info is not None
    assert (info["awslogs_group"], info["awslogs_region"]) == ("/aws/batch/job", "us-east-1")
    assert given.alive() == []

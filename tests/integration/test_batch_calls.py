"""A BatchClient's calls on the buckets of a fleet, and without Redis: real boto3 on the simulator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from benchmarks.rig import wait_until
from fleetpoll import errors
from fleetpoll.batch import metering
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.waiters import BatchWaiters
from fleetpoll.client.fleet import Fleet
from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import DESCRIBE, SUBMIT, TERMINATE, Rooms, open_rooms
from fleetpoll.state.roster import Facts
from tests.integration.bad_server import Answer, serving
from tests.integration.cycles import Build
from tests.parity.contender import Scripted, described, refused

JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}
NO_JOB = "00000000-0000-4000-8000-000000000000"
FAST: dict[str, Any] = {
    "rate": 40.0,
    "rate_min": 40.0,
    "workers": 1,
}  # so that half of a worker's share is enough for a test
REFUSAL = b'{"message": "Error executing request, Exception : bad id"}'


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulated AWS for all tests here."""
    with Simulator(SimulatorConfig(life_min_s=1.0, life_max_s=1.0, fail_share=0.0, retry_share=0.0)) as made:
        yield made


@pytest.fixture
def fleet(rooms: Rooms, fleet_name: str, simulator: Simulator) -> Fleet:
    """A fleet without workers, on the simulator."""
    simulator.reset_stats()
    return Fleet(rooms, Settings(fleet=fleet_name, endpoint_url=simulator.url))


def spent(fleet: Fleet) -> dict[str, int]:
    """The tokens that were granted, by operation."""
    return {operation: fleet.bucket(operation).view().tokens_granted for operation in (DESCRIBE, SUBMIT, TERMINATE)}


def test_each_call_takes_a_token_of_its_operation(fleet: Fleet) -> None:
    """Those of the client that is handed out as well; what else boto3's client has is still there."""
    with BatchClient(fleet=fleet) as batch:
        job_id = batch.client.submit_job(**JOB)["jobId"]
        assert batch.get_job_description(job_id)["jobName"] == "n"
        batch.terminate_job(job_id, "enough")
        listed = batch.client.list_jobs(jobQueue="q", jobStatus="FAILED")  # type: ignore[attr-defined] # boto3's own
        assert batch.client.meta.service_model.service_name == "batch"  # type: ignore[attr-defined] # the same

    assert [job["jobId"] for job in listed["jobSummaryList"]] == [job_id]
    assert spent(fleet) == {DESCRIBE: 1, SUBMIT: 1, TERMINATE: 1}
    assert fleet.bucket("ListJobs").view().tokens_granted == 1


def test_a_submit_that_is_throttled_is_tried_again(fleet: Fleet, simulator: Simulator) -> None:
    """Five times, each with a token, each told to the bucket; then AWS's own error is raised."""
    pauses: list[float] = []
    with BatchClient(fleet=fleet) as batch:
        meter = metering.Meter(fleet, batch.log, pauses.append)
        client = metering.MeteredClient(batch._own, meter)
        simulator.limit("submit", 0.001, 1)
        client.submit_job(**JOB)

        with pytest.raises(ClientError, match="TooManyRequests"):
            client.submit_job(**JOB)

        simulator.limit("submit", 0)
        meter.close()
    assert len(pauses) == metering.TRIES - 1
    assert spent(fleet)[SUBMIT] == 1 + metering.TRIES
    assert fleet.bucket(SUBMIT).view().throttles == metering.TRIES


def test_a_paused_bucket_is_waited_for(
    fleet: Fleet, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller hears of it now and then, and goes on when the pause ends."""
    monkeypatch.setattr(metering, "TOKEN_WAIT_S", 0.2)
    (job_id,) = simulator.populate(1)
    fleet.bucket().pause(True)
    with BatchClient(fleet=fleet) as batch, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(batch.get_job_description, job_id)
        wait_until(lambda: "No DescribeJobs token within" in caplog.text, 5, "a word of it")
        assert simulator.stats()["operations"]["describe"]["calls"] == 0
        fleet.bucket().pause(False)

        assert asking.result(10)["jobId"] == job_id


def test_a_throttle_of_somebody_elses_is_not_told_to_the_bucket(fleet: Fleet) -> None:
    """STS, asked for credentials on our behalf, has an allowance of its own."""
    sts = refused("Throttling")
    sts.operation_name = "AssumeRole"
    with BatchClient(Scripted(sts, refused("Throttling"), described("RUNNING", NO_JOB)), fleet=fleet) as batch:
        batch.delay = lambda _=None: None  # type: ignore[method-assign, assignment] # as a subclass might
        assert batch.get_job_description(NO_JOB)["status"] == "RUNNING"
    assert fleet.bucket().view().throttles == 1


def test_a_pause_is_waited_for_without_redis_as_well(simulator: Simulator, tmp_path: Path) -> None:
    """The last word was to call nobody: as long as nobody can take it back, no call is made, and no wait is given up."""
    (job_id,) = simulator.populate(1)
    simulator.reset_stats()
    with ExitStack() as server, ThreadPoolExecutor(1) as pool:
        url = server.enter_context(private_server(None, tmp_path))
        settings = Settings(redis_url=url, endpoint_url=simulator.url, **FAST)
        rooms = open_rooms(url, settings)
        rooms.buckets[DESCRIBE].pause(True)
        with BatchClient(fleet=settings) as batch:
            asking = pool.submit(batch.get_job_description, job_id)
            wait_until(lambda: batch.client._meter._limiters != {}, 5, "asks for a token")  # type: ignore[attr-defined]
            wait_until(lambda: batch._link.fleet.bucket().paused_last, 5, "hears of the pause")  # type: ignore[union-attr]
            server.close()
            with pytest.raises(TimeoutError):
                asking.result(2)
            assert simulator.stats()["operations"]["describe"]["calls"] == 0
            server.enter_context(private_server(None, tmp_path))
            rooms.buckets[DESCRIBE].pause(False)
            assert asking.result(10)["jobId"] == job_id
        rooms.close()


def test_all_checks_are_made_however_long_they_take(fleet: Fleet, simulator: Simulator) -> None:
    """Where the client polls itself it counts its checks, and no time is up before the last."""
    (job_id,) = simulator.populate(1, life_min_s=60.0, life_max_s=60.0)
    with BatchClient(fleet=fleet, max_retries=1) as batch:
        batch.delay = lambda _=None: threading.Event().wait(1.5)  # type: ignore[method-assign, assignment] # longer than due
        with pytest.raises(errors.ChecksExceeded):
            batch.poll_job_status(job_id, ["FAILED"])
    assert simulator.stats()["operations"]["describe"]["calls"] == 2


def test_a_fleet_that_comes_back_is_not_slept_over(
    build: Build, rooms: Rooms, fleet_name: str, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that has polled for long pauses for up to ten minutes; it looks now and then whether it still has to."""
    (job_id,) = simulator.populate(1, life_min_s=0.0, life_max_s=0.0)
    caplog.set_level("INFO", "fleetpoll.batch")
    awake = threading.Event()
    here = Fleet(rooms, Settings(fleet=fleet_name, endpoint_url=simulator.url, beat=0.1))
    aws = Scripted(described("RUNNING", job_id))
    with BatchClient(aws, fleet=here, max_retries=5) as batch, ThreadPoolExecutor(1) as pool:
        batch.delay = lambda seconds=0.0: awake.wait(seconds)  # type: ignore[method-assign, assignment]
        batch.exponential_delay = lambda _: 600.0  # type: ignore[method-assign, assignment] # as after many checks
        waiting = pool.submit(batch.poll_for_job_complete, job_id, 0)
        try:
            wait_until(lambda: "status check (1 of 5)" in caplog.text, 10, "a pause")
            rooms.roster.beat("w-1", Facts(host="h", pid=1, started_ms=1, beat_s=60.0))
            wait_until(lambda: "polls for us again" in caplog.text, 10, "the return is noticed")
            cycle = build(simulator.url)
            wait_until(lambda: cycle.run().kept == 1, 10, "a look")
            waiting.result(10)
        finally:
            awake.set()
    assert len(aws.asked) == 1


def test_waiters_with_a_fleet_fail_as_waiters_do(build: Build, fleet: Fleet, rooms: Rooms) -> None:
    """Be it AWS that refuses to tell, or a fleet that has given the job up."""
    with BatchWaiters(client=Scripted(refused("AccessDeniedException", 403)), fleet=fleet) as batch:
        with pytest.raises(errors.WaitFailed, match=r"wait failed: An error occurred .AccessDenied"):
            batch.wait_for_job(NO_JOB, delay=0)
        with serving() as server:
            server.answer, server.culprit = Answer(400, REFUSAL, {"x-amzn-errortype": "ClientException"}), NO_JOB
            fleet.track([NO_JOB])
            cycle = build(server.url)
            wait_until(lambda: cycle.run().kept == 1, 5, "a look")
        rooms.roster.beat("w-1", Facts(host="h", pid=1, started_ms=1, beat_s=60.0))
        with pytest.raises(errors.WaitFailed, match=r"wait failed: .* is REJECTED: ClientException: .* bad id") as raised:
            batch.wait_for_job(NO_JOB, delay=0)
    assert isinstance(raised.value.__cause__, errors.JobLost)


def test_a_fleet_may_be_there_for_its_allowance_only(
    fleet: Fleet, simulator: Simulator, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With fleet=False the client polls itself, on the bucket of the environment's fleet, and that is nothing to warn of."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", redis_url)
    monkeypatch.setenv("FLEETPOLL_FLEET", fleet.settings.fleet)
    monkeypatch.setenv("FLEETPOLL_ENDPOINT_URL", simulator.url)
    (job_id,) = simulator.populate(1)
    with BatchClient(fleet=False) as batch:
        batch.poll_for_job_running(job_id, delay=0)
    assert fleet.get([job_id]) == {}
    assert spent(fleet)[DESCRIBE] == simulator.stats()["operations"]["describe"]["calls"] > 0
    assert caplog.text == ""


def test_a_refused_job_is_told_in_awss_words(build: Build, fleet: Fleet) -> None:
    """What a worker has heard of it is what the client raises."""
    with serving() as server:
        server.answer, server.culprit = Answer(400, REFUSAL, {"x-amzn-errortype": "ClientException"}), NO_JOB
        fleet.track([NO_JOB])
        cycle = build(server.url)
        wait_until(lambda: cycle.run().kept == 1, 5, "a look")
    with BatchClient(fleet=fleet) as batch, pytest.raises(errors.JobLost, match=r"is REJECTED: ClientException: .* bad id"):
        batch.check_job_success(NO_JOB)


def test_a_redis_that_is_not_there_stops_nobody(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The client says so once, and polls alone, slowly."""
    (job_id,) = simulator.populate(1)
    gone = Settings(redis_url="redis://127.0.0.1:1", endpoint_url=simulator.url, **FAST)
    with BatchClient(fleet=gone) as batch:
        batch.wait_for_job(job_id, delay=0)
        assert batch.check_job_success(job_id) is True
    assert caplog.text.count("is of no use now, we poll AWS Batch ourselves: Redis does not answer") == 1


def test_a_redis_that_goes_away_stops_nobody(simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of a wait."""
    (job_id,) = simulator.populate(1, life_min_s=60.0, life_max_s=60.0)
    with ExitStack() as server, ThreadPoolExecutor(1) as pool:
        url = server.enter_context(private_server(None, tmp_path))
        with BatchClient(fleet=Settings(redis_url=url, endpoint_url=simulator.url, **FAST)) as batch:
            batch.exponential_delay = lambda _: 0.1  # type: ignore[method-assign, assignment] # as a subclass might
            simulator.reset_stats()
            waiting = pool.submit(batch.wait_for_job, job_id, 0)
            wait_until(lambda: simulator.stats()["operations"]["describe"]["calls"] > 1, 10, "polls")
            server.close()
            was = simulator.stats()["operations"]["describe"]["calls"]
            wait_until(lambda: simulator.stats()["operations"]["describe"]["calls"] > was + 2, 20, "polls without Redis")
            batch.terminate_job(job_id, "enough")
            waiting.result(20)
    assert caplog.text.count("is of no use now") == 1


def test_a_redis_that_refuses_to_write_stops_nobody(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its memory is full: it still tells that workers are alive, but a job cannot be tracked."""
    (job_id,) = simulator.populate(1)
    with private_server(None, tmp_path) as url:
        settings = Settings(redis_url=url, endpoint_url=simulator.url, **FAST)
        rooms = open_rooms(url, settings)
        rooms.roster.beat("w-1", Facts(host="h", pid=1, started_ms=1, beat_s=60.0))
        rooms.client.config_set("maxmemory", "1")
        with BatchClient(fleet=settings) as batch:
            batch.wait_for_job(job_id, delay=0)
            assert batch.check_job_success(job_id) is True
        rooms.close()
    assert caplog.text.count("raise maxmemory") == 1


def test_waiters_on_the_simulator(
    fleet: Fleet, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """A job comes to its end, a missing one to an error, and each call took a token."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", redis_url)
    monkeypatch.setenv("FLEETPOLL_FLEET", fleet.settings.fleet)
    monkeypatch.setenv("FLEETPOLL_ENDPOINT_URL", simulator.url)
    config = BatchWaiters(fleet=False).default_config
    for waiter in config["waiters"].values():
        waiter["delay"] = 0
    config["waiters"]["JobExists"]["maxAttempts"] = 2
    (job_id,) = simulator.populate(1)
    with BatchWaiters(config, fleet=False) as waiters:
        waiters.wait_for_job(job_id, delay=0)
        with pytest.raises(errors.WaitFailed, match="JobExists failed: Max attempts exceeded"):
            waiters.wait_for_job(NO_JOB, delay=0)
        waiters.get_waiter("JobComplete").wait(jobs=[job_id])
    assert spent(fleet)[DESCRIBE] == simulator.stats()["operations"]["describe"]["calls"] >= 6

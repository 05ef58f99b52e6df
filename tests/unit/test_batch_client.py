"""What our BatchClient does beyond the hook: errors by kind, what it asks again, how it is tied to a fleet."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

import fleetpoll
from fleetpoll import errors
from fleetpoll.awsbatch.failures import THROTTLES
from fleetpoll.batch.client import BatchClient
from fleetpoll.batch.link import FleetChoice
from fleetpoll.batch.metering import TRIES, Meter, MeteredClient
from fleetpoll.batch.protocol import BatchProtocol
from fleetpoll.jobs import GIVEN_UP
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import DESCRIBE, SUBMIT, TERMINATE
from tests.parity.contender import JOB, THROTTLED, Contender, Scene, Scripted, described, refused, scene

OURS = Contender("fleetpoll", BatchClient, BatchClient, errors.BatchError, lambda _: None)


def ours(*answers: Any, **limits: int) -> Scene:
    """A BatchClient without a fleet."""
    return scene(OURS, *answers, **limits)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("FAILED", errors.JobFailed),
        ("SUBMITTED", errors.JobNotComplete),
        ("RUNNING", errors.JobNotComplete),
        *((status, errors.JobLost) for status in sorted(GIVEN_UP)),
        ("STRANGE", errors.JobStatusUnknown),
        (None, errors.JobStatusUnknown),
    ],
)
def test_each_end_has_its_error(status: str | None, kind: type[errors.BatchError]) -> None:
    """A caller can tell a job that failed from one that still runs."""
    with pytest.raises(kind):
        ours(described(status)).hook.check_job_success(JOB)


@pytest.mark.parametrize(("status", "words"), [("EXPIRED", "How it ended is not known"), ("LOST", "Check the id")])
def test_who_saw_a_job_is_not_told_to_check_its_id(status: str, words: str) -> None:
    """AWS has shown an EXPIRED job: id, account and Region were right."""
    with pytest.raises(errors.JobLost, match=rf"is {status}: .*\. {words}"):
        ours(described(status)).hook.check_job_success(JOB)


def test_other_failures_have_their_errors() -> None:
    """No description, too many checks."""
    with pytest.raises(errors.DescriptionFailed):
        ours({"jobs": []}).hook.get_job_description(JOB)
    with pytest.raises(errors.DescriptionFailed):
        ours(described("RUNNING")).hook.get_job_awslogs_info(JOB)
    with pytest.raises(errors.ChecksExceeded):
        ours(described("RUNNABLE"), max_retries=2).hook.poll_job_status(JOB, ["RUNNING"])


def test_a_status_that_cannot_come_any_more_ends_a_poll() -> None:
    """The hook would ask for a month."""
    it = ours(described("RUNNABLE"), described("SUCCEEDED"))

    with pytest.raises(errors.JobOver, match="is SUCCEEDED and will never be in"):
        it.hook.poll_job_status(JOB, ["RUNNING"])
    assert len(it.aws.asked) == 2


@pytest.mark.parametrize(
    "error",
    [
        *(refused(code) for code in sorted(THROTTLES)),
        refused("", 429),
        refused("InternalFailure", 500),
        refused("ServiceUnavailable", 503),
        EndpointConnectionError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
    ],
    ids=lambda error: str(error)[:60],
)
def test_what_passes_is_asked_again(error: Exception) -> None:
    """Every throttle by whatever code, and what the SDK's own retries, which are off, would have tried again."""
    it = ours(error, error, described("RUNNING"))

    assert it.hook.get_job_description(JOB)["status"] == "RUNNING"
    assert it.slept == [0.01, 0.02]
    assert sum("WARNING Ignored" in line for line in it.logged) == 2


@pytest.mark.parametrize("error", [refused("ClientException"), NoCredentialsError(), ValueError("no"), refused("X", 404)])
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    """Unchanged."""
    it = ours(error)

    with pytest.raises(type(error)) as raised:
        it.hook.get_job_description(JOB)
    assert raised.value is error
    assert len(it.aws.asked) == 1


def test_a_description_that_is_given_up_says_why() -> None:
    """The last failure is the cause."""
    with pytest.raises(errors.DescriptionFailed) as raised:
        ours(refused("ServiceUnavailable", 503)).hook.get_job_description(JOB)
    assert isinstance(raised.value.__cause__, ClientError)


def test_an_answer_with_null_for_jobs_is_an_answer_without_jobs() -> None:
    """It is asked again as any other."""
    assert ours({"jobs": None}, described("RUNNING")).hook.get_job_description(JOB)["status"] == "RUNNING"


def test_limits_that_allow_nothing_end_with_the_hooks_words() -> None:
    """They can be set on a client that is made."""
    it = ours(described("RUNNING"))
    it.hook.status_retries, it.hook.max_retries = 0, -1

    with pytest.raises(errors.DescriptionFailed, match=r"exceeded status_retries \(0\)"):
        it.hook.get_job_description(JOB)
    with pytest.raises(errors.ChecksExceeded):
        it.hook.poll_job_status(JOB, ["RUNNING"])
    assert it.aws.asked == []


@pytest.mark.timeout(5)
def test_a_limit_as_good_as_none_costs_nothing() -> None:
    """Whoever has the time bounded elsewhere does not wait for a sum of so many delays."""
    assert ours(described("RUNNING"), max_retries=sys.maxsize).hook.poll_job_status(JOB, ["RUNNING"]) is True


def test_an_error_of_a_client_that_is_not_botos_is_read_with_care() -> None:
    """Its answer may hold null where botocore's never does; what is no throttle is raised as it is."""

    class Odd(Exception):
        def __init__(self, response: dict[str, Any]) -> None:
            super().__init__("odd")
            self.response = response

    with pytest.raises(Odd):
        ours(Odd({"Error": None, "ResponseMetadata": None})).hook.get_job_description(JOB)
    metadata = {"HTTPStatusCode": None, "HTTPHeaders": None}
    throttle = Odd({"Error": {"Code": "SlowDown"}, "ResponseMetadata": metadata})
    assert ours(throttle, described("RUNNING")).hook.get_job_description(JOB)["status"] == "RUNNING"


def test_a_subclass_may_have_errors_of_its_own() -> None:
    """All errors go through one method."""

    class Theirs(Exception):
        pass

    class Client(BatchClient):
        @classmethod
        def _error(cls, kind: type[errors.BatchError], message: str) -> Exception:
            made: Exception = type(kind.__name__, (kind, Theirs), {})(message)
            return made

    client = Client(Scripted(described("FAILED")))
    with pytest.raises(Theirs, match="failed"):
        client.check_job_success(JOB)
    with pytest.raises(Theirs, match="response"):
        Client.parse_job_description(JOB, {})


def test_delays_can_be_set_for_a_class() -> None:
    """As with the hook's, the range of the random delay is the class's; a subclass has its own."""

    class Client(BatchClient):
        DEFAULT_DELAY_MIN = 0
        DEFAULT_DELAY_MAX = 0

    assert Client.delay() is None
    assert BatchClient.DEFAULT_DELAY_MAX == 10


def test_without_a_redis_there_is_no_fleet() -> None:
    """Then the client is the given one, and nothing stands in front of it."""
    aws = Scripted({})
    choices: tuple[FleetChoice, ...] = (None, False)
    for choice in choices:
        client = BatchClient(aws, fleet=choice)
        assert client.client is aws
        assert client._link.fleet is None
        assert not client._link.polls_for_us()


def test_a_fleet_is_found_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By variables or by the file of FLEETPOLL_CONFIG; False leaves it the buckets and takes it the polling."""
    config = tmp_path / "fleetpoll.toml"
    config.write_text('fleet = "from-the-file"\n')
    monkeypatch.setenv("FLEETPOLL_CONFIG", str(config))
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", "redis://localhost:1")
    choices: tuple[tuple[FleetChoice, bool], ...] = ((None, True), (False, False))
    for choice, subscribes in choices:
        with BatchClient(Scripted({}), fleet=choice) as client:
            assert client._link.fleet is not None
            assert client._link.fleet.settings.fleet == "from-the-file"
            assert (client._link.subscription is not None) is subscribes


@pytest.mark.parametrize("choice", ["redis://:secret@localhost:1", True, {"redis_url": "redis://localhost:1"}])
def test_what_is_no_fleet_is_refused(choice: Any) -> None:
    """Else it would be overlooked, and AWS polled without a token. A password in it is not repeated."""
    with pytest.raises(errors.SettingsError, match="give a Fleet, Settings") as raised:
        BatchClient(Scripted({}), fleet=choice)
    assert "secret" not in str(raised.value)


def test_a_metered_client_is_called_and_copied_as_the_one_behind_it() -> None:
    """boto3's takes the name of a waiter by place or by keyword."""
    with BatchClient(region_name="eu-west-1") as batch:
        client = MeteredClient(batch.client, Meter(None, batch.log))

        assert copy.copy(client).meta is client.meta
        with pytest.raises(ValueError, match="Waiter does not exist: JobExists"):
            client.get_waiter("JobExists")
        with pytest.raises(ValueError, match="Waiter does not exist: JobExists"):
            client.get_waiter(waiter_name="JobExists")


def test_a_metered_describe_is_not_repeated() -> None:
    """Who polls asks again anyway, after a pause of its own; whoever submits or terminates would not."""
    for operation, calls in ((DESCRIBE, 1), (SUBMIT, TRIES), (TERMINATE, TRIES)):
        aws, pauses = Scripted(THROTTLED), list[float]()
        meter = Meter(None, BatchClient.log, pauses.append)
        with pytest.raises(ClientError):
            meter.call(operation, aws.describe_jobs, jobs=[JOB])
        assert (len(aws.asked), len(pauses)) == (calls, calls - 1)


def test_settings_that_will_not_do_are_refused_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first poll, hours later."""
    monkeypatch.setenv("FLEETPOLL_RATE", "fast")
    with pytest.raises(errors.SettingsError, match="rate = 'fast'"):
        BatchClient()


def test_the_clients_own_aws_client_is_by_the_settings() -> None:
    """region_name goes before the settings' Region; one call is one HTTP request."""
    settings = Settings(
        redis_url="redis://localhost:1", region="eu-west-1", endpoint_url="http://localhost:1", read_timeout=7
    )
    for given, region in ((None, "eu-west-1"), ("us-west-2", "us-west-2")):
        with BatchClient(fleet=settings, region_name=given) as client:
            meta = client.client.meta  # type: ignore[attr-defined] # boto3's own
            assert (meta.region_name, meta.endpoint_url) == (region, "http://localhost:1")
            assert meta.config.retries["total_max_attempts"] == 1
            assert meta.config.read_timeout == 7
            assert meta.config.max_pool_connections >= 10  # else botocore warns when threads share it
            assert client._region() == region


def test_the_protocol_is_known_at_run_time() -> None:
    """boto3's client has it, and so has ours in front of it; anything else has not."""
    settings = Settings(redis_url="redis://localhost:1", region="eu-west-1")
    with BatchClient(fleet=False, region_name="eu-west-1") as plain, BatchClient(fleet=settings) as metered:
        assert isinstance(plain.client, BatchProtocol)
        assert isinstance(metered.client, BatchProtocol)
        assert isinstance(plain._own, BatchProtocol)
    assert not isinstance(object(), BatchProtocol)


def test_the_names_are_the_packages() -> None:
    """`from fleetpoll import BatchClient`."""
    assert fleetpoll.BatchClient is BatchClient
    assert fleetpoll.BatchError is errors.BatchError
    assert fleetpoll.BatchProtocol is BatchProtocol
    assert issubclass(fleetpoll.BatchWaiters, BatchClient)

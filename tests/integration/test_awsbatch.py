"""AWS Batch over real HTTP and real boto3: against the simulator, and against a server that answers badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.awsbatch.failures import DENIALS, THROTTLES, of_response, retry_after_s
from fleetpoll.errors import AccessDenied, AwsError, BadRequest, SettingsError, Throttled, Unreachable
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from tests.integration.bad_server import GOOD, UNKNOWN, Answer, BadServer, serving


@pytest.fixture
def bad() -> Iterator[BadServer]:
    """A server that answers as a test likes."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose jobs live for an hour."""
    with Simulator(SimulatorConfig(seed=11, life_min_s=3600, life_max_s=3600)) as running:
        yield running


def failure(call: Callable[[], object]) -> AwsError:
    """The error with which a call ends."""
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value


def test_known_jobs_are_described_and_unknown_ones_absent(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """One call asks for all ids with one HTTP request."""
    api, ids = api_at(simulator.url), simulator.populate(99)
    simulator.reset_stats()

    found = api.describe([UNKNOWN, *ids])

    assert set(found) == set(ids)
    assert {job.status for job in found.values()} == {JobStatus.SUBMITTED}
    assert simulator.stats()["operations"]["describe"]["calls"] == 1


def test_a_throttled_call_is_one_request(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """The SDK does not try again behind the bucket's back."""
    api = api_at(simulator.url)
    simulator.limit("describe", 0.001, 1)
    try:
        api.describe([UNKNOWN])
        simulator.reset_stats()
        error = failure(lambda: api.describe([UNKNOWN]))
        figures = simulator.stats()["operations"]["describe"]
    finally:
        simulator.limit("describe", 0)

    assert (type(error), error.code) == (Throttled, "TooManyRequestsException")
    assert (figures["calls"], figures["throttled"]) == (1, 1)


def test_jobs_are_submitted_listed_terminated_and_cancelled(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """The other operations are AWS's own, with our errors."""
    api = api_at(simulator.url)
    first, second = (api.submit_job(jobName=n, jobQueue="mine", jobDefinition="d")["jobId"] for n in "ab")
    listed = api.list_jobs(jobQueue="mine", jobStatus="SUBMITTED")["jobSummaryList"]
    api.terminate_job(first, "enough")
    api.cancel_job(second, "never mind")

    assert {job["jobId"] for job in listed} == {first, second}
    reasons = {job_id: job.status_reason for job_id, job in api.describe([first, second]).items()}
    assert reasons == {first: "enough", second: "never mind"}
    assert isinstance(failure(lambda: api.terminate_job(UNKNOWN, "r")), BadRequest)


def test_the_101st_id_is_a_bad_request(simulator: Simulator, api_at: Callable[..., BatchApi]) -> None:
    """What AWS refuses comes back in AWS's words."""
    error = failure(lambda: api_at(simulator.url).describe([UNKNOWN] * 101))

    assert (type(error), error.code) == (BadRequest, "ClientException")
    assert "Maximum number of jobs supported is" in str(error)


ANSWERS = [
    pytest.param(Answer(429, b'{"message":"m"}', {"x-amzn-ErrorType": "TooManyRequestsException"}), Throttled, id="429"),
    pytest.param(Answer(429, b""), Throttled, id="bare 429"),
    pytest.param(Answer(400, b'{"__type":"ThrottlingException"}'), Throttled, id="throttled by 400"),
    pytest.param(Answer(503, b'{"message":"m"}', {"x-amzn-ErrorType": "SlowDown"}), Throttled, id="throttled by 503"),
    pytest.param(Answer(500, b"{}"), Unreachable, id="500"),
    pytest.param(Answer(503, b"<html>503</html>"), Unreachable, id="503 page"),
    pytest.param(Answer(400, b'{"message":"m"}', {"x-amzn-ErrorType": "ClientException:"}), BadRequest, id="400"),
    pytest.param(Answer(400, b"<html>400</html>"), Unreachable, id="400 page"),
    pytest.param(Answer(404, b"<html>404</html>"), Unreachable, id="404 page"),
    pytest.param(Answer(307, b""), Unreachable, id="redirect"),
    pytest.param(Answer(403, b'{"message":"m"}', {"x-amzn-ErrorType": "AccessDeniedException"}), AccessDenied, id="403"),
    pytest.param(Answer(403, b"<html>403</html>"), AccessDenied, id="403 page"),
    pytest.param(Answer(400, b'{"__type":"ExpiredTokenException"}'), AccessDenied, id="expired token"),
    pytest.param(Answer(200, b""), Unreachable, id="empty"),
    pytest.param(Answer(200, b"{}"), Unreachable, id="no list"),
    pytest.param(Answer(200, b'{"jobs": null}'), Unreachable, id="null list"),
    pytest.param(Answer(200, b"<html>Sign in to the network</html>"), Unreachable, id="captive portal"),
    pytest.param(Answer(200, GOOD[:-9]), Unreachable, id="half a body"),
    pytest.param(Answer(200, GOOD[:-9], cut=True), Unreachable, id="cut connection"),
    pytest.param(Answer(200, GOOD, cut=True), Unreachable, id="less than promised"),
    pytest.param(Answer(204, b""), Unreachable, id="204"),
    pytest.param(Answer(reset=True), Unreachable, id="reset"),
    pytest.param(Answer(hang=True), Unreachable, id="silence"),
]


@pytest.mark.parametrize(("answer", "kind"), ANSWERS)
def test_a_bad_answer_is_one_request_and_one_of_our_errors(
    bad: BadServer, api_at: Callable[..., BatchApi], answer: Answer, kind: type[AwsError]
) -> None:
    """However a call fails it is never tried again by the SDK, and never looks like an answer without jobs."""
    bad.answer = answer
    api = api_at(bad.url, read_timeout=0.3 if answer.hang else 10.0)

    assert type(failure(lambda: api.describe([UNKNOWN]))) is kind
    assert bad.asked == [{"jobs": [UNKNOWN]}]


@pytest.mark.parametrize(
    ("code", "http", "kind"),
    [
        *((code, 400, Throttled) for code in sorted(THROTTLES)),
        *((code, 400, AccessDenied) for code in sorted(DENIALS)),
        ("", 429, Throttled),
        ("429", 429, Throttled),
        ("ClientException", 429, Throttled),
        ("Anything", 401, AccessDenied),
        ("403", 403, AccessDenied),
        ("ClientException", 400, BadRequest),
        ("ServerException", 500, Unreachable),
        ("InternalFailure", 502, Unreachable),
        ("", 503, Unreachable),
        ("UnknownOperationException", 404, Unreachable),
        ("400", 400, Unreachable),
        ("", 0, Unreachable),
    ],
)
def test_each_code_has_its_error(code: str, http: int, kind: type[AwsError]) -> None:
    """A code that says slow down or no entry does so with any HTTP status; only a 400 of AWS's own is our fault."""
    error = of_response({"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": http}})

    assert (type(error), error.code, str(error)) == (kind, code, f"{code}: words")


@pytest.mark.parametrize(
    ("headers", "hint_s"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "9"}, 1.5),
        ({"x-amz-retry-after": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
    ],
)
def test_the_hint_how_long_to_stay_away_is_read(headers: dict[str, str], hint_s: float) -> None:
    """Milliseconds in AWS's own header, seconds in HTTP's; what makes no sense is no hint."""
    assert retry_after_s(headers) == hint_s


def test_the_hint_comes_over_http(bad: BadServer, api_at: Callable[..., BatchApi]) -> None:
    """A throttle carries AWS's hint."""
    bad.answer = Answer(429, b"{}", {"Retry-After": "7"})
    error = failure(lambda: api_at(bad.url).describe([UNKNOWN]))

    assert isinstance(error, Throttled)
    assert error.retry_after_s == 7.0


def test_missing_credentials_are_access_denied(
    bad: BadServer, api_at: Callable[..., BatchApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials no request is sent, and the error says what is missing."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = failure(lambda: api_at(bad.url).describe([UNKNOWN]))

    assert (type(error), error.code, bad.asked) == (AccessDenied, "NoCredentialsError", [])


def test_a_missing_region_or_profile_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are settings, and the refusal says which to set."""
    with pytest.raises(SettingsError, match="AWS_PROFILE"):
        BatchApi(Settings(profile="nobody"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SettingsError, match="FLEETPOLL_REGION"):
        BatchApi(Settings())


def test_the_endpoint_of_the_environment_is_honoured(
    bad: BadServer, api_at: Callable[..., BatchApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_ENDPOINT_URL_BATCH leads where no endpoint is set; the setting wins over it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", bad.url)
    assert set(api_at(None).describe([UNKNOWN])) == {UNKNOWN}

    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", "http://127.0.0.1:9")
    assert set(api_at(bad.url, region="eu-west-1").describe([UNKNOWN])) == {UNKNOWN}

"""Calls that we write ourselves, beside those of botocore: the same on the wire, and the same when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import botocore.loaders
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.credentials import Credentials

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.errors import AccessDenied, AwsError
from fleetpoll.jobs import JobStatus
from tests.integration.bad_server import UNKNOWN, Answer, BadServer, serving

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "of nobody / with+signs="
IDS = [UNKNOWN, f"{UNKNOWN}:7", f"{UNKNOWN}#0"]
VARYING = {"authorization", "x-amz-date", "amz-sdk-invocation-id"}
Make = Callable[..., BatchApi]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadServer]:
    """A server that keeps what it hears, and credentials for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with serving() as server:
        yield server


def signature(server: BadServer, at: int, token: str | None = None) -> str:
    """How botocore signs the request that came, at the second that it names."""
    head, body = server.heads[at], server.bodies[at]
    names = head["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signer = SigV4Auth(Credentials(KEY, SECRET, token), "batch", "eu-west-1")
    request = AWSRequest("POST", f"{server.url}/v1/describejobs", {name: head[name] for name in names}, body)
    request.context["timestamp"] = head["x-amz-date"]
    words = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(words, request))


@pytest.mark.parametrize("token", [None, "a token/with+signs=="])
def test_both_ways_put_the_same_on_the_wire(
    aws: BadServer, api_at: Make, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """The first call is botocore's, the second is ours: same head, same body, a signature as botocore would make it."""
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    api = api_at(aws.url, region="eu-west-1")

    answers = [api.describe(IDS), api.describe(IDS)]

    assert answers[0] == answers[1]
    assert answers[0][UNKNOWN].status is JobStatus.RUNNING
    first, second = ({name: value for name, value in head.items() if name not in VARYING} for head in aws.heads)
    assert first == second
    assert set(aws.heads[0]) == set(aws.heads[1])
    assert aws.bodies[0] == aws.bodies[1]
    for at, head in enumerate(aws.heads):
        assert head["authorization"].rpartition("Signature=")[2] == signature(aws, at, token)
    assert aws.heads[0]["amz-sdk-invocation-id"] != aws.heads[1]["amz-sdk-invocation-id"]


def test_the_call_path_of_the_sdk_is_walked_once(aws: BadServer, api_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its first call a client is not asked again, as long as answers are good."""
    api, walked = api_at(aws.url, region="eu-west-1"), list[str]()
    walk = BaseClient._make_api_call

    def counted(self: BaseClient, operation: str, given: Any) -> Any:
        walked.append(operation)
        return walk(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    for _ in range(5):
        api.describe(IDS)

    assert (len(walked), len(aws.heads)) == (1, 5)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, b'{"message": "slow"}', {"x-amzn-errortype": "TooManyRequestsException", "Retry-After": "3"}),
        Answer(400, b'{"message": "no"}', {"x-amzn-errortype": "ClientException:http://somewhere"}),
        Answer(403, b'{"__type": "com.amazon#ExpiredTokenException", "message": "old"}'),
        Answer(503, b"<html>busy</html>", {"Content-Type": "text/html"}),
        Answer(302, b"", {"Location": "http://127.0.0.1:9/"}),
        Answer(200, b'{"jobs": [{"jobId"'),
        Answer(200, cut=True),
        Answer(reset=True),
    ],
    ids=lambda answer: f"{answer.status}{'-cut' * answer.cut}{'-reset' * answer.reset}",
)
def test_both_ways_fail_alike(aws: BadServer, api_at: Make, answer: Answer) -> None:
    """The same answer is the same error, with the same words, after one request, whoever wrote the request."""
    errors = []
    for good_first in (False, True):
        api = api_at(aws.url, region="eu-west-1")
        if good_first:
            api.describe(IDS)
        aws.answer, before = answer, len(aws.heads)
        with pytest.raises(AwsError) as caught:
            api.describe(IDS)
        aws.answer = Answer()
        errors.append((type(caught.value), str(caught.value), caught.value.code, caught.value.kind, len(aws.heads) - before))

    assert errors[0] == errors[1]
    assert errors[0][-1] == 1


def test_a_request_that_we_would_have_written_otherwise_leaves_all_calls_to_the_sdk(aws: BadServer, api_at: Make) -> None:
    """A header that nobody here knows may be another in the next call."""
    api = api_at(aws.url, region="eu-west-1")
    api._client.meta.events.register("request-created.batch", lambda request, **_: request.headers.add_header("X-New", "1"))

    assert len([api.describe(IDS) for _ in range(3)]) == len(aws.heads) == 3
    assert all(head["x-new"] == "1" for head in aws.heads)
    assert api._direct.pattern is None


def test_an_sdk_that_does_not_show_its_signer_makes_all_calls_itself(aws: BadServer, api_at: Make) -> None:
    """What is not there costs CPU, and nothing else."""
    api = api_at(aws.url, region="eu-west-1")
    api._client.meta.events.unregister("before-sign.batch.DescribeJobs", api._direct.meet)

    assert len([api.describe(IDS) for _ in range(3)]) == len(aws.heads) == 3
    assert api._direct.pattern is None


@pytest.mark.parametrize(("before", "after"), [(None, "with a token"), ("with a token", None), ("one", "another")])
def test_renewed_credentials_sign_the_next_call(
    aws: BadServer, api_at: Make, monkeypatch: pytest.MonkeyPatch, before: str | None, after: str | None
) -> None:
    """The credentials are asked for anew for each call, as botocore asks; a token that they have is signed, too."""
    if before:
        monkeypatch.setenv("AWS_SESSION_TOKEN", before)
    api = api_at(aws.url, region="eu-west-1")
    api.describe(IDS)
    api._client._request_signer._credentials = Credentials("ASIANEWNEWNEWNEWNEW0", SECRET, after)

    api.describe(IDS)

    head = aws.heads[1]
    assert "Credential=ASIANEWNEWNEWNEWNEW0/" in head["authorization"]
    assert head.get("x-amz-security-token") == after
    assert ("x-amz-security-token" in head["authorization"]) is bool(after)
    assert head["authorization"].rpartition("Signature=")[2] == signature(aws, 1, after)


def test_a_client_without_credentials_any_more_is_denied(aws: BadServer, api_at: Make) -> None:
    """As botocore says it; nothing is sent."""
    api = api_at(aws.url, region="eu-west-1")
    api.describe(IDS)
    api._client._request_signer._credentials = None

    with pytest.raises(AccessDenied) as caught:
        api.describe(IDS)

    assert (caught.value.code, len(aws.heads)) == ("NoCredentialsError", 1)


def test_clients_share_what_they_are_made_of(api_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models of AWS are read for the first client of a process, and for no other."""
    api_at("http://127.0.0.1:9", region="eu-west-1")
    read = list[str]()
    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", lambda _, path: read.append(path))

    api_at("http://127.0.0.1:9", region="us-east-1")

    assert read == []

"""Answers that are not AWS Batch's own: a proxy's page, somebody else's error, a failure of STS. None is a job's fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.errors import AccessDenied, SettingsError, Unreachable
from fleetpoll.settings import Settings
from tests.integration.bad_server import UNKNOWN, Answer, BadServer, serving

FOREIGN = [
    Answer(403, b"Acc\xe8s refus\xe9"),
    Answer(502, b"\xff\xfe"),
    Answer(503, b"[]"),
    Answer(503, b"null"),
    Answer(503, b"503"),
    Answer(503, b'"bad gateway"'),
    Answer(400, b'{"__type": 5}'),
    Answer(400, b'{"code": "INVALID_HOST", "message": "no such host"}'),
    Answer(404, b'{"message": "Not Found"}'),
    Answer(418, b""),
]
STS_REFUSAL = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>InvalidIdentityToken</Code><Message>Couldn't retrieve verification key</Message></Error></ErrorResponse>"""


@pytest.fixture
def bad() -> Iterator[BadServer]:
    """A server that answers as a test likes."""
    with serving() as server:
        yield server


@pytest.mark.parametrize("answer", FOREIGN, ids=lambda answer: f"{answer.status} {answer.body[:12]!r}")
def test_an_answer_of_somebody_else_is_none(bad: BadServer, answer: Answer) -> None:
    """Whatever a proxy says, the call has failed: no job is blamed for it, and no other error escapes."""
    bad.answer = answer

    with pytest.raises((Unreachable, AccessDenied)):
        BatchApi(Settings(endpoint_url=bad.url)).describe([UNKNOWN])


def test_credentials_that_sts_does_not_give_are_access_denied(
    bad: BadServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A 400 of STS says nothing about the jobs of a call that was never made."""
    (tmp_path / "token").write_text("token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/poller")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", bad.url)
    bad.answer = Answer(400, STS_REFUSAL, {"Content-Type": "text/xml"})

    with pytest.raises(AccessDenied, match="credentials cannot be had"):
        BatchApi(Settings(endpoint_url=bad.url)).describe([UNKNOWN])


@pytest.mark.parametrize("wrong", [{"endpoint_url": "localhost:8642"}, {"region": "eu west"}])
def test_an_endpoint_or_a_region_that_is_none_is_refused_at_the_start(wrong: dict[str, str]) -> None:
    """A typo is a wrong setting, and no reason to try again."""
    with pytest.raises(SettingsError, match="The settings of AWS will not do"):
        BatchApi(Settings(**wrong))  # type: ignore[arg-type] # one of several names

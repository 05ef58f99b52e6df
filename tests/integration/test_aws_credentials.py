"""Credentials that expire, are missing, or are not allowed: found again when they return, without a restart."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.awsbatch.words import advice
from fleetpoll.errors import AccessDenied, Unreachable
from fleetpoll.settings import Settings
from tests.integration.bad_server import UNKNOWN, Answer, BadServer, serving

OLD, NEW = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW2"
EXPIRED = Answer(
    403,
    b'{"message":"The security token included in the request is expired"}',
    {"x-amzn-ErrorType": "ExpiredTokenException"},
)


class Guarded(BadServer):
    """A server that knows one access key, and tells who holds another that it has expired."""

    known = NEW

    def answer_to(self, authorization: str) -> Answer:
        """A good answer to who is known."""
        return Answer() if f"Credential={self.known}/" in authorization else EXPIRED


@pytest.fixture
def aws() -> Iterator[BadServer]:
    """A server that tells old credentials from new ones."""
    with serving(Guarded()) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the credentials are to be: a file, and nowhere else."""
    place = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(place))
    return place


def write(file: Path, key_id: str, profile: str = "default") -> None:
    """Put credentials into the file, as a rotation does."""
    file.write_text(f"[{profile}]\naws_access_key_id = {key_id}\naws_secret_access_key = secret\n")


def denial(call: Callable[[], object]) -> AccessDenied:
    """The denial with which a call ends."""
    with pytest.raises(AccessDenied) as caught:
        call()
    return caught.value


def test_rotated_credentials_are_found_after_a_denial(aws: BadServer, file: Path) -> None:
    """The SDK keeps a file's credentials for ever; a denial makes us read it again, each time with one request."""
    write(file, OLD)
    api = BatchApi(Settings(endpoint_url=aws.url))
    for _ in range(2):
        assert denial(lambda: api.describe([UNKNOWN])).code == "ExpiredTokenException"
    write(file, NEW)

    assert set(api.describe([UNKNOWN])) == {UNKNOWN}
    assert len(aws.asked) == 3


def test_credentials_that_appear_are_found(aws: BadServer, file: Path) -> None:
    """Without any no request is sent; with the file there, the next call is made."""
    api = BatchApi(Settings(endpoint_url=aws.url))
    error = denial(lambda: api.describe([UNKNOWN]))
    write(file, NEW)

    assert set(api.describe([UNKNOWN])) == {UNKNOWN}
    assert (error.code, len(aws.asked)) == ("NoCredentialsError", 1)
    assert "Give the workers credentials" in advice(error.kind, error.code, str(error))


def test_a_profile_that_is_being_rewritten_is_a_denial(aws: BadServer, file: Path) -> None:
    """A file that is empty for a moment ends no worker: its next call looks again."""
    write(file, OLD, "mine")
    api = BatchApi(Settings(endpoint_url=aws.url, profile="mine"))
    denial(lambda: api.describe([UNKNOWN]))
    file.write_text("")

    assert denial(lambda: api.describe([UNKNOWN])).code == "SettingsError"
    write(file, NEW, "mine")
    assert set(api.describe([UNKNOWN])) == {UNKNOWN}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidSignatureException", "Signature expired: 20261125T120000Z is now earlier than 20261125T121000Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ],
)
def test_a_clock_that_is_wrong_is_said_so(aws: BadServer, code: str, words: str) -> None:
    """It is refused like bad credentials, and no new credentials would help."""
    with serving() as server:
        server.answer = Answer(403, json.dumps({"message": words}).encode(), {"x-amzn-ErrorType": code})
        error = denial(lambda: BatchApi(Settings(endpoint_url=server.url)).describe([UNKNOWN]))

    assert "Set the clock" in advice(error.kind, error.code, str(error))


def test_the_signature_that_aws_explains_is_not_repeated(aws: BadServer) -> None:
    """AWS answers a wrong signature with all that was signed, the session token included: none of it is said again."""
    token = "IQoJb3JpZ2luX2VjEJr" * 20
    explained = f"The Canonical String should have been 'POST\\n/v1/describejobs\\n\\nx-amz-security-token:{token}\\n'"
    with serving() as server:
        server.answer = Answer(
            403, json.dumps({"message": explained}).encode(), {"x-amzn-ErrorType": "SignatureDoesNotMatch"}
        )
        error = denial(lambda: BatchApi(Settings(endpoint_url=server.url)).describe([UNKNOWN]))

    assert "Canonical String" in str(error)
    assert token[:20] not in str(error)


def test_a_silent_sts_holds_a_call_no_longer_than_a_silent_aws(
    aws: BadServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that is assumed in the midst of a call has the call's patience and one request, not the SDK's five minutes."""
    token = file.with_name("token")
    token.write_text("a token of a service account")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/poller")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        api = BatchApi(Settings(endpoint_url=aws.url, connect_timeout=0.3, read_timeout=0.3))
        start = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            api.describe([UNKNOWN])
        took_s = time.monotonic() - start
        api._client.close()

    assert caught.value.kind == "timeout"
    assert took_s < 5.0
    assert aws.asked == []

"""Roles of other accounts: assumed, kept, assumed again, and missed without harm."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpoll.awsbatch.api import BatchApi, open_session
from fleetpoll.awsbatch.roles import session_name
from fleetpoll.awsbatch.whose import place_of
from fleetpoll.awsbatch.words import advice
from fleetpoll.errors import AccessDenied, AwsError, SettingsError, Unreachable
from fleetpoll.settings import Settings
from tests.integration.bad_server import UNKNOWN, Answer, serving
from tests.integration.sts_server import Aws, Sts, refusal

ROLE = "arn:aws:iam::111122223333:role/fleetpoll"
MINUTE_S = 60.0

ApiAt = Callable[..., BatchApi]


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    """An STS, to which all SDKs of this process are sent."""
    with serving(Sts()) as server:
        assert isinstance(server, Sts)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield server


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An AWS Batch that knows who signs."""
    with serving(Aws()) as server:
        assert isinstance(server, Aws)
        yield server


@pytest.fixture
def api(aws: Aws, sts: Sts, api_at: ApiAt) -> BatchApi:
    """The calls of a fleet that has a role."""
    return api_at(aws.url, role_arn=ROLE)


def failure(api: BatchApi) -> AwsError:
    """What a call ends with."""
    with pytest.raises(AwsError) as caught:
        api.describe([UNKNOWN])
    return caught.value


def test_calls_are_made_as_the_role(aws: Aws, sts: Sts, api_at: ApiAt) -> None:
    """STS is asked once, by the credentials that there are, with all that the role wants to hear."""
    api = api_at(aws.url, role_arn=ROLE, external_id="xid:1", fleet="prod/eu+1")
    for _ in range(3):
        assert set(api.describe([UNKNOWN])) == {UNKNOWN}

    asked = sts.request()
    assert (sts.signers, sts.given) == (["simulated"], 1)
    assert (asked["RoleArn"], asked["RoleSessionName"], asked["ExternalId"]) == (ROLE, "fleetpoll-prod-eu+1", "xid:1")
    assert aws.signers == ["ASIAROLE1"] * 3


def test_a_profile_is_the_source_of_the_credentials(
    aws: Aws, sts: Sts, api_at: ApiAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both, the profile's key asks for the role; without an external id none is sent."""
    file = tmp_path / "credentials"
    file.write_text("[mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    sts.known = {"AKIAMINE"}

    api_at(aws.url, role_arn=ROLE, profile="mine").describe([UNKNOWN])

    assert sts.signers == ["AKIAMINE"]
    assert "ExternalId" not in sts.request()


def test_credentials_are_renewed_before_they_expire(aws: Aws, sts: Sts, api: BatchApi) -> None:
    """In their last ten minutes each call asks for new ones, by one request; with an hour to live none does."""
    sts.lasts_s = 9 * MINUTE_S
    for _ in range(3):
        api.describe([UNKNOWN])
    sts.lasts_s = 60 * MINUTE_S
    for _ in range(3):
        api.describe([UNKNOWN])

    assert (sts.given, aws.signers[-3:]) == (4, ["ASIAROLE4"] * 3)


def test_an_sts_that_is_away_costs_nothing_while_there_is_time(aws: Aws, sts: Sts, api: BatchApi) -> None:
    """Twelve minutes before their end new credentials are wanted, but those at hand will do; not each call asks for them."""
    sts.lasts_s = 12 * MINUTE_S
    api.describe([UNKNOWN])
    sts.failing = refusal("ServiceUnavailable", "later", 503)

    for _ in range(3):
        assert set(api.describe([UNKNOWN])) == {UNKNOWN}

    assert aws.signers == ["ASIAROLE1"] * 4
    assert len(sts.asked) == 2


def test_a_role_that_was_revoked_is_assumed_anew(aws: Aws, sts: Sts, api: BatchApi) -> None:
    """A denial is told; the call after it is made with new credentials, without a restart."""
    api.describe([UNKNOWN])
    aws.revoked = {"ASIAROLE1"}

    assert isinstance(failure(api), AccessDenied)
    assert set(api.describe([UNKNOWN])) == {UNKNOWN}
    assert aws.signers == ["ASIAROLE1", "ASIAROLE1", "ASIAROLE2"]


def test_rotated_credentials_assume_the_role_again(
    aws: Aws, sts: Sts, api_at: ApiAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that ask are read from their file at each refresh, so a rotation is found even without a denial."""
    file = tmp_path / "credentials"
    line = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    file.write_text(line.format("AKIAOLD"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    sts.known, sts.lasts_s = {"AKIAOLD"}, 9 * MINUTE_S
    api = api_at(aws.url, role_arn=ROLE)
    api.describe([UNKNOWN])

    file.write_text(line.format("AKIANEW"))
    sts.known = {"AKIANEW"}

    api.describe([UNKNOWN])
    assert sts.signers == ["AKIAOLD", "AKIANEW"]


@pytest.mark.parametrize(
    ("said", "kind", "code", "what"),
    [
        (refusal("AccessDenied", "not authorized to perform: sts:AssumeRole"), "denied", "AccessDenied", "external_id"),
        (refusal("ExpiredToken", "The security token is expired"), "denied", "ExpiredToken", "Renew the credentials"),
        (refusal("InvalidClientTokenId", "invalid"), "denied", "InvalidClientTokenId", "AWS does not know"),
        (refusal("Throttling", "Rate exceeded", 400), "server", "Throttling", "AWS_ENDPOINT_URL_STS"),
        (refusal("InternalFailure", "oops", 500), "server", "InternalFailure", "AWS_ENDPOINT_URL_STS"),
        (Answer(200, b"<html>welcome</html>"), None, None, "AWS_ENDPOINT_URL_STS"),
        (Answer(reset=True), "connection", None, "AWS_ENDPOINT_URL_STS"),
    ],
    ids=lambda said: said if isinstance(said, str) else None,
)
def test_a_role_that_cannot_be_had_is_a_failure_with_advice(
    aws: Aws, sts: Sts, api: BatchApi, said: Answer, kind: str | None, code: str | None, what: str
) -> None:
    """Nothing is asked of AWS Batch, STS is asked once a call, and when it gives the role again the next call is made."""
    sts.failing = said

    error = failure(api)

    assert kind in (None, error.kind)
    assert code in (None, error.code)
    assert what in advice(error.kind, error.code, str(error))
    assert (len(sts.asked), aws.asked) == (1, [])
    sts.failing = None
    assert set(api.describe([UNKNOWN])) == {UNKNOWN}


def test_credentials_that_are_over_when_they_come_are_a_clock_that_is_wrong(aws: Aws, sts: Sts, api: BatchApi) -> None:
    """AWS would refuse them: it is said at once, with what to do."""
    sts.lasts_s = -MINUTE_S

    error = failure(api)

    assert "Set the clock" in advice(error.kind, error.code, str(error))
    assert aws.asked == []


def test_without_credentials_nobody_is_asked(aws: Aws, sts: Sts, api: BatchApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to assume the role; when there is, the next call is made."""
    key = {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}
    for name in key:
        monkeypatch.delenv(name)

    assert failure(api).code == "NoCredentialsError"
    for name, value in key.items():
        monkeypatch.setenv(name, value)
    assert set(api.describe([UNKNOWN])) == {UNKNOWN}
    assert len(sts.asked) == 1


def test_a_silent_sts_holds_a_call_no_longer_than_a_silent_aws(
    aws: Aws, api_at: ApiAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the call's patience and one request, not the SDK's five minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        api = api_at(aws.url, role_arn=ROLE, connect_timeout=0.3, read_timeout=0.3)
        start = time.monotonic()
        error = failure(api)
        took_s = time.monotonic() - start

    assert (type(error), error.kind) == (Unreachable, "timeout")
    assert "AWS_ENDPOINT_URL_STS" in advice(error.kind, error.code, str(error))
    assert took_s < 5.0
    assert aws.asked == []


def test_two_fleets_of_one_process_have_each_its_role(aws: Aws, sts: Sts, api_at: ApiAt) -> None:
    """The key of one is not that of the other."""
    for role in ("one", "two"):
        api_at(aws.url, role_arn=f"{ROLE}/{role}").describe([UNKNOWN])

    assert [sts.request(at)["RoleArn"] for at in range(2)] == [f"{ROLE}/one", f"{ROLE}/two"]
    assert aws.signers == ["ASIAROLE1", "ASIAROLE2"]


@pytest.mark.parametrize("more", [{}, {"role_arn": ROLE}])
def test_the_sts_of_the_region_is_asked(more: dict[str, Any]) -> None:
    """Not the global one, which is far from most workers and in one Region."""
    client = open_session(Settings(region="eu-west-1", **more)).client("sts")

    assert client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


def test_sts_says_whose_credentials_they_are(aws: Aws, sts: Sts) -> None:
    """By one request; a role's own ARN says it without."""
    sts.account = "444455556666"

    assert place_of(Settings(endpoint_url=aws.url)) == ("444455556666", "us-east-1")
    assert place_of(Settings(endpoint_url=aws.url, role_arn=ROLE, region="eu-west-1")) == ("111122223333", "eu-west-1")
    assert len(sts.asked) == 1


def test_aws_is_not_asked_who_calls_a_pretend_aws(aws: Aws) -> None:
    """The real STS hears nothing of trials."""
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL_STS"):
        place_of(Settings(endpoint_url=aws.url))


@pytest.mark.parametrize(("fleet", "name"), [("prod", "fleetpoll-prod"), ("a/b c", "fleetpoll-a-b-c"), ("x" * 64, None)])
def test_a_session_is_named_after_the_fleet(fleet: str, name: str | None) -> None:
    """CloudTrail in the role's account tells which fleet called; the name is one that STS takes."""
    assert session_name(fleet) == name or len(session_name(fleet)) == 64

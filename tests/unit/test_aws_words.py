"""What is said of AWS's failures: no secrets, one line, and what to do."""

from __future__ import annotations

import pytest

from fleetpoll.awsbatch.words import WORDS_MAX, advice, tidy
from fleetpoll.text import MARK

TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQDx" * 6
KEY_ID, SIGNATURE = "ASIAIOSFODNN7EXAMPLE", "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"


@pytest.mark.parametrize(
    "words",
    [
        f"The Canonical String should have been\n'POST\n/v1/describejobs\n\nx-amz-security-token:{TOKEN}\n\nhost'",
        f"Authorization=AWS4-HMAC-SHA256 Credential={KEY_ID}/20261125/us-east-1/batch/aws4_request, Signature={SIGNATURE}",
        f"Credential '{KEY_ID}' is not known",
        f'{{"SessionToken": "{TOKEN}", "SecretAccessKey": "{SIGNATURE[:40]}"}}',
        f"Failed to connect to proxy URL: http://me:{SIGNATURE}@proxy:3128/ at all",
        f"token {TOKEN}",
    ],
)
def test_no_secret_is_repeated(words: str) -> None:
    """Neither session tokens nor access key ids, signatures, or passwords in URLs are said again."""
    said = tidy(words)

    assert MARK in said
    assert not any(secret in said for secret in (TOKEN[:30], KEY_ID, SIGNATURE[:40]))


@pytest.mark.parametrize(
    "words",
    [
        "User: arn:aws:sts::123456789012:assumed-role/poller/i-0123456789abcdef0 is not authorized: batch:DescribeJobs",
        "Signature expired: 20261125T120000Z is now earlier than 20261125T121000Z (20261125T121500Z - 5 min.)",
        'Could not connect to the endpoint URL: "https://batch.us-east-1.amazonaws.com/v1/describejobs"',
    ],
)
def test_what_helps_is_said_in_full(words: str) -> None:
    """Who is not authorized to do what, when and where, is no secret."""
    assert tidy(words) == words


def test_words_are_one_line_of_bounded_length() -> None:
    """A page or a terminal's commands do not get into a log as they came."""
    said = tidy("a\r\n\x1b[31mb\t" + "word " * 1000)

    assert said.startswith("a [31mb word")
    assert len(said) == WORDS_MAX
    assert said.endswith("…")


@pytest.mark.parametrize(
    ("kind", "code", "words", "said"),
    [
        ("denied", "ExpiredTokenException", "", "Renew the credentials"),
        ("denied", "AccessDeniedException", "", "Allow batch:DescribeJobs"),
        ("denied", "NoCredentialsError", "", "Give the workers credentials"),
        ("denied", "UnrecognizedClientException", "", "check the access key"),
        ("denied", "InvalidSignatureException", "Signature expired: 1 is now earlier than 2", "Set the clock"),
        ("denied", "InvalidSignatureException", "Signature not yet current: 1 is still later than 2", "Set the clock"),
        ("denied", "RequestTimeTooSkewed", "", "Set the clock"),
        ("denied", "InvalidSignatureException", "The signature we calculated does not match", "Check the credentials"),
        ("timeout", "ReadTimeoutError", "", "read_timeout"),
        ("connection", "", "", "endpoint_url"),
        ("dns", "", "", "DNS"),
        ("server", "ServerException", "", "Health Dashboard"),
        ("body", "BadBody", "", "proxies"),
        ("refused", "ClientException", "", "REJECTED"),
    ],
)
def test_each_trouble_comes_with_what_to_do(kind: str, code: str, words: str, said: str) -> None:
    """The advice names the thing to look at."""
    assert said in advice(kind, code, words)


def test_there_is_no_advice_where_nothing_is_to_be_done() -> None:
    """A throttle is the bucket's affair."""
    assert advice("throttled", "TooManyRequestsException", "") == ""

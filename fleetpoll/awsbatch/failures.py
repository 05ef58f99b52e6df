"""What can go wrong with a call, as one of our four errors, each with a word to count it by.

Throttle codes are matched by their text: the Batch model does not define them, so botocore has no classes for them.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from fleetpoll.awsbatch.parse import NAME_MAX
from fleetpoll.awsbatch.words import tidy
from fleetpoll.errors import AccessDenied, AwsError, BadRequest, FleetpollError, Throttled, Unreachable
from fleetpoll.text import bounded

THROTTLES = frozenset(
    {
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "SlowDown",
    }
)
DENIALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
REFUSALS = frozenset({"ClientException", "ValidationException", "SerializationException", "InvalidParameterException"})
OPERATIONS = frozenset({"DescribeJobs", "SubmitJob", "TerminateJob", "CancelJob", "ListJobs"})
CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    NoAuthTokenError,
    SSOError,
)
HTTP_BAD_REQUEST, HTTP_TOO_MANY = 400, 429
HTTP_DENIED = (401, 403)
HTTP_SERVER = 500  # from here on, it is the server that failed
DEEP = 10
"""How many causes down an error is looked into; they could form a ring."""
RETRY_AFTER_MAX_S = 60.0
"""The longest hint that is believed: one odd header must not stop a fleet for a day."""


@contextmanager
def named(who: str = "AWS Batch") -> Iterator[None]:
    """Turn botocore's errors into ours, `who` being whoever was asked."""
    try:
        yield
    except FleetpollError:
        raise
    except ClientError as error:
        if error.operation_name not in OPERATIONS:  # STS or SSO, asked on our behalf
            words, code = tidy(f"AWS credentials cannot be had: {error}"), error_code(error.response)
            raise (Unreachable(words, code, "server") if passes(error) else AccessDenied(words, code)) from error
        raise of_response(error.response) from error
    except CREDENTIALS as error:
        raise AccessDenied(tidy(f"AWS credentials cannot be had: {error}"), type(error).__name__) from error
    except BotoCoreError as error:
        kind, why = cause_of(error)
        raise Unreachable(tidy(f"{who} gave no answer: {error}{why}"), type(error).__name__, kind) from error
    except Exception as error:  # what botocore's parsers make of a proxy's page has no common root
        words = tidy(f"{who}'s answer could not be read: {error!r}")
        raise Unreachable(words, type(error).__name__, "body") from error


def cause_of(error: BotoCoreError) -> tuple[str, str]:
    """Why no answer came: the word for it, and in brackets the words of the system, where it has any."""
    below: BaseException | None = error.kwargs.get("error") if isinstance(error.kwargs.get("error"), Exception) else None
    deepest: OSError | None = None
    for _ in range(DEEP):
        if isinstance(below, OSError):
            deepest = below
        below = below and (below.__cause__ or below.__context__)
    why = f" ({deepest.strerror})" if deepest is not None and deepest.strerror else ""
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return "timeout", why
    if isinstance(deepest, socket.gaierror):
        return "dns", why
    return ("connection" if isinstance(error, NoConnection | HTTPClientError) else "other"), why


def error_code(response: Mapping[str, Any]) -> str:
    """AWS's error code, '' where there is none."""
    return bounded(str(part(response, "Error").get("Code") or ""), NAME_MAX)


def part(response: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside an answer, empty where it is absent or null: not every answer is botocore's."""
    found = response.get(name)
    return found if isinstance(found, Mapping) else {}


def http_status(response: Mapping[str, Any]) -> int:
    """The answer's HTTP status, 0 where it does not tell."""
    return int(part(response, "ResponseMetadata").get("HTTPStatusCode") or 0)


def of_response(response: Mapping[str, Any]) -> AwsError:
    """The error that an answer of AWS's stands for."""
    code = error_code(response)
    http = http_status(response)
    text = tidy(f"{code}: {part(response, 'Error').get('Message') or 'no message'}")
    if code in THROTTLES or http == HTTP_TOO_MANY:
        return Throttled(text, code, retry_after_s(part(part(response, "ResponseMetadata"), "HTTPHeaders")))
    if code in DENIALS or http in HTTP_DENIED:
        return AccessDenied(text, code)
    if http == HTTP_BAD_REQUEST and code in REFUSALS:
        return BadRequest(text, code)
    # A 5xx; or a redirect, a 404, a 400 with a code of somebody else's: not the words of AWS Batch.
    return Unreachable(text, code, "server" if http >= HTTP_SERVER else "body")


def retry_after_s(headers: Mapping[str, str]) -> float:
    """AWS's hint how long to stay away, in seconds; 0.0 when there is none that makes sense."""
    for header, unit_s in (("x-amz-retry-after", 1e-3), ("retry-after", 1.0)):
        try:
            hint = float(headers.get(header, "")) * unit_s
        except ValueError:
            continue
        if 0 < hint < math.inf:
            return min(hint, RETRY_AFTER_MAX_S)
    return 0.0


def throttle_of(error: BaseException) -> Throttled | None:
    """The throttle that an SDK's error stands for, told by its `response` alone; None if it is anything else."""
    response = getattr(error, "response", None)
    found = of_response(response) if isinstance(response, Mapping) else None
    return found if isinstance(found, Throttled) else None


def denies(error: BaseException) -> bool:
    """Whether an SDK's error says that the caller may not make this call."""
    response = getattr(error, "response", None)
    return isinstance(response, Mapping) and isinstance(of_response(response), AccessDenied)


def passes(error: BaseException) -> bool:
    """Whether the next call may well succeed after this error of an SDK's: a throttle, a 5xx, or no answer at all.

    It is what the SDK's own retries would try again.
    """
    if isinstance(error, NoConnection | HTTPClientError):
        return True
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return False
    return throttle_of(error) is not None or http_status(response) >= HTTP_SERVER

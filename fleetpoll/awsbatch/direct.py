"""DescribeJobs without the SDK's way to a request, which is the same for each call, and costs more CPU than all of the rest.

The first call of a client is botocore's own, and what botocore puts on the wire is the pattern of those that follow. It is
believed only if we, for the same ids, would have had botocore sign the very same request. Where that is not so, whatever a
release of botocore or a setting has changed, all calls are botocore's. Signatures, credentials and their renewal,
connections, proxies and certificates are botocore's in any case.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleetpoll.awsbatch.bounded import in_hand

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from fleetpoll.awsbatch.bounded import Bounded

OPERATION = "DescribeJobs"
AUTHORIZATION = re.compile(
    r"(?P<signs>AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\S+, SignedHeaders=(?P<signed>[^,]+)), Signature=\w+"
)
SIGNED_BY, DATE, TOKEN, INVOCATION = "authorization", "x-amz-date", "x-amz-security-token", "amz-sdk-invocation-id"
STANDING = frozenset({"content-type", "user-agent", "amz-sdk-request"})
"""Headers that are the same in each call of a client. One that we do not know may be another in the next."""


def body_of(ids: Sequence[str]) -> bytes:
    """What is asked for these jobs."""
    return json.dumps({"jobs": list(ids)}).encode()


@dataclass(frozen=True, slots=True)
class Pattern:
    """What all requests of a client have in common."""

    url: str
    signed: Mapping[str, str]
    unsigned: Mapping[str, str]  # these come when the request is signed
    invoked: bool  # whether each request has an id of its own

    def request(self, signer: Any, ids: Sequence[str], invocation: str, **signing: Any) -> AWSPreparedRequest:
        """A request that botocore's `signer` has signed, by its own credentials or those in `signing`."""
        request = AWSRequest("POST", self.url, self.signed, body_of(ids), stream_output=True)
        request.context["signing"] = signing
        signer.sign(OPERATION, request)
        for name, value in self.unsigned.items():
            request.headers[name] = value
        if self.invoked:
            request.headers[INVOCATION] = invocation
        return request.prepare()


def pattern_of(request: Any, signer: Any) -> Pattern | None:
    """The pattern of a request of botocore's; None if we would have made another one.

    The signer's own credentials are not asked for: those that are about to expire would be renewed once more.
    """
    theirs = headers_of(request)
    authorization = AUTHORIZATION.fullmatch(theirs[SIGNED_BY])
    if authorization is None:
        return None
    signed = authorization["signed"].split(";")
    standing = {name: text_of(value) for name, value in request.headers.items() if name.lower() in STANDING}
    pattern = Pattern(
        url=request.url,
        signed={name: value for name, value in standing.items() if name.lower() in signed},
        unsigned={name: value for name, value in standing.items() if name.lower() not in signed},
        invoked=INVOCATION in theirs,
    )
    caller = Credentials(authorization["key"], "a secret is not seen", theirs.get(TOKEN))
    ids = json.loads(request.body)["jobs"]
    ours = pattern.request(signer, ids, theirs.get(INVOCATION, ""), request_credentials=caller)
    return pattern if telling(ours) == telling(request) else None


def telling(request: Any) -> tuple[Any, ...]:
    """All of a request but the second at which it was signed, and so its signature."""
    headers = headers_of(request)
    del headers[DATE]
    headers[SIGNED_BY] = headers[SIGNED_BY].rpartition(", Signature=")[0]
    return request.method, request.url, request.body, headers


def headers_of(request: Any) -> dict[str, str]:
    """The headers by names in lower case."""
    return {name.lower(): text_of(value) for name, value in request.headers.items()}


def text_of(value: str | bytes) -> str:
    """A header's value: botocore has some as bytes."""
    return value.decode() if isinstance(value, bytes) else value


class Direct:
    """Asks as the client would, once it has seen the client ask. Given to the client as a handler of `before-send`."""

    def __init__(self, bounded: Bounded) -> None:
        self._bounded, self._signer = bounded, None
        self.pattern: Pattern | None = None

    def meet(self, request_signer: Any, **_: Any) -> None:
        """See who signs what the client sends, by credentials that are renewed thereby; a handler of `before-sign`."""
        self._signer = request_signer

    def __call__(self, request: Any, **_: Any) -> None:
        """See what the client sends."""
        if in_hand.get() is not None:  # it sends nothing
            return
        try:
            self.pattern = pattern_of(request, self._signer)
        except (AttributeError, KeyError, TypeError, ValueError):  # no botocore that we know
            self.pattern = None

    def ask(self, ids: Sequence[str]) -> AWSResponse | None:
        """AWS's answer, good or bad; None if the call is for botocore to make. Raises what a client's session raises."""
        if self.pattern is None:
            return None
        return self._bounded(self.pattern.request(self._signer, ids, str(uuid.uuid4())))

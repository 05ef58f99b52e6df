"""DescribeJobs without the SDK's way to a request, which is the same for each call, and costs more CPU than all of the rest.

The first call of a client is botocore's own, and what botocore puts on the wire is the pattern of those that follow. It is
believed only if we, for the same ids at the same second with the same credentials, would have written the very same request,
to the last letter of its signature. Where that is not so, whatever a release of botocore or a setting has changed, all calls
are botocore's. Credentials and their renewal, connections, proxies and certificates are botocore's in any case.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest

from fleetpoll.awsbatch.bounded import in_hand

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

    from fleetpoll.awsbatch.bounded import Bounded

ALGORITHM = "AWS4-HMAC-SHA256"
AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=[^/]+/\d{{8}}/(?P<scope>[^/]+/[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<signed>[^,]+), Signature=\w+"
)
DATE, TOKEN, INVOCATION, LENGTH = "X-Amz-Date", "X-Amz-Security-Token", "amz-sdk-invocation-id", "Content-Length"
STANDING = frozenset({"content-type", "user-agent", "amz-sdk-request"})
"""Headers that are the same in each call of a client. One that we do not know may be another in the next."""


def body_of(ids: Sequence[str]) -> bytes:
    """What is asked for these jobs."""
    return json.dumps({"jobs": list(ids)}).encode()


def hmac_of(key: bytes, words: str) -> bytes:
    """A step of a signature."""
    return hmac.digest(key, words.encode(), "sha256")


def hash_of(words: bytes) -> str:
    """What stands in a signature for something long."""
    return hashlib.sha256(words).hexdigest()


@dataclass(slots=True)
class Key:
    """What requests of one day are signed with, made once for it."""

    made_of: tuple[str, str] = ("", "")
    key: bytes = b""

    def of(self, secret: str, day: str, scope: str) -> bytes:
        """The key of a day in the scope `region/service`."""
        if self.made_of != (secret, day):
            key = f"AWS4{secret}".encode()
            for words in (day, *scope.split("/"), "aws4_request"):
                key = hmac_of(key, words)
            self.made_of, self.key = (secret, day), key
        return self.key


@dataclass(frozen=True, slots=True)
class Pattern:
    """What all requests of a client have in common."""

    url: str
    host: str
    path: str
    scope: str  # region/service
    signed: tuple[str, ...]  # names of headers, in lower case and in order
    standing: Mapping[str, str]
    invoked: bool  # whether each request has an id of its own

    def headers(self, body: bytes, at: str, invocation: str, credentials: Any, key: Key) -> dict[str, str]:
        """The headers of a request that is signed at the second `at`."""
        headers = {**self.standing, DATE: at}
        if credentials.token:
            headers[TOKEN] = credentials.token
        if self.invoked:
            headers[INVOCATION] = invocation
        values = {name.lower(): value for name, value in headers.items()} | {"host": self.host}
        canonical = "".join([f"{name}:{' '.join(values[name].split())}\n" for name in self.signed])
        signed, scope = ";".join(self.signed), f"{at[:8]}/{self.scope}/aws4_request"
        request = f"POST\n{self.path}\n\n{canonical}\n{signed}\n{hash_of(body)}"
        words = f"{ALGORITHM}\n{at}\n{scope}\n{hash_of(request.encode())}"
        signature = hmac_of(key.of(credentials.secret_key, at[:8], self.scope), words).hex()
        credential = f"{credentials.access_key}/{scope}"
        headers["Authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        headers[LENGTH] = str(len(body))
        return headers


def pattern_of(request: Any, credentials: Any) -> Pattern | None:
    """The pattern of a request of botocore's; None if we would have written another one."""
    found = {name: text_of(value) for name, value in request.headers.items()}
    low = {name.lower(): value for name, value in found.items()}
    authorization = AUTHORIZATION.fullmatch(low.get("authorization", ""))
    place = re.fullmatch(r"https?://(?P<host>[^/?#]+)(?P<path>/[\w/.-]*)", request.url)
    if authorization is None or place is None or request.method != "POST":
        return None
    pattern = Pattern(
        url=request.url,
        host=place["host"],
        path=place["path"],
        scope=authorization["scope"],
        signed=tuple(authorization["signed"].split(";")),
        standing={name: value for name, value in found.items() if name.lower() in STANDING},
        invoked=INVOCATION in low,
    )
    body = body_of(json.loads(request.body)["jobs"])
    ours = pattern.headers(body, low[DATE.lower()], low.get(INVOCATION, ""), credentials, Key())
    return pattern if body == request.body and {name.lower(): value for name, value in ours.items()} == low else None


def text_of(value: str | bytes) -> str:
    """A header's value: botocore has some as bytes."""
    return value.decode() if isinstance(value, bytes) else value


class Direct:
    """Asks as the client would, once it has seen the client ask. Given to the client as a handler of `before-send`."""

    def __init__(self, client: Any, bounded: Bounded) -> None:
        self._client, self._bounded, self._key = client, bounded, Key()
        self.pattern: Pattern | None = None

    def __call__(self, request: Any, **_: Any) -> None:
        """See what the client sends."""
        if in_hand.get() is not None:  # it sends nothing
            return
        try:
            self.pattern = pattern_of(request, self._credentials())
        except (AttributeError, KeyError, TypeError, ValueError):  # no botocore that we know
            self.pattern = None

    def ask(self, ids: Sequence[str]) -> AWSResponse | None:
        """AWS's answer, good or bad; None if the call is for botocore to make. Raises what a client's session raises."""
        pattern = self.pattern
        if pattern is None:
            return None
        at, body = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), body_of(ids)
        headers = pattern.headers(body, at, str(uuid.uuid4()), self._credentials(), self._key)
        return self._bounded(AWSPreparedRequest("POST", pattern.url, headers, body, True))

    def _credentials(self) -> Any:
        """The client's credentials, which are renewed by this when it is time."""
        return self._client._get_credentials().get_frozen_credentials()  # noqa: SLF001 - missing, it is told from the first call

"""A security token service that hands out keys of roles, and an AWS Batch that sees whose key each call is signed with."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from tests.integration.bad_server import Answer, BadServer

ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>{expiry:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
CALLER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::{account}:user/a</Arn><UserId>A</UserId><Account>{account}</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>{words}</Message></Error><RequestId>r</RequestId></ErrorResponse>"""

EXPIRED = Answer(403, b'{"message":"expired"}', {"x-amzn-ErrorType": "ExpiredTokenException"})


def signer(authorization: str) -> str:
    """The access key that a request is signed with."""
    found = re.search(r"Credential=([^/]+)/", authorization)
    return found[1] if found else ""


def refusal(code: str, words: str, status: int = 403) -> Answer:
    """An answer of STS' that is none."""
    return Answer(status, REFUSED.format(code=code, words=words).encode(), {"Content-Type": "text/xml"})


class Sts(BadServer):
    """Gives a new key to each AssumeRole that is signed with a `known` key; `failing` is said instead, while it is set."""

    def __init__(self, account: str = "111122223333", lasts_s: float = 3600.0) -> None:
        super().__init__()
        self.account, self.lasts_s = account, lasts_s
        self.failing: Answer | None = None
        self.known = {"simulated"}
        self.signers: list[str] = []
        self.given = 0  # keys

    def request(self, at: int = -1) -> dict[str, str]:
        """What was asked for."""
        return {name: values[0] for name, values in parse_qs(self.asked[at].decode()).items()}

    def answer_to(self, authorization: str) -> Answer:
        """Credentials, or what is to be said instead."""
        self.signers.append(signer(authorization))
        if self.failing is not None:
            return self.failing
        if self.signers[-1] not in self.known:
            return refusal("AccessDenied", "not authorized to perform: sts:AssumeRole")
        if self.request()["Action"] == "GetCallerIdentity":
            return Answer(200, CALLER.format(account=self.account).encode(), {"Content-Type": "text/xml"})
        self.given += 1
        expiry = datetime.now(UTC) + timedelta(seconds=self.lasts_s)
        body = ASSUMED.format(key=f"ASIAROLE{self.given}", expiry=expiry)
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})


class Aws(BadServer):
    """An AWS Batch that notes who signs, and tells those in `revoked` that they have expired."""

    def __init__(self) -> None:
        super().__init__()
        self.signers: list[str] = []
        self.revoked: set[str] = set()

    def answer_to(self, authorization: str) -> Answer:
        """A good answer, unless the key is revoked."""
        self.signers.append(signer(authorization))
        return EXPIRED if self.signers[-1] in self.revoked else Answer()

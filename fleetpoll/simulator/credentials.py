"""Who calls: a key of ours names its account, and the scope of its signature names the Region. Pure.

Nobody checks signatures here: a key is whose it says it is, and a session is what its token says.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import msgspec

from fleetpoll.simulator.config import Fault

LONG_TERM, TEMPORARY = "AKIASIMU", "ASIASIMU"  # and the twelve digits of the account: as long as a real key
OURS = re.compile(rf"Credential=({LONG_TERM}|{TEMPORARY})(\d{{12}})/\d+/([a-z0-9-]+)/")


class Session(msgspec.Struct, frozen=True):
    """Who has assumed which role, and until when."""

    account_id: str
    role: str
    name: str
    expires_ms: int

    def token(self) -> str:
        """The session token: all that there is to know, so that nothing of it need be kept."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is; without an account id it belongs to the default account, whatever its Region."""

    account_id: str = ""
    region: str = ""
    session: Session | None = None
    temporary: bool = False

    def trouble(self, now_ms: int) -> Fault | None:
        """Why such a caller is not let in: a temporary key is nothing without its token, or after its time."""
        if not self.temporary:
            return None
        if self.session is None:
            return Fault.DENIED
        return Fault.EXPIRED if self.session.expires_ms <= now_ms else None

    def arn(self, account_id: str) -> str:
        """Their name in that account, their own."""
        if self.session is None:
            return f"arn:aws:iam::{account_id}:user/simulated"
        return f"arn:aws:sts::{account_id}:assumed-role/{self.session.role}/{self.session.name}"


ANYBODY = Caller()


def caller_of(authorization: str, token: str) -> Caller:
    """Who calls, by the headers `Authorization` and `X-Amz-Security-Token` of their request."""
    found = OURS.search(authorization)
    if found is None:
        return ANYBODY
    kind, account_id, region = found.groups()
    if kind == LONG_TERM:
        return Caller(account_id, region)
    return Caller(account_id, region, session_of(token, account_id), temporary=True)


def session_of(token: str, account_id: str) -> Session | None:
    """The session of a token, if it is one of ours for a role of that account."""
    try:
        session = msgspec.json.decode(urlsafe_b64decode(token), type=Session)
    except ValueError:  # neither base64 nor JSON of a session
        return None
    return session if session.account_id == account_id else None

"""Which credentials are found, and how long they are good: told without showing any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.credentials import RefreshableCredentials

from fleetpoll.awsbatch.api import open_session
from fleetpoll.awsbatch.failures import named
from fleetpoll.awsbatch.roles import STS

if TYPE_CHECKING:
    from fleetpoll.settings import Settings

SOURCES = {
    "env": "the environment (AWS_ACCESS_KEY_ID)",
    "shared-credentials-file": "the credentials file",
    "config-file": "the config file",
    "assume-role": "a role of the profile",
    "assume-role-with-web-identity": "a role by web identity (IRSA)",
    "sso": "IAM Identity Center (SSO)",
    "custom-process": "the profile's credential_process",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
    "login": "aws login",
    "fleetpoll-role": "the role of role_arn",
}
FIXED = frozenset({"env"})
"""Sources that nobody renews while a process lives."""


@dataclass(frozen=True, slots=True)
class Purse:
    """Where credentials are from; `renewed`: whoever gave them gives new ones in time."""

    source: str
    temporary: bool
    renewed: bool
    expires_s: float | None  # epoch seconds; None: never, or nobody knows


def purse_of(settings: Settings) -> Purse | None:
    """The credentials that calls by these settings would be signed with; None if none are found.

    Raises AccessDenied or Unreachable where they are had of somebody who gives none.
    """
    with named(STS):
        found: Any = open_session(settings).get_credentials()
        if found is None:
            return None
        token = found.get_frozen_credentials().token
    method = str(found.method)
    refreshable = isinstance(found, RefreshableCredentials)
    expiry = getattr(found, "_expiry_time", None)  # botocore shows it nowhere else
    return Purse(
        source=SOURCES.get(method, method),
        temporary=bool(token),
        renewed=refreshable and method not in FIXED,
        expires_s=expiry.timestamp() if expiry is not None else None,
    )

"""A role of another account, assumed by STS for the calls of one fleet.

botocore keeps what STS gave and asks again in its last quarter of an hour, in the midst of a call of ours; in the last
ten minutes it insists. Before that a failure costs nothing but time, and so that it does not cost each call its time, STS
is then left alone for a while. Whatever comes of it is one of our errors: a role that cannot be had is a trouble of the
fleet's, like any other denial, and ends no worker. The credentials that ask are looked up anew each time, so that those
which were rotated meanwhile are found.
"""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.credentials import DeferredRefreshableCredentials, create_assume_role_refresher
from botocore.exceptions import NoCredentialsError
from botocore.utils import parse_timestamp

from fleetpoll.awsbatch.failures import named
from fleetpoll.clock import system_mono
from fleetpoll.errors import AccessDenied, AwsError, Unreachable

if TYPE_CHECKING:
    from botocore.session import Session

    from fleetpoll.settings import Settings

STS = "AWS STS"
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_+=,.@-]")
SESSION_NAME_MAX = 64
INSISTS = timedelta(minutes=10)
"""From this long before the end of credentials on botocore makes no call without new ones."""
SPARED_S = 30.0
"""How long STS is left alone after a failure, while there is time."""


def assume_role(session: Session, settings: Settings) -> None:
    """Let all clients that this session makes from now on call as the settings' role. Asks nobody yet.

    The credentials that the session would have had are those by which the role is assumed.
    """
    session.register_component("credential_provider", _Assumed(session, settings))


def session_name(fleet: str) -> str:
    """What a fleet is called in the role's CloudTrail: `fleetpoll-<fleet>`, in the signs that STS allows."""
    return NOT_IN_NAMES.sub("-", f"fleetpoll-{fleet}")[:SESSION_NAME_MAX]


class _Assumed:
    """In the place of botocore's chain of credential providers: gives the role's credentials, by those of the chain."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session, self._chain = session, session.get_component("credential_provider")
        self._request = {"RoleArn": settings.role_arn, "RoleSessionName": session_name(settings.fleet)}
        if settings.external_id is not None:
            self._request["ExternalId"] = settings.external_id
        self._insists_at = datetime.now(UTC)  # nothing is at hand yet
        self._spared_until = 0.0

    def load_credentials(self) -> DeferredRefreshableCredentials:
        """The credentials, which are had of STS when they are first needed."""
        return DeferredRefreshableCredentials(refresh_using=self._refresh, method="fleetpoll-role")

    def _refresh(self) -> dict[str, Any]:
        """New credentials of the role's, by one request at most. Raises AccessDenied or Unreachable."""
        in_time = datetime.now(UTC) < self._insists_at
        if in_time and system_mono() < self._spared_until:
            raise Unreachable(f"{STS} failed a moment ago, and the credentials at hand are still good")
        try:
            given = self._ask()
        except AwsError:
            self._spared_until = system_mono() + SPARED_S
            raise
        expiry = parse_timestamp(given["expiry_time"])
        if expiry <= datetime.now(UTC):
            raise AccessDenied(
                f"{STS} gave credentials that have expired already, by the clock of this host", "ExpiredToken"
            )
        self._insists_at = expiry - INSISTS
        return given

    def _ask(self) -> dict[str, Any]:
        """What STS gives to the credentials that there are without the role."""
        with named(STS):
            own = self._chain.load_credentials()
            if own is None:
                raise NoCredentialsError
            key = own.get_frozen_credentials()
            client = self._session.create_client(
                "sts",
                aws_access_key_id=key.access_key,
                aws_secret_access_key=key.secret_key,
                aws_session_token=key.token,
            )
            with closing(client):
                given: dict[str, Any] = create_assume_role_refresher(client, self._request)()
        return given

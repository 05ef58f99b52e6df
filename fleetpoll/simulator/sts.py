"""AWS STS as far as pollers need it: AssumeRole and GetCallerIdentity, a form in and XML out.

Any role of any account may be assumed by anybody who knows the external id, if there is one. What is given is good for
`credentials_s`, whatever was asked for; the SDK renews it when less than a quarter of an hour is left.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from fleetpoll.simulator.account import ApiError
from fleetpoll.simulator.credentials import TEMPORARY, Caller, Session
from fleetpoll.simulator.wire import Response, request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpoll.simulator.account import Account

XML: Final = "text/xml"
NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[!-~]+/)?([\w+=,.@-]{1,64})")
SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}")
# What STS calls what Batch calls otherwise: (status, code).
CODES: Final = {
    "TooManyRequestsException": (400, "Throttling"),
    "ServerException": (500, "InternalFailure"),
    "ExpiredTokenException": (403, "ExpiredToken"),
    "AccessDeniedException": (403, "AccessDenied"),
    "UnrecognizedClientException": (403, "InvalidClientTokenId"),
}


def answer_form(account: Account, caller: Caller, body: bytes) -> Response:
    """Carry out what a caller from that account asks for. Raises ApiError."""
    form = dict(parse_qsl(body.decode(errors="replace")))
    action = form.get("Action", "")
    if action == "AssumeRole":
        result = assume_role(account, caller, form)
    elif action == "GetCallerIdentity":
        account_id = account.config.account_id
        result = f"<Arn>{caller.arn(account_id)}</Arn><UserId>AIDASIMU{account_id}</UserId><Account>{account_id}</Account>"
    else:
        raise ApiError(400, "InvalidAction", f"Could not find operation {action} for version {form.get('Version')}")
    return document(f"{action}Response", f"<{action}Result>{result}</{action}Result>")


def assume_role(account: Account, caller: Caller, form: Mapping[str, str]) -> str:
    """Credentials of a role, which may be another account's."""
    config, arn, name = account.config, form.get("RoleArn", ""), form.get("RoleSessionName", "")
    role = ROLE.fullmatch(arn)
    if role is None or not SESSION_NAME.fullmatch(name):
        raise ApiError(400, "ValidationError", f"{arn} is invalid" if role is None else f"roleSessionName {name} is invalid")
    if config.external_id and form.get("ExternalId") != config.external_id:
        who = caller.arn(config.account_id)
        raise ApiError(403, "AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    role_account_id, role_name = role.groups()
    session = Session(role_account_id, role_name, name, account.clock() + round(config.credentials_s * 1000))
    until = datetime.fromtimestamp(session.expires_ms / 1000, UTC).isoformat(timespec="milliseconds")
    assumed = Caller(role_account_id, session=session).arn(role_account_id)
    return (
        f"<Credentials><AccessKeyId>{TEMPORARY}{role_account_id}</AccessKeyId><SecretAccessKey>simulated</SecretAccessKey>"
        f"<SessionToken>{session.token()}</SessionToken><Expiration>{until}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROASIMU{role_account_id}:{name}</AssumedRoleId><Arn>{assumed}</Arn></AssumedRoleUser>"
    )


def failure_in_xml(error: ApiError) -> Response:
    """An error in the form that botocore takes code and message from."""
    status, code = CODES.get(error.code, (error.status, error.code))
    words = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    return document("ErrorResponse", words, status)


def document(name: str, inner: str, status: int = 200) -> Response:
    """An answer, whose request id stands within a good one's metadata and bare in an error."""
    tail = f"<RequestId>{request_id()}</RequestId>"
    if status == HTTPStatus.OK:
        tail = f"<ResponseMetadata>{tail}</ResponseMetadata>"
    return Response(f'<{name} xmlns="{NAMESPACE}">{inner}{tail}</{name}>'.encode(), status, content_type=XML)

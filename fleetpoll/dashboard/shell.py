"""What goes for every request and every answer: who is addressed, how much may be sent, what a browser may do with it.

The Host check is against DNS rebinding: a page of a stranger's whose name leads to this machine is not who it says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleetpoll.errors import SettingsError

QUERY_MAX = 4_096
BODY_MAX = 4_096
HEAD_MAX = 16_384
TOO_LONG = f"The body has more than {BODY_MAX:,} bytes: no request needs that."
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"),
        *("font-src 'self'", "manifest-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"),
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - the names, which nobody is bound to here


class Hosts:
    """The names by which this server may be addressed: loopback, the host that it is bound to, and those that are told.

    Raises SettingsError for one that no browser would ever send.

    Bound to all addresses of the machine it may be addressed by any address, but by no name that was not told.
    """

    def __init__(self, host: str, told: Iterable[str] = ()) -> None:
        if odd := [name for name in told if name_of(name) != name.lower()]:
            raise SettingsError(f"{odd[0]!r} is no name of a host: give --allow-host a name alone, no https:// and no port.")
        self._names = LOOPBACK | {host.lower()} | {name.lower() for name in told}
        self._any_address = host in WILDCARDS

    def know(self, host: str) -> bool:
        """Whether a Host header names us."""
        name = name_of(host)
        return name is not None and (name in self._names or (self._any_address and is_address(name)))


def name_of(host: str) -> str | None:
    """The name in a Host header, without the port; None for what is none."""
    try:
        return urlsplit(f"//{host}").hostname if host and not set(host) & set("/?#@\\") else None
    except ValueError:
        return None


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to `host`."""
    return host.lower() in LOOPBACK or (is_address(host) and ipaddress.ip_address(host).is_loopback)


class Shell:
    """The application, with that around it."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, bounded_body(receive), dressed)
        else:
            await refusal(scope, receive, dressed)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """Why a request is not looked at, if it is not."""
        headers = Headers(scope=scope)
        if not self._hosts.know(headers.get("host", "")):
            words = "This server is not known by that name: use its address, or start it with --allow-host NAME."
            return JSONResponse({"error": words}, 400)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_MAX:
            return JSONResponse({"error": f"The head has more than {HEAD_MAX:,} bytes: delete this site's cookies."}, 431)
        if len(scope["query_string"]) > QUERY_MAX:
            return JSONResponse({"error": f"The query has more than {QUERY_MAX:,} bytes: ask for less."}, 400)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > BODY_MAX:
            return JSONResponse({"error": TOO_LONG}, 413)
        return None


def bounded_body(receive: Receive) -> Receive:
    """The body as it comes, refused where it is too long, whatever its head has said."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_MAX:
            raise SettingsError(TOO_LONG)
        return message

    return bounded

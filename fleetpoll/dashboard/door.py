"""Where requests meet the gate: cookies, bearers, and whether a request comes from a page of our own."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fleetpoll.dashboard.gate import SESSION_S, Answer, Gate

COOKIE = "fleetpoll_session_{}"
"""Its name has the port: browsers give cookies to all ports of a host, and two dashboards would sign each other out."""
WRONG_S = 0.5
"""How long who gives a wrong token waits for that answer."""
FOREIGN = "That was sent by a page of another origin: use the dashboard's own page."
TOO_MANY = "Too many wrong tokens: wait a minute, then give the right one."


class Refusal(Exception):
    """A request is refused: the status of HTTP, and a sentence that says what to do."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Door:
    """Lets requests in, or raises Refusal. `secure`: browsers are to give the cookie by https alone."""

    def __init__(self, gate: Gate, *, secure: bool = False) -> None:
        self.gate, self._secure = gate, secure

    async def enter(self, request: Request) -> None:
        """For who reads. A page of another site's reads no answer, but could learn from how long it takes."""
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise Refusal(403, FOREIGN)
        if self.gate.token_needed and not self.in_session(request):
            await self._bear(request)

    async def steer(self, request: Request) -> None:
        """For who gives orders: with the token, from a page of ours or from no page at all."""
        self.same_origin(request)
        if not self.gate.controls:
            raise Refusal(403, "Controls are off: start `fleetpoll dashboard` with --controls to have them.")
        if not self.in_session(request):
            if "authorization" not in request.headers:
                raise Refusal(403, "Controls need the token: sign in first.")
            await self._bear(request)

    async def sign_in(self, request: Request, token: str, response: Response) -> None:
        """For who brings the token: the response has the cookie of a new session."""
        self.same_origin(request)
        await self._try(request, token)
        word = self.gate.open_session()
        response.set_cookie(cookie_of(request), word, max_age=int(SESSION_S), **self._kind(request))

    def sign_out(self, request: Request, response: Response) -> None:
        """For who leaves."""
        self.same_origin(request)
        self.gate.close_session(request.cookies.get(cookie_of(request), ""))
        response.delete_cookie(cookie_of(request), **self._kind(request))

    def in_session(self, request: Request) -> bool:
        """Whether the request has the cookie of a session."""
        return self.gate.in_session(request.cookies.get(cookie_of(request), ""))

    def same_origin(self, request: Request) -> None:
        """Refuse what the page of somebody else has sent. Programs, which are no browsers, say nothing of an origin."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
        ours = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        if not ours or site not in ("same-origin", "none"):
            raise Refusal(403, FOREIGN)

    def _kind(self, request: Request) -> dict[str, Any]:
        """What no cookie of ours is without."""
        path = request.scope.get("root_path") or "/"
        return {"path": path, "httponly": True, "samesite": "strict", "secure": self._secure}

    async def _bear(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "Sign in with the dashboard's token, or send it as `Authorization: Bearer TOKEN`.")
        await self._try(request, token.strip())

    async def _try(self, request: Request, token: str) -> None:
        answer = self.gate.try_token(token, request.client.host if request.client else "")
        if answer is Answer.TOO_MANY:
            raise Refusal(429, TOO_MANY)
        if answer is Answer.WRONG:
            await asyncio.sleep(WRONG_S)
            raise Refusal(401, "That is not the token: it is in the server's FLEETPOLL_DASHBOARD_TOKEN or --token-file.")


def cookie_of(request: Request) -> str:
    """The name of the cookie for a server that is addressed like this."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return COOKIE.format(port if port.isascii() and port.isdecimal() else "")

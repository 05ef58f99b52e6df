"""The HTTP API: what may be asked of the dashboard's server, and in which form it answers.

Who waits for Redis does so in a thread of starlette's pool. Words of AWS's and of who submits jobs are JSON, never HTML.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from fleetpoll.dashboard.asked import query_of, whole
from fleetpoll.dashboard.desk import Desk
from fleetpoll.dashboard.door import Door, Refusal
from fleetpoll.dashboard.streams import STREAMS_MAX, EventStream, encode
from fleetpoll.errors import SettingsError

MINUTES_MAX, EVENTS_MAX = 1_440, 1_000
CURSOR_MAX = 50
BODY_S = 10.0
"""How long a body is waited for."""

Ask = Callable[[Desk, Request], Any]
Body = TypeVar("Body", bound=msgspec.Struct)


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a sign-in."""

    token: str


class Control(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an operator's order."""

    action: str
    value: float | None = None


class Json(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As it goes over the wire."""
        return encode(content)


class Api:
    """The answers for some fleets, by name; the first is meant if none is named."""

    def __init__(self, desks: Callable[[], dict[str, Desk]], door: Door) -> None:
        self._desks, self._door = desks, door

    def routes(self) -> list[BaseRoute]:
        """Where each answer is."""
        return [
            Route("/healthz", self.health),
            Route("/api/session", self.session),
            Route("/api/session", self.sign_in, methods=["POST"]),
            Route("/api/session", self.sign_out, methods=["DELETE"]),
            Route("/api/status", self._reader(lambda desk, _: desk.pulse.status())),
            Route("/api/history", self._reader(history)),
            Route("/api/jobs", self._reader(lambda desk, request: desk.jobs(query_of(request.query_params)))),
            Route("/api/job", self._reader(job)),
            Route("/api/workers", self._reader(lambda desk, _: desk.workers())),
            Route("/api/events", self._reader(events)),
            Route("/api/stream", self.stream),
            Route("/api/control", self.control, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Whether the server turns."""
        del request
        return Json({"ok": True})

    async def session(self, request: Request) -> Response:
        """What there is, for who may know it, and how to come in for everybody."""
        gate, signed_in = self._door.gate, self._door.in_session(request)
        known = signed_in or not gate.token_needed
        if not known and "authorization" in request.headers:
            await self._door.enter(request)
            known = True
        return Json(
            {
                "fleets": list(self._desks()) if known else [],
                "version": version("fleetpoll") if known else "",
                "token_needed": gate.token_needed,
                "signed_in": signed_in,
                "controls": gate.controls,
            }
        )

    async def sign_in(self, request: Request) -> Response:
        """A session for a token."""
        body, response = await body_of(request, SignIn), Response(status_code=204)
        await self._door.sign_in(request, body.token, response)
        return response

    async def sign_out(self, request: Request) -> Response:
        """The end of a session."""
        response = Response(status_code=204)
        self._door.sign_out(request, response)
        return response

    async def stream(self, request: Request) -> ASGIApp:
        """What happens, as it happens."""
        await self._door.enter(request)
        desk = self._desk(request)
        if sum(len(one.streams) for one in self._desks().values()) >= STREAMS_MAX:
            raise Refusal(503, f"{STREAMS_MAX} browsers follow already: close some, or read /api/status now and then.")
        cursor = request.headers.get("last-event-id", "")[:CURSOR_MAX]
        slot = desk.streams.join()
        try:
            await run_in_threadpool(desk.follower)
            slot.tell(*await run_in_threadpool(desk.pulse.message))
            if cursor:
                slot.resume(await run_in_threadpool(desk.missed, cursor))
        except BaseException:
            desk.streams.leave(slot)
            raise
        return EventStream(desk.streams, slot)

    async def control(self, request: Request) -> Response:
        """An operator's order."""
        await self._door.steer(request)
        body = await body_of(request, Control)
        await run_in_threadpool(self._desk(request).control, body.action, body.value)
        return Response(status_code=204)

    def _reader(self, ask: Ask) -> Callable[[Request], Any]:
        """An endpoint that asks a fleet in a thread."""

        async def answer(request: Request) -> Response:
            await self._door.enter(request)
            return Json(await run_in_threadpool(ask, self._desk(request), request))

        return answer

    def _desk(self, request: Request) -> Desk:
        desks = self._desks()
        name = request.query_params.get("fleet") or next(iter(desks))
        if name not in desks:
            raise Refusal(404, "No fleet is called that here: /api/session names those that there are.")
        return desks[name]


def history(desk: Desk, request: Request) -> dict[str, Any]:
    """The last minutes as columns."""
    return desk.history(whole(request.query_params, "minutes", 60, MINUTES_MAX))


def events(desk: Desk, request: Request) -> list[dict[str, Any]]:
    """The latest transitions."""
    return desk.events(whole(request.query_params, "limit", 50, EVENTS_MAX))


def job(desk: Desk, request: Request) -> dict[str, Any]:
    """One job."""
    found = desk.job(request.query_params.get("id", ""))
    if found is None:
        raise Refusal(404, "That job is not tracked: `fleetpoll track ID` starts to watch it.")
    return found


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The body of a request. Raises SettingsError for what is none of that kind."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise SettingsError("The body is to be JSON, and its Content-Type application/json.")
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.body()
    except (TimeoutError, ClientDisconnect):
        raise Refusal(408, "The body did not come as a whole: send it at once.") from None
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError):
        names = ", ".join(kind.__struct_fields__)
        raise SettingsError(f"The body is no JSON object with {names}.") from None

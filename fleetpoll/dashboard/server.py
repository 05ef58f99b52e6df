"""The dashboard's server: one process for the fleets of a file, one reader for each fleet that somebody looks at."""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleetpoll.client.fleet import redis_url
from fleetpoll.dashboard import pages
from fleetpoll.dashboard.api import Api, Json
from fleetpoll.dashboard.desk import Desk
from fleetpoll.dashboard.door import Door, Refusal
from fleetpoll.dashboard.gate import Gate
from fleetpoll.dashboard.shell import HEAD_MAX, Hosts, Shell
from fleetpoll.errors import SettingsError, StateError
from fleetpoll.settings import Settings
from fleetpoll.text import masked

REST_EVERY_S = 15.0
LEAVE_S = 1
IDLE_CONNECTION_S = 30
CONNECTIONS_MAX = 500
ROOT_PATH = re.compile(r"(/[\w.~-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    controls: bool = False
    allowed_hosts: tuple[str, ...] = ()
    secure: bool = False  # a proxy in front of it speaks https
    root_path: str = ""

    def __post_init__(self) -> None:
        """Raise SettingsError for what is no path."""
        if not ROOT_PATH.fullmatch(self.root_path):
            raise SettingsError(f"{self.root_path!r} is no path of a proxy's: give --root-path one such as /fleetpoll.")


class Dashboard:
    """The application, and the desks of its fleets."""

    def __init__(self, fleets: Sequence[Settings], url: str, plan: Plan) -> None:
        self._fleets, self._url = fleets, url
        self.desks: dict[str, Desk] = {}
        self.door = Door(Gate(plan.token, controls=plan.controls), secure=plan.secure)
        app = Starlette(
            routes=[*Api(lambda: self.desks, self.door).routes(), *pages.routes()],
            exception_handlers={
                Refusal: refused,
                SettingsError: mistaken,
                StateError: away,
                HTTPException: misled,
                sqlite3.Error: remade,
            },
            lifespan=self._lifespan,
        )
        self.app = Shell(app, Hosts(plan.host, plan.allowed_hosts))

    def end_streams(self) -> None:
        """Let the browsers go that follow."""
        for desk in self.desks.values():
            desk.streams.end()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        loop = asyncio.get_running_loop()
        self.desks |= {one.fleet: Desk(one, self._url, loop) for one in self._fleets}
        resting = asyncio.create_task(self._rest())
        try:
            yield
        finally:
            resting.cancel()
            for desk in self.desks.values():
                desk.close()

    async def _rest(self) -> None:
        """Let readers go that nobody needs."""
        while True:
            await asyncio.sleep(REST_EVERY_S)
            for desk in self.desks.values():
                await asyncio.to_thread(desk.rest)


class Server(uvicorn.Server):
    """Uvicorn's, but that it ends the streams first, which would never end by themselves, and says when it serves."""

    def __init__(self, dashboard: Dashboard, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._dashboard, self._on_ready = dashboard, on_ready
        self._waiting_since: dict[H11Protocol, tuple[object, float]] = {}

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM, or Ctrl-C: to leave is what was asked for, not how it died. A second one does not wait for anybody."""
        del sig, frame
        self.force_exit, self.should_exit = self.should_exit, True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second."""
        if counter % 10 == 0:
            self._hasten(time.monotonic())
        return await super().on_tick(counter)

    def _hasten(self, now: float) -> None:
        """Let connections go whose next request does not come as a whole: uvicorn waits for that for ever."""
        since = self._waiting_since
        self._waiting_since = {}
        for one in tuple(self.server_state.connections):
            if isinstance(one, H11Protocol) and (one.cycle is None or one.cycle.response_complete):
                cycle, began = since.get(one, (None, now))
                began = began if cycle is one.cycle else now
                self._waiting_since[one] = (one.cycle, began)
                if now - began > IDLE_CONNECTION_S:
                    one.transport.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End it all."""
        self._dashboard.end_streams()
        await super().shutdown(sockets)


def serve(fleets: Sequence[Settings], plan: Plan, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `on_ready` hears the URL. Raises SettingsError for a plan that will not do."""
    with listening(plan) as door, redis_url(fleets[0]) as url:
        host = f"[{plan.host}]" if ":" in plan.host else plan.host
        address = f"http://{host}:{door.getsockname()[1]}{plan.root_path}/"
        server = server_of(Dashboard(fleets, url, plan), plan, lambda: on_ready(address))
        server.run([door])


def server_of(dashboard: Dashboard, plan: Plan, on_ready: Callable[[], None]) -> Server:
    """A server for sockets that listen already."""
    config = uvicorn.Config(
        dashboard.app,
        root_path=plan.root_path,
        log_config=None,  # requests are nobody's business, and errors are told by their answers
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="h11",
        ws="none",
        timeout_graceful_shutdown=LEAVE_S,
        timeout_keep_alive=IDLE_CONNECTION_S,
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=HEAD_MAX,
    )
    return Server(dashboard, config, on_ready)


def listening(plan: Plan) -> socket.socket:
    """A socket that listens where the plan says. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
    try:
        door = socket.create_server((plan.host, plan.port), family=family, backlog=CONNECTIONS_MAX)
    except OSError as error:
        words = f"{plan.host}, port {plan.port}, cannot be listened on: {error.strerror}."
        raise SettingsError(f"{words} Choose another by --port, or --host.") from None
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio leaves that out here, and it is 40 ms
    return door


def refused(request: Request, error: Exception) -> Response:
    """A request that the gate, or an address, refuses."""
    del request
    assert isinstance(error, Refusal)  # noqa: S101 - it is registered for nothing else
    head = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}  # noqa: PLR2004 - HTTP's own number
    return Json({"error": str(error)}, error.status, head)


def mistaken(request: Request, error: Exception) -> Response:
    """A request that makes no sense."""
    del request
    return Json({"error": str(error)}, 400)


def away(request: Request, error: Exception) -> Response:
    """Redis does not answer, or refuses."""
    del request
    return Json({"error": masked(str(error))}, 503)


def misled(request: Request, error: Exception) -> Response:
    """An address or a method that is not there."""
    del request
    assert isinstance(error, HTTPException)  # noqa: S101 - the same
    words = f"{error.detail}: the dashboard is at /, and its documentation tells what else there is."
    return Json({"error": words}, error.status_code, error.headers)


def remade(request: Request, error: Exception) -> Response:
    """The index failed in the midst of a request, or nobody looked for long and it was let go."""
    del request, error
    return Json({"error": "The index of jobs is made anew: try again in a moment."}, 503)

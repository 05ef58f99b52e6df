"""The page itself and what belongs to it: static files, which hold no data.

They are small, and read in the event loop: the threads may all be waiting for Redis.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from mimetypes import guess_type
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fleetpoll.dashboard.door import Refusal

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
PATH_MAX = 200
STATIC = files("fleetpoll.dashboard").joinpath("static")


def routes() -> list[BaseRoute]:
    """Where they are."""
    return [Route("/", index), Route("/favicon.ico", favicon), Route("/static/{path:path}", static)]


async def index(request: Request) -> Response:
    """The page."""
    return served(request, "index.html")


async def favicon(request: Request) -> Response:
    """What browsers ask for by themselves."""
    del request
    return Response(status_code=204)


async def static(request: Request) -> Response:
    """A file."""
    return served(request, request.path_params["path"])


def served(request: Request, path: str) -> Response:
    """A file, unless the browser has it already: it asks each time, so that no old script meets a new server."""
    parts = PurePosixPath(path).parts if len(path) <= PATH_MAX else ()
    place = STATIC.joinpath(*parts)
    if not parts or ".." in parts or path.startswith("/") or "\0" in path or not place.is_file():
        raise Refusal(404, "There is no such page: the dashboard is at /.")
    content = place.read_bytes()
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    suffix = PurePosixPath(path).suffix
    kind = TYPES.get(suffix) or guess_type(path)[0] or "application/octet-stream"
    return Response(content, headers=headers | {"Content-Type": kind})

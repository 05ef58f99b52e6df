"""The least of HTTP/1.1 that an SDK needs, done with care: keep-alive, lengths, and a limit on everything."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

HEAD_MAX = 64 * 1024
BODY_MAX = 64 * 1024 * 1024  # the control endpoints take a million ids


PHRASES = {status.value: status.phrase for status in HTTPStatus}


class NotHttp(Exception):
    """What came is not a request that we can answer; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool
    authorization: str = ""
    token: str = ""  # of a session


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `error_type` is AWS's code of an error, `retry_after_ms` its advice if not 0."""

    body: bytes
    status: int = 200
    error_type: str = ""
    retry_after_ms: int = 0
    content_type: str = "application/json"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection, or None when the other side is done."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise NotHttp("the connection ended within a request") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise NotHttp("the request's head is too long") from error
    first, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
    try:
        method, target, version = first.split(" ")
    except ValueError as error:
        raise NotHttp("the request has no request line") from error
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal() or int(length) > BODY_MAX:
        raise NotHttp("the request's body has no acceptable length")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(length))
    connection = headers.get("connection", "").lower()
    keep_alive = connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"
    url = urlsplit(target)
    authorization, token = headers.get("authorization", ""), headers.get("x-amz-security-token", "")
    return Request(method, unquote(url.path), url.query, body, keep_alive, authorization, token)


def write_response(writer: asyncio.StreamWriter, response: Response, *, keep_alive: bool) -> None:
    """Put an answer on its way; the caller drains."""
    writer.write(head_of(response, keep_alive=keep_alive))
    writer.write(response.body)


def head_of(response: Response, *, keep_alive: bool) -> bytes:
    """All of an answer that comes before its body."""
    head = [
        f"HTTP/1.1 {response.status} {PHRASES[response.status]}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        f"x-amzn-RequestId: {request_id()}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    if response.error_type:
        head.append(f"x-amzn-ErrorType: {response.error_type}")
    if response.retry_after_ms:
        head.append(f"x-amz-retry-after: {response.retry_after_ms}")
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


def request_id() -> str:
    """An id in the form of AWS's; whoever knows it may do nothing with it, so it need not be hard to guess."""
    drawn = f"{random.getrandbits(128):032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:]}"

"""What becomes of a call that meets a fault: what is said instead of a good answer, and what is done to it on the wire.

An answer that is spoilt on its way was real: what was asked for is done, and the client does not know it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpoll.simulator.account import ApiError
from fleetpoll.simulator.config import Fault
from fleetpoll.simulator.wire import Response, head_of, write_response

if TYPE_CHECKING:
    from collections.abc import Callable

CARRIED_OUT = frozenset({Fault.LOST, Fault.CUT, Fault.TRUNCATED, Fault.SLOW})
"""The faults of answers. All others keep the call from being carried out."""
DROP_S = 0.25
"""Between two drops of a slow answer: far below what a client calls silence."""
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets

STRANGER = 403, "UnrecognizedClientException", "The security token included in the request is invalid."
PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
NOT_ALLOWED = "User: arn:aws:iam::123456789012:user/poller is not authorized to perform this operation"
REFUSALS = {
    Fault.SERVER: (500, "ServerException", "An internal error has occurred"),
    Fault.EXPIRED: (403, "ExpiredTokenException", "The security token included in the request is expired"),
    Fault.DENIED: (403, "AccessDeniedException", NOT_ALLOWED),
}
PAGES = {
    Fault.UNAVAILABLE: Response(PAGE % (b"503", b"Service Unavailable"), 503, content_type="text/html"),
    Fault.HTML: Response(PAGE % (b"Sign in", b"Sign in to the network"), content_type="text/html"),
}
SILENCE = Response(b"")


def not_let_in(trouble: Fault) -> ApiError:
    """What a caller is told whose credentials will not do."""
    return ApiError(*(STRANGER if trouble is Fault.DENIED else REFUSALS[trouble]))


def said(fault: Fault, failure: Callable[[ApiError], Response]) -> Response:
    """What is said instead of a good answer; an error in the form of the service that `failure` gives it."""
    if fault in REFUSALS:
        return failure(ApiError(*REFUSALS[fault]))
    return PAGES.get(fault, SILENCE)


@dataclass(frozen=True, slots=True)
class Spoilt:
    """An answer with its fault. `seen` is called if the client gets all of it, and can read it."""

    response: Response
    fault: Fault
    seen: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How spoilt answers go to the other side of one connection. A slow one takes `slow_s`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    slow_s: float

    async def deliver(self, spoilt: Spoilt, *, keep_alive: bool) -> bool:
        """Answer, or do worse. Returns whether the connection is still of use."""
        writer, body = self.writer, spoilt.response.body
        match spoilt.fault:
            case Fault.RESET | Fault.LOST:
                self._reset()
                return False
            case Fault.HANG:
                while await self.reader.read(4096):
                    pass
                return False
            case Fault.CUT:
                writer.write(head_of(spoilt.response, keep_alive=keep_alive) + body[: len(body) // 2])
                return False
            case Fault.TRUNCATED:
                half = dataclasses.replace(spoilt.response, body=body[: len(body) // 2])
                write_response(writer, half, keep_alive=keep_alive)
            case Fault.SLOW:
                await self._drip(spoilt, keep_alive=keep_alive)
            case _:
                write_response(writer, spoilt.response, keep_alive=keep_alive)
        return keep_alive

    async def _drip(self, spoilt: Spoilt, *, keep_alive: bool) -> None:
        """The body, in drops. Raises ConnectionError if the client has not the patience for it."""
        writer, body = self.writer, spoilt.response.body
        writer.write(head_of(spoilt.response, keep_alive=keep_alive))
        drops = max(1, math.ceil(self.slow_s / DROP_S))
        for number in range(drops):
            await asyncio.sleep(self.slow_s / drops)
            if self.reader.at_eof() or writer.is_closing():
                raise ConnectionAbortedError
            writer.write(body[len(body) * number // drops : len(body) * (number + 1) // drops])
            await writer.drain()
        spoilt.seen()

    def _reset(self) -> None:
        wire: socket.socket = self.writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.writer.transport.abort()

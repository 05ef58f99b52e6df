"""An exchange that ends. botocore's time-outs are for each read of a socket: a body that comes in drops has none.

A worker must not be held beyond its lease by a slow answer, so the whole of it has to come within a deadline.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from fleetpoll.errors import Unreachable

if TYPE_CHECKING:
    from fleetpoll.clock import Mono

READ_MIN_S = 0.01
"""The shortest time-out of a read: 0 would mean not to wait at all."""

in_hand: ContextVar[AWSResponse | None] = ContextVar("in_hand", default=None)
"""An answer that has come already, for botocore to read in its next call instead of making one."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A body that has been read, in the form in which botocore reads one."""

    body: bytes

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self.body


class Bounded:
    """Sends requests by a client's own session (as a handler of `before-send`) and reads the answer within `whole_s`."""

    def __init__(self, session: Any, whole_s: float, mono: Mono) -> None:
        self._session, self._whole_s, self._mono = session, whole_s, mono

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        """The answer, read. Raises Unreachable if it does not come whole, and what the session raises if none comes."""
        if (answer := in_hand.get()) is not None:
            return answer
        deadline = self._mono() + self._whole_s
        request.stream_output = True  # the session leaves the body to us
        response = self._session.send(request)
        try:
            body = b"".join(self._parts(response.raw, deadline))
        except ReadTimeoutError as error:
            raise self._too_slow() from error
        except HTTPError as error:
            raise Unreachable(f"AWS Batch's answer broke off: {error}", type(error).__name__, "connection") from error
        if response.raw.length_remaining:  # read1 takes the end of a connection for the end of the body
            raise Unreachable("AWS Batch's answer broke off: the connection ended early", "IncompleteRead", "connection")
        return AWSResponse(response.url, response.status_code, response.headers, Whole(body))

    def _parts(self, raw: Any, deadline: float) -> Iterator[bytes]:
        """What each read of the socket brings, up to the end of the body."""
        while True:
            left_s = deadline - self._mono()
            if left_s <= 0:
                raw.close()
                raise self._too_slow()
            wire = getattr(raw.connection, "sock", None)
            if wire is not None:
                wire.settimeout(max(READ_MIN_S, left_s))  # urllib3 sets its own again before the next request
            part = raw.read1()
            if not part:
                return
            yield part

    def _too_slow(self) -> Unreachable:
        words = f"AWS Batch's answer did not come whole within {self._whole_s:g} s (connect_timeout + read_timeout)"
        return Unreachable(words, "SlowAnswer", "timeout")

"""The sink that is a URL: a POST of JSON, signed; one connection for each delivery at once, kept open."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from fleetpoll.errors import SettingsError
from fleetpoll.relay.hurried import POOLS
from fleetpoll.relay.parcels import Answer, Verdict
from fleetpoll.text import MARK, bounded, masked
from fleetpoll.webhook import key_of, signed

ANSWER_MAX = 65_536
"""Bytes of an answer that are read, so that its connection can be used again; one with more is closed."""
WORDS_MAX = 300
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECONDS = re.compile(r"\d{1,9}", re.ASCII)
BUSY = 429
AGAIN = frozenset({408, 425})
OURS = frozenset({401, 403, 404, 405, 407, 410})
"""Refusals that are meant for us, whatever we bring: the URL or a right is wrong."""


class Webhook:
    """Posts to `url`. Every secret signs, so that a receiver may know the old one or the new one.

    `timeout_s` bounds a delivery from the connecting to the end of the answer. Redirects are not followed, and no proxy is
    asked.
    """

    def __init__(self, url: str, secrets: Sequence[str], timeout_s: float, connections: int, *, plain: bool = False) -> None:
        parts = checked(url, plain=plain)
        host = parts.hostname or ""
        self._keys = [key_of(secret) for secret in secrets]
        place = parts.netloc.rpartition("@")[2]
        self._url = parts._replace(netloc=place, fragment="").geturl()
        self._secrets = [word for word in (parts.query, parts.path) if len(word) > 1]  # often what is secret of a URL
        self.name = bounded(f"{parts.scheme}://{place}{'/…' if self._secrets else ''}", WORDS_MAX)
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=connections, timeout=urllib3.Timeout(total=timeout_s))
        self._pool.pool_classes_by_scheme = POOLS
        self._headers = {"content-type": "application/json", "user-agent": "fleetpoll-relay"}
        if parts.username is not None:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["authorization"] = f"Basic {base64.b64encode(who).decode()}"
        self._host = host

    def send(self, message_id: str, items: Sequence[dict[str, Any]]) -> Answer:
        """Post one transition as an object, several as an array."""
        body = json.dumps(items[0] if len(items) == 1 else list(items)).encode()
        headers = self._headers | signed(message_id, body, self._keys, int(time.time()))
        try:
            response = self._pool.request(
                "POST", self._url, body=body, headers=headers, retries=False, redirect=False, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return Answer(Verdict.FAILED, bounded(f"{self._host} does not answer: {reason_of(error)}", WORDS_MAX))
        said = drained(response)
        for secret in self._secrets:  # there are servers that repeat them
            said = said.replace(secret, MARK)
        return judged(response.status, response.headers.get("retry-after", ""), said, time.time())


def judged(status: int, retry_after: str, said: str, now_s: float) -> Answer:
    """What an answer means."""
    words = bounded(f"HTTP {status}{': ' if said else ''}{said}", WORDS_MAX)
    wait_s = seconds_of(retry_after, now_s)
    if 200 <= status < 300:  # noqa: PLR2004 - the hundreds of HTTP
        return Answer(Verdict.DELIVERED, words)
    if status == BUSY:
        return Answer(Verdict.BUSY, words, wait_s)
    if 400 <= status < 500 and status not in AGAIN | OURS:  # noqa: PLR2004 - the same
        return Answer(Verdict.REFUSED, words)
    return Answer(Verdict.FAILED, words, wait_s)


def seconds_of(retry_after: str, now_s: float) -> float | None:
    """The seconds of a Retry-After, which may be a date; None if there is none that can be read."""
    if SECONDS.fullmatch(retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now_s) if retry_after else None
    except (ValueError, TypeError, OverflowError):
        return None


def drained(response: urllib3.BaseHTTPResponse) -> str:
    """The beginning of an answer's body, as one line. Its connection is free, or closed if there is more than we read.

    The status has come and counts: of a body that breaks off, nothing is told.
    """
    data = b""
    try:
        data = response.read(ANSWER_MAX, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        response.close()
    if len(data) < ANSWER_MAX:
        response.release_conn()
    else:
        response.close()
    return masked(" ".join(data[: 4 * WORDS_MAX].decode("utf-8", "replace").split()))


def reason_of(error: BaseException) -> str:
    """Why there was no answer, without the URL, which may hold a secret."""
    cause = error.__cause__ or error.__context__
    inner = cause if isinstance(cause, OSError) and not isinstance(error, OSError) else error
    words = getattr(inner, "strerror", None) or str(inner).rpartition(": ")[2] or type(inner).__name__
    return masked(str(words)).rstrip(".")


def checked(url: str, *, plain: bool) -> Any:
    """The parts of a URL. Raises SettingsError, which does not repeat it, for one that will not do."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingsError("--to: the URL cannot be read: it looks like https://HOST[:PORT]/PATH.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError("--to: give a URL that begins with https://, or http:// for this machine.")
    if parts.scheme == "http" and host not in LOOPBACK and not plain:
        raise SettingsError("--to: plain http shows everybody on the way what is sent: give https://, or add --insecure.")
    return parts

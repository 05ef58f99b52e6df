"""Who may come in: the token, the sessions that it opens, and how often it may be guessed. No I/O.

A token is never in a URL and never in a log; it is compared in constant time. A session is a random word of its own, of
which only a hash is kept, in this process: a restart signs everybody out.
"""

from __future__ import annotations

import hmac
import math
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256

from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import SettingsError

TOKEN_MIN = 16
TOKEN = re.compile(rf"[!-~]{{{TOKEN_MIN},1000}}")
SESSIONS_MAX = 1_000
SESSION_S = 12 * 3600.0
WRONG_MAX = 10
"""So many wrong tokens of one address within `WRONG_S`, and none of its tokens is looked at until that has passed."""
WRONG_S = 60.0
ADDRESSES_MAX = 1_000


class Answer(StrEnum):
    """What the gate says to a token."""

    GOOD = "good"
    WRONG = "wrong"
    TOO_MANY = "too many"


class Gate:
    """Lets in who has the token, or a session; everybody if there is no token."""

    def __init__(self, token: str | None = None, *, controls: bool = False, mono: Mono = system_mono) -> None:
        if controls and token is None:
            raise SettingsError("Controls need a token: set FLEETPOLL_DASHBOARD_TOKEN, or name a file by --token-file.")
        if token is not None and not TOKEN.fullmatch(token):
            raise SettingsError(
                f"The dashboard's token is too short to be safe, or has odd signs: take {TOKEN_MIN} letters and digits"
                " or more, as `openssl rand -hex 32` makes them."
            )
        self._token, self.controls, self._mono = None if token is None else _hash(token), controls, mono
        self._sessions: OrderedDict[bytes, float] = OrderedDict()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def token_needed(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def try_token(self, token: str, address: str) -> Answer:
        """Whether that is the token. An address that has given too many wrong ones is not heard for a while."""
        if self._token is None:
            return Answer.WRONG
        now, wrong = self._mono(), self._wrong.get(address, deque[float]())
        while wrong and now - wrong[0] > WRONG_S:
            wrong.popleft()
        if len(wrong) >= WRONG_MAX:
            return Answer.TOO_MANY
        if hmac.compare_digest(_hash(token), self._token):
            return Answer.GOOD
        wrong.append(now)
        self._wrong[address] = wrong
        self._wrong.move_to_end(address)
        _keep(self._wrong, ADDRESSES_MAX)
        return Answer.WRONG

    def open_session(self) -> str:
        """A new session: the word that its cookie holds."""
        word = secrets.token_urlsafe(32)
        self._sessions[_hash(word)] = self._mono() + SESSION_S
        _keep(self._sessions, SESSIONS_MAX)
        return word

    def in_session(self, word: str) -> bool:
        """Whether a session has that word, and is not over."""
        return self._sessions.get(_hash(word), -math.inf) > self._mono()

    def close_session(self, word: str) -> None:
        """Sign out."""
        self._sessions.pop(_hash(word), None)


def _hash(word: str) -> bytes:
    """What is kept of a word, and compared: its length tells nothing, nor does how soon a comparison ends."""
    return sha256(word.encode("utf-8", "surrogatepass")).digest()


def _keep(table: OrderedDict[bytes, float] | OrderedDict[str, deque[float]], most: int) -> None:
    """Forget the oldest."""
    pop: Callable[..., object] = table.popitem
    while len(table) > most:
        pop(last=False)

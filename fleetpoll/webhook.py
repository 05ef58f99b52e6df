"""Signatures of webhooks after the Standard Webhooks scheme: how `fleetpoll relay` signs, and how a receiver verifies.

Needs nothing but the standard library. A secret is `whsec_` and the base64 of 24 to 64 random bytes; while one is being
replaced there are two, and a message is good if it is signed with either.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets as randomness
import time
from collections.abc import Mapping, Sequence

from fleetpoll.errors import BadSignature, SettingsError

PREFIX = "whsec_"
BYTES_MIN, BYTES_MAX = 24, 64
TOLERANCE_S = 300.0
"""How old a message may be, or how far ahead of the receiver's clock: who has recorded an older one cannot send it again."""
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
STAMP = re.compile(r"\d{1,12}", re.ASCII)


def new_secret() -> str:
    """A secret that nobody has yet."""
    return PREFIX + base64.b64encode(randomness.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises SettingsError, which does not repeat it, for what is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not BYTES_MIN <= len(key) <= BYTES_MAX:
        raise SettingsError(
            f"A secret for webhooks is {PREFIX} and the base64 of {BYTES_MIN} to {BYTES_MAX} bytes:"
            " `fleetpoll relay secret` makes one."
        )
    return key


def signed(message_id: str, body: bytes, keys: Sequence[bytes], now_s: int) -> dict[str, str]:
    """The headers of a message: who it is, when it was sent, and a signature with each of the keys."""
    stamp = str(now_s)
    signatures = " ".join(signature(message_id, stamp, body, key) for key in keys)
    return {ID: message_id, TIMESTAMP: stamp} | ({SIGNATURE: signatures} if keys else {})


def signature(message_id: str, stamp: str, body: bytes, key: bytes) -> str:
    """One signature: the scheme's version, and HMAC-SHA256 over id, time and body."""
    content = f"{message_id}.{stamp}.".encode(errors="surrogatepass") + body  # servers may have read a header as such
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> str:
    """Raise BadSignature unless the holder of one of the secrets has sent this body lately. Returns the message's id.

    The id of a message that is sent again is the same: drop what you have had. `body` is what came, not parsed and
    written anew; the names of `headers` may be in any case.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if missing := [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in given]:
        raise BadSignature(f"The message is not signed: it has no {', '.join(missing)}.")
    message_id, stamp = given[ID], given[TIMESTAMP]
    if not STAMP.fullmatch(stamp):
        raise BadSignature(f"{TIMESTAMP} is not in seconds since 1970.")
    if abs((time.time() if now_s is None else now_s) - int(stamp)) > tolerance_s:
        raise BadSignature(f"The message is not from within {tolerance_s:g} s of now: is it repeated, or a clock wrong?")
    expected = [signature(message_id, stamp, body, key_of(secret)).encode() for secret in secrets]
    found = [word.encode(errors="surrogatepass") for word in given[SIGNATURE].split(" ")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in found):
        raise BadSignature("The message is not signed with any of these secrets.")
    return message_id

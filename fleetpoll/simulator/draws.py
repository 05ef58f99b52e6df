"""The draws that everything random of a job follows from. Pure."""

from __future__ import annotations

import hashlib
import struct

from fleetpoll.lifetimes.laws import RESOLUTION


def draws(seed: int, job_id: str, part: int) -> tuple[float, ...]:
    """Eight numbers in [0, 1) that depend on nothing else; the same on every machine and Python."""
    digest = hashlib.blake2b(f"{seed}/{job_id}/{part}".encode(), digest_size=32).digest()
    return tuple(number / RESOLUTION for number in struct.unpack("<8I", digest))

"""How a snapshot stands in the ledger: a JSON array, without what every reader knows anyway.

Of a million jobs each byte is a megabyte, and servers hand out memory in steps. So what is last and says nothing is left
out, a log stream does not repeat the definition's name, and AWS's usual word on a job that ended is a sign. Whatever release
wrote a record, each reads it: one that does not know the signs shows them, and writes the record in full with its next look.
"""

from __future__ import annotations

import re

import msgspec

from fleetpoll.jobs import JobStatus, Snapshot

SIGN = ":"
"""The whole of a status reason: USUAL, so that one which is signs alone has one more. Before a log stream: its usual
beginning; no name of a log stream has a colon."""
SIGNS = re.compile(f"{SIGN}+")
USUAL = "Essential container in task exited"
UNREADABLE = Snapshot(status=JobStatus.UNKNOWN)
EMPTY_END = re.compile(r'(?:,""){0,2}(?:,0){0,4}\]\Z')
"""Two words and four numbers are what a snapshot ends with; an exit code, whose 0 is not its default, stands before them."""
NEW_HEAD, NEW_TAIL = '["UNSEEN",', "]"
"""The record of a job that was never seen, around the moment that only the server's clock knows."""

_decode = msgspec.json.Decoder(Snapshot).decode
_encode = msgspec.json.Encoder().encode
_replace, _set = msgspec.structs.replace, msgspec.structs.force_setattr


def packed(snapshot: Snapshot) -> str:
    """A snapshot as the ledger has it."""
    usual = beginning(snapshot.job_definition)
    if snapshot.log_stream.startswith(usual):
        snapshot = _replace(snapshot, log_stream=SIGN + snapshot.log_stream[len(usual) :])
    if snapshot.status_reason == USUAL:
        snapshot = _replace(snapshot, status_reason=SIGN)
    elif SIGNS.fullmatch(snapshot.status_reason):
        snapshot = _replace(snapshot, status_reason=SIGN + snapshot.status_reason)
    return EMPTY_END.sub("]", _encode(snapshot).decode())


def record(text: str) -> Snapshot:
    """What a record tells; one that cannot be read is UNKNOWN, and the next look at its job writes it anew."""
    try:
        snapshot = _decode(text)
    except (ValueError, RecursionError):
        return UNREADABLE
    if snapshot.log_stream.startswith(SIGN):
        _set(snapshot, "log_stream", beginning(snapshot.job_definition) + snapshot.log_stream[1:])
    if SIGNS.fullmatch(snapshot.status_reason):
        _set(snapshot, "status_reason", snapshot.status_reason[1:] or USUAL)
    return snapshot


def beginning(definition: str) -> str:
    """What AWS begins the names of the log streams of a definition's jobs with."""
    return f"{definition.partition(SIGN)[0]}/default/"

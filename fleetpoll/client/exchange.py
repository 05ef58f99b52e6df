"""What was learnt, as text to carry from one fleet to another: one group of jobs a line, as JSON.

    {"version": 1, "status": "RUNNING", "level": "definition", "name": "align", "counts": [[19, 2.0, 31.5], …]}

`counts` holds [age bucket, exits, seconds at risk], see cadence/ages.py. Should any of it mean something else one day, that
is another version.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from fleetpoll.cadence.ages import BUCKETS
from fleetpoll.cadence.dwell import ALL, EXITS_KEPT, Dwell, Group
from fleetpoll.cadence.stays import COUNTED
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus

Bucket = Annotated[int, msgspec.Meta(ge=0, lt=BUCKETS)]
Count = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One group of jobs."""

    version: Literal[1]
    status: JobStatus
    level: str
    name: str
    counts: list[tuple[Bucket, Count, Count]]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def to_text(group: Group, dwell: Dwell) -> str:
    """What is known of a group, as one line."""
    counts = enumerate(zip(dwell.exits, dwell.at_risk_s, strict=True))
    told = [(bucket, round(exits, 3), round(seconds, 3)) for bucket, (exits, seconds) in counts if exits or seconds]
    return _encode(Line(1, group.status, group.level, group.name, told)).decode()


def from_text(text: str) -> tuple[Group, Dwell]:
    """What a line tells. Raises SettingsError that says why it tells nothing."""
    try:
        line = _decode(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if line.status not in COUNTED:
        raise SettingsError("No stay is counted in this status: it is one of " + ", ".join(sorted(COUNTED)))
    if line.level not in EXITS_KEPT or (line.level == ALL and line.name):
        raise SettingsError("A level is queue or definition, or all, without a name")
    dwell = Dwell()
    for bucket, exits, seconds in line.counts:
        dwell.exits[bucket] += exits
        dwell.at_risk_s[bucket] += seconds
    return Group(line.status, line.level, line.name), dwell

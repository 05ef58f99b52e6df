"""The job ids that users give, held against the form that AWS's have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import as_job_id

NO_PARENT = re.compile(r"[:#]")


def parents(ids: Sequence[str]) -> Sequence[str]:
    """The ids, as long as each may be that of an array."""
    for job_id in ids:
        if NO_PARENT.search(job_id):
            raise SettingsError(f"{job_id} has no children: to follow those of an array, give the array's own id.")
    return ids


def checked(ids: Iterable[str]) -> Iterator[str]:
    """The ids in AWS's spelling, as long as each has the form of one."""
    if isinstance(ids, str):
        raise SettingsError(f"One id, {ids!r}, where a list of ids is wanted: give [{ids!r}].")
    for text in ids:
        job_id = as_job_id(text)
        if job_id is None:
            raise SettingsError(f"{text!r} is no job id: give a UUID, UUID:index or UUID#node.")
        yield job_id

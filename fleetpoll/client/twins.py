"""Fleets of one file that are one and the same to AWS: each believes that it has the allowance for itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from fleetpoll.awsbatch.whose import place_of
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.many import AT_ONCE
from fleetpoll.errors import AwsError, SettingsError
from fleetpoll.settings import Settings

ADVICE = "AWS counts their calls together, and they do not: track these jobs in one fleet, or divide `rate` between them."

Place = tuple[str | None, ...]


def check_twins(fleets: Sequence[Settings], *, aws: bool) -> Iterator[Finding]:
    """A warning for each account and Region that several fleets have; with `aws`, STS says whose credentials are whose."""
    places: dict[Place, list[str]] = defaultdict(list)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for settings, place in zip(fleets, pool.map(partial(_place, aws=aws), fleets), strict=True):
            places[place].append(settings.fleet)
    for place, names in places.items():
        if len(names) > 1:
            where = " in ".join(filter(None, place[:2])) or "the same account and Region"
            yield Finding("allowance", Grade.WARN, f"{', '.join(names)} share one: they are all of {where}", ADVICE)


def _place(settings: Settings, *, aws: bool) -> Place:
    """The account and Region of a fleet, as far as it can be told; else the settings that make them."""
    if aws:
        try:
            return (*place_of(settings), settings.endpoint_url)
        except (AwsError, SettingsError):  # which the check of this fleet's AWS reports
            pass
    return settings.role_account or settings.profile, settings.region, settings.endpoint_url

"""The fleets of one file: `[fleets.NAME]` is a fleet, with settings of its own on top of those that all have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetpoll.errors import SettingsError
from fleetpoll.settings import SECTIONS, Settings, Sources, read

IDENTITY = ("region", "profile", "role_arn", "external_id")
"""What makes a fleet that of an account and Region: no flag may give several fleets the same."""


def load_fleets(
    environ: Mapping[str, str],
    config: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    flags_from: str = "the command line",
) -> tuple[Settings, ...]:
    """The settings of each fleet in the file, in its order; of one, if `fleet` names it or the file has no sections.

    Raises SettingsError as `load` does, and for flags that would make one fleet of several.
    """
    sources = read(environ, config, flags, flags_from)
    if not sources.sections or sources.named is not None:
        return (sources.one(),)
    _refuse_one_identity(sources, flags_from)
    return tuple(sources.fleet(name) for name in sources.sections)


def names_of(config: str | Path | None) -> list[str]:
    """What the fleets of a file are called; none if it has no sections. Raises SettingsError."""
    return list(read({}, config, None, "").sections)


def _refuse_one_identity(sources: Sources, flags_from: str) -> None:
    """Raises SettingsError for a flag that would overrule what a section says of a fleet's account and Region."""
    for name in IDENTITY:
        if name not in sources.flags:
            continue
        differ = [
            fleet for fleet, own in sources.sections.items() if own.get(name, sources.flags[name]) != sources.flags[name]
        ]
        if differ and len(sources.sections) > 1:
            raise SettingsError(
                f"{flags_from}: {name} would be that of all {len(sources.sections)} fleets, and [{SECTIONS}.{differ[0]}]"
                f" says otherwise. Name one fleet by --fleet, or set it in the sections."
            )

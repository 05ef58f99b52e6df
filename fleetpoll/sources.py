"""What a TOML file and the environment say, before anybody looks at what it means."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleetpoll.errors import SettingsError

PREFIX = "FLEETPOLL_"
NOT_SETTINGS = frozenset(
    {"FLEETPOLL_CONFIG", "FLEETPOLL_DASHBOARD_TOKEN", "FLEETPOLL_RELAY_TO", "FLEETPOLL_RELAY_SECRET"}
    # What a command of `relay --exec` is told of a transition: it may be fleetpoll itself.
    | {f"FLEETPOLL_{name}" for name in ("EVENT", "JOB_ID", "JOB_NAME", "FROM", "TO", "EXIT_CODE", "REASON")}
)

SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")
"""What Kubernetes puts into the environment of every container beside a Service named fleetpoll-something."""

UNQUOTED = re.compile(r"^\s*\[\s*fleets\.[^]\"']*[/@+]", re.MULTILINE)
QUOTES = 'The name of a fleet that has one of . / @ + in it needs quotes: [fleets."prod/eu"].'


def from_file(path: Path) -> dict[str, Any]:
    """All that a TOML file says. Raises SettingsError that names it."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = f" {QUOTES}" if UNQUOTED.search(text) else ""
        raise SettingsError(f"The configuration file {path} is not TOML: {error}.{hint}") from None
    except ValueError:  # of the path itself
        raise SettingsError(f"The configuration file {str(path)!r} cannot be read: that is no path.") from None


def from_environ(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The settings of these `names`, in variables FLEETPOLL_<NAME>. Raises SettingsError for another one."""
    known = {PREFIX + name.upper(): name for name in names}
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or SERVICE_LINK.search(variable):
            continue
        if not value:  # compose and systemd write X= for a variable that is not set
            continue
        if variable not in known:
            near = did_you_mean(variable, [*known, *NOT_SETTINGS])
            raise SettingsError(f"The environment sets {variable}, which is no setting{near}")
        values[known[variable]] = value
    return values


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a refusal: '; did you mean X?' when a known word is near, else '.'."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "."

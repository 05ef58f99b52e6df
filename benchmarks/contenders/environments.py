"""Throw-away virtual environments for contenders whose packages must not mix with ours.

Each is made from its pinned list, contenders/requirements-NAME.txt, in the folder that BENCH_ENVIRONMENTS names, else in a
temporary one that goes with this process.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = "BENCH_ENVIRONMENTS"
VERSIONS = (
    "import json, sys; from importlib.metadata import version; print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
)


@cache
def python_of(environment: str) -> Path:
    """The interpreter of an environment, which is made if need be; ours for the empty name."""
    if not environment:
        return Path(sys.executable)
    requirements = HERE / f"requirements-{environment}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    venv = _folder() / f"{environment}-{wanted[:12]}"
    python, stamp = venv / "bin" / "python", venv / ".complete"
    if not stamp.exists():
        print(f"installing {requirements.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip: list[str | Path] = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-r", requirements], check=True)
        stamp.touch()  # last: an install that was cut off is done again
    return python


def versions(environment: str, packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of these packages in an environment."""
    if not environment:
        return {name: version(name) for name in packages}
    command: list[str | Path] = [python_of(environment), "-c", VERSIONS, *packages]
    found: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _folder() -> Path:
    named = os.environ.get(FOLDER)
    return Path(named).expanduser() if named else _temporary()


@cache
def _temporary() -> Path:
    keep = tempfile.TemporaryDirectory(prefix="fleetpoll-bench-")
    _KEPT.append(keep)
    return Path(keep.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []  # each removes its folder when the process ends

"""`python -m fleetpoll.simulator`: the pretend AWS Batch as a process of its own."""

from __future__ import annotations

import sys

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.flags import parse_config
from fleetpoll.simulator.server import run


def announce(url: str) -> None:
    """Say where we are: whoever started us waits for this line."""
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Be the simulator until told to stop; returns the exit code."""
    try:
        run(parse_config(arguments), announce)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

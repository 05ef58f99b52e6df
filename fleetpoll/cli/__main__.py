"""The entrance of the console script. Worker processes import this module, too: nothing happens on import."""

from __future__ import annotations

import io
import sys

from fleetpoll.cli.interrupts import keep_interrupts
from fleetpoll.cli.root import root


def main() -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a job's name must not fail because of somebody's locale
    keep_interrupts()
    root.main(prog_name="fleetpoll")


if __name__ == "__main__":
    main()

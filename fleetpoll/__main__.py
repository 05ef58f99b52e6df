"""`python -m fleetpoll` is the command line."""

from __future__ import annotations

from fleetpoll.cli.__main__ import main

if __name__ == "__main__":
    main()

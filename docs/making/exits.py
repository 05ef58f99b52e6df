"""docs/reference/exit-codes.md: every exit code, when, and which error of Python's is the same."""

from __future__ import annotations

import inspect

from docs.making.comments import beside
from fleetpoll.cli import exits

HEAD = """# Exit codes

<!-- Made by `python3 dev.py docs` from fleetpoll/cli/exits.py. -->

Where sysexits(3) has a number for it, that is the number. A command that fails prints one sentence to standard error:
what is wrong, and what to do.

| code | name | when | error in Python |
|--:|---|---|---|
"""
GOOD = "all went well; wait: all jobs succeeded, or run (`--for running`)"
TAIL = """
`wait` has several at once: 124 comes before 3, 3 before 1. A script that only wants to know whether all jobs succeeded
tests for 0. `75` and `69` are worth another try, the others are not.
"""


def page() -> str:
    """One row a code."""
    said = beside(inspect.getsource(exits)) | {
        "OK": "all went well; `wait`: all jobs succeeded (or run, with `--for running`)"
    }
    codes = {name: code for name, code in vars(exits).items() if name.isupper() and isinstance(code, int)}
    return (
        HEAD + "".join(row(name, code, said[name]) for name, code in sorted(codes.items(), key=lambda pair: pair[1])) + TAIL
    )


def row(name: str, code: int, when: str) -> str:
    """The line of one code."""
    errors = ", ".join(f"`{kind.__name__}`" for kind, number in exits.ERRORS if number == code)
    return f"| {code} | {name} | {when} | {errors} |\n"

"""How long is searched, and with which inputs: the same few each time by default, many new ones in a soak."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

COMMON: dict[str, Any] = {
    "deadline": None,  # the machine may be busy; what takes too long is told by pytest's time-out
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    "database": None,
}


def quick(examples: int) -> settings:
    """The same few inputs in each run."""
    return settings(max_examples=examples, derandomize=True, **COMMON)


def long(examples: int) -> settings:
    """New inputs in each run; a failure prints what brings it back."""
    return settings(max_examples=examples, print_blob=True, **COMMON)


NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "0.5",
    "1e3",
    "1e308",
    "-1e309",
    "nan",
    "inf",
    "-inf",
    "9" * 40,
    "0x10",
    "1_000",
    "٣",
    "1:2",
    "2:1",
]
ODD = [
    "",
    " ",
    "\t\n",
    "-",
    "--",
    "=",
    "a=b",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\udc80",
    "x" * 5000,
    "nowhere/at/all",
    ".",
    "/dev/null",
]
IDS = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002:3",
    "00000000-0000-4000-8000-00000000000G",
]
WORDS = [
    "RUNNING",
    "running",
    "SubmitJob",
    "describe=1",
    "describe=1:1",
    "describe=nan",
    "0-0",
    "1-1",
    "{}",
    "[]",
    "null",
    "true",
]
junk = st.sampled_from([*NUMBERS, *ODD, *IDS, *WORDS]) | st.text(max_size=12)
"""What somebody, or a script that has gone wrong, may give where something else is wanted."""

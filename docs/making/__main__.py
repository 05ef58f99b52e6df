"""`python -m docs.making`: write the pages that follow from the code."""

from __future__ import annotations

import sys

from docs.making.pages import write

for path in write():
    print(f"written: {path}", file=sys.stderr)  # noqa: T201 - a script tells what it did

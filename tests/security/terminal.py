"""A terminal, as a command sees one: what it writes there is read from the other side."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence

EVIL = "\x1b]0;owned\x07\x1b[5m\x9b5m\rfake\u202egnp.exe\u2066\x7f [blink]x[/blink] :bomb: \b\b"
"""What a job may be called by somebody who does not mean well: commands to terminals, and rich's own markup."""
COMMANDS = ("\x1b]0;", "\x1b[5m", "\x9b", "\rfake", "\u202e", "\u2066", "\x7f", "\x07", "\b")
"""What of it must never arrive; rich's blink is ESC [5m as well."""


def on_terminal(words: Sequence[str], env: dict[str, str]) -> str:
    """All that a command writes to a terminal of 200 columns, on standard output and standard error."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    given = os.environ | env | {"TERM": "xterm-256color"}
    with subprocess.Popen(words, env=given, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        parts = []
        while part := _read(master):
            parts.append(part)
        process.wait(30)
    os.close(master)
    return b"".join(parts).decode(errors="surrogateescape")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # the other side is gone
        return b""


def orders_in(text: str) -> list[str]:
    """The commands of EVIL that came through."""
    return [command for command in COMMANDS if command in text]

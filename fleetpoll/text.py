"""Text of other people's, made harmless: for a terminal, for a log, for a record of bounded size."""

from __future__ import annotations

import re

MARK = "***"
"""What stands where a secret stood."""
USERINFO = re.compile(r"(?<=://).*@")  # to the last @ of the line: a password may hold one, and spaces; rather too much
SECRET_PARTS = re.compile(
    r"(?i)\b((?:ssl_)?password|x-amz-security-token|x-amz-signature|signature|aws_secret_access_key|aws_session_token)"
    r"(\s*[=:]\s*)[^\s&'\",]+"
)


def safe(text: str) -> str:
    """The text with everything that does not print escaped: control characters, ANSI sequences, bidi overrides."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def safe_lines(text: str) -> str:
    """The same for text of several lines, which stay."""
    return "\n".join(safe(line) for line in text.split("\n"))


def masked(text: str) -> str:
    """The text without the passwords of URLs in it, and without what AWS repeats of a signed request."""
    return SECRET_PARTS.sub(rf"\1\2{MARK}", USERINFO.sub(f"{MARK}@", text))


def bounded(text: str, most: int) -> str:
    """The text, of which at most so many characters are kept; what was cut off is told by an ellipsis at its end."""
    return text if len(text) <= most else text[: most - 1] + "…"

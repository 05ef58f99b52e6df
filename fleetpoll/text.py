"""Text of other people's, made harmless: for a terminal, for a log, for a record of bounded size. And numbers as words."""

from __future__ import annotations

import re

MARK = "***"
"""What stands where a secret stood."""
SECRETS = (
    (re.compile(r"(?i)(?<=[?&])(\w*password=)[^&\s]*"), rf"\1{MARK}"),  # of a URL's query, whatever signs it holds
    (
        re.compile(r"(?<=://).*@"),
        f"{MARK}@",
    ),  # to the line's last @: a password may hold one, and spaces
    # A signature that does not match is explained by AWS with all that was signed, the session token included.
    (
        re.compile(
            r"(?i)\b((?<![?&])\w*password|x-amz-security-token|(?:x-amz-)?signature|authorization|credential"
            r"|session_?token|aws_session_token|secret_?access_?key|aws_secret_access_key)"
            r"(\W{0,3}[:=]\W{0,3})(?:AWS4-\S+ )?[^\s&,'\"]+"
        ),
        rf"\1\2{MARK}",
    ),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), MARK),  # what webhooks are signed with
    (re.compile(r"\b(?:A3T|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{12,}\b"), MARK),  # access key ids
    (re.compile(r"[A-Za-z0-9+/=_-]{100,}"), MARK),  # whatever else may be a token
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
    """The text without the passwords of URLs in it, without access keys, and what AWS repeats of a signed request."""
    for secret, instead in SECRETS:
        text = secret.sub(instead, text)
    return text


def bounded(text: str, most: int) -> str:
    """The text, of which at most so many characters are kept; what was cut off is told by an ellipsis at its end."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plural(count: int, word: str) -> str:
    """'1 job', '2,000 jobs'."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def span(duration_s: float | None) -> str:
    """A duration in two figures or so: '0.8 s', '12 s', '3 m', '5 h', '2 d'; '-' if it is not known."""
    if duration_s is None:
        return "-"
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if duration_s >= 2 * size_s:
            return f"{duration_s / size_s:.0f} {unit}"
    return f"{duration_s:.1f} s" if duration_s < 10 else f"{duration_s:.0f} s"  # noqa: PLR2004 - one decimal for one digit

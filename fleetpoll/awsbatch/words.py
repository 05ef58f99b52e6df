"""What is said of a failure of AWS's: AWS's own words without secrets, and what to do about it. Loads no SDK."""

from __future__ import annotations

import re

WORDS_MAX = 500
HIDDEN = "***"
SECRETS = (
    # A signature that does not match is explained by AWS with all that was signed, the session token included.
    (re.compile(r"(?i)\b(x-amz-security-token|authorization|credential|signature|session_?token|secret_?access_?key)"
                r"(\W{0,3}[:=]\W{0,3})(?:AWS4-\S+ )?[^\s,'\"]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"\b(?:A3T|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{12,}\b"), HIDDEN),  # access key ids
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{HIDDEN}@"),  # a proxy's password
    (re.compile(r"[A-Za-z0-9+/=_-]{100,}"), HIDDEN),  # whatever else may be a token
)  # fmt: skip
CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")

SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
SKEW = re.compile(r"(?i)signature (?:expired|not yet current)|clock|too skewed")
MISSING = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
UNKNOWN = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken", "AuthFailure"})

ADVICE = {
    "timeout": "Check the network between the workers and AWS; raise read_timeout if answers are only slow.",
    "connection": "Check endpoint_url, proxies, security groups and routes of the workers' hosts.",
    "dns": "Check Region and endpoint_url, and the DNS of the workers' hosts.",
    "server": "AWS Batch itself fails: see the AWS Health Dashboard. The fleet goes on by itself.",
    "body": "Somebody else than AWS Batch answers, or cuts answers short: check endpoint_url and proxies.",
    "refused": "AWS refuses the content of calls: fleetpoll jobs --status REJECTED shows which jobs.",
}


def tidy(words: str) -> str:
    """Somebody else's words in one line of bounded length, with what may be a secret hidden."""
    line = CONTROL.sub(" ", words).strip()
    for secret, instead in SECRETS:
        line = secret.sub(instead, line)
    return line if len(line) <= WORDS_MAX else line[: WORDS_MAX - 1] + "…"


def advice(kind: str, code: str, words: str) -> str:
    """What to do about a failure of that kind, in a sentence; '' if there is nothing to be done."""
    return denied(code, words) if kind == "denied" else ADVICE.get(kind, "")


def denied(code: str, words: str) -> str:
    """What to do about a denial. Workers look for new credentials by themselves before each try."""
    if code in SKEWED or SKEW.search(words):
        return "Set the clock of the workers' hosts (NTP): AWS refuses what was signed minutes before or after its own time."
    if code.startswith("Expired"):
        return "Renew the credentials; the workers take the new ones by themselves."
    if code in MISSING:
        return "Give the workers credentials (a role, a profile, AWS_… variables); files and roles are found by themselves."
    if code in UNKNOWN:
        return "AWS does not know these credentials: check the access key, the Region and whose account it is."
    if code.startswith("AccessDenied") or code in {"UnauthorizedOperation", "NotAuthorized"}:
        return "Allow batch:DescribeJobs to this user or role; the workers notice by themselves."
    return "Check the credentials and the policy; the workers take new credentials by themselves."

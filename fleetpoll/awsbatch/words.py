"""What is said of a failure of AWS's: AWS's own words without secrets, and what to do about it. Loads no SDK."""

from __future__ import annotations

import re

from fleetpoll.text import bounded, masked

WORDS_MAX = 500
CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")

SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
SKEW = re.compile(r"(?i)signature (?:expired|not yet current)|clock|too skewed")
MISSING = dict.fromkeys(
    ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
    "Give the workers credentials (a role, a profile, AWS_… variables); files and roles are found by themselves.",
)
UNKNOWN = dict.fromkeys(
    ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken", "AuthFailure"),
    "AWS does not know these credentials: check the access key, the Region and whose account it is.",
)
BY_CODE = MISSING | UNKNOWN

OF_STS = re.compile(r"AWS STS\b|AssumeRole|GetCallerIdentity")
"""In the words of failures to get credentials."""
STS_AWAY = "Check the way from the workers to STS of their Region: AWS_ENDPOINT_URL_STS, proxies, a VPC endpoint for STS."
STS_DENIES = (
    "Check role_arn and external_id: the role's trust policy must name who calls and the external id, and the caller's own"
    " policy must allow sts:AssumeRole; the workers notice by themselves."
)

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
    return bounded(masked(CONTROL.sub(" ", words).strip()), WORDS_MAX)


def advice(kind: str, code: str, words: str) -> str:
    """What to do about a failure of that kind, in a sentence; '' if there is nothing to be done."""
    if kind == "denied":
        return denied(code, words)
    return STS_AWAY if OF_STS.search(words) else ADVICE.get(kind, "")


def denied(code: str, words: str) -> str:
    """What to do about a denial. Workers look for new credentials by themselves before each try."""
    if code in SKEWED or SKEW.search(words):
        return "Set the clock of the workers' hosts (NTP): AWS refuses what was signed minutes before or after its own time."
    if code.startswith("Expired"):
        return "Renew the credentials; the workers take the new ones by themselves."
    if code in BY_CODE:
        return BY_CODE[code]
    if OF_STS.search(words):
        return STS_DENIES
    if code.startswith("AccessDenied") or code in {"UnauthorizedOperation", "NotAuthorized"}:
        return "Allow batch:DescribeJobs to this user or role; the workers notice by themselves."
    return "Check the credentials and the policy; the workers take new credentials by themselves."

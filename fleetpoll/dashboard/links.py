"""Where AWS's own console shows a job and its log."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from fleetpoll.jobs import Snapshot
from fleetpoll.settings import Settings

LOG_GROUP = "/aws/batch/job"
"""Where AWS Batch sends a job's output if its definition says nothing else."""
DOMAINS = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}


def region_of(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The Region whose console shows a fleet; None if it is not known, or if the fleet asks no AWS, but a simulator."""
    endpoint = settings.endpoint_url or environ.get("AWS_ENDPOINT_URL_BATCH") or environ.get("AWS_ENDPOINT_URL")
    if endpoint and ".amazonaws.com" not in (urlsplit(endpoint).hostname or ""):
        return None
    return settings.region or environ.get("AWS_DEFAULT_REGION") or None


def console_url(job_id: str, region: str | None) -> str | None:
    """The console's page of a job; None if the Region is not known."""
    if not region:
        return None
    return f"https://{_host(region)}/batch/home?region={quote(region, safe='')}#jobs/detail/{quote(job_id, safe='')}"


def log_url(job: Snapshot, region: str | None) -> str | None:
    """The console's page of a job's log; None if there is none yet, or the Region is not known."""
    if not region or not job.log_stream:
        return None
    where = f"log-groups/log-group/{_twice(LOG_GROUP)}/log-events/{_twice(job.log_stream)}"
    return f"https://{_host(region)}/cloudwatch/home?region={quote(region, safe='')}#logsV2:{where}"


def _host(region: str) -> str:
    """The console of a Region; a Region is a plain word, or its console is nobody's."""
    domain = next((DOMAINS[start] for start in DOMAINS if region.startswith(start)), "console.aws.amazon.com")
    return f"{quote(region, safe='')}.{domain}"


def _twice(text: str) -> str:
    """Escaped as the console wants it in its fragment: twice, and $ for the first %."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")

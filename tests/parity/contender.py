"""What the cases of the hook's behaviour need to know of who is to behave so: Airflow's own hooks, and ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

JOB = "8222a1c2-b246-4e19-b1b8-0039bb4407c0"
REGION = "eu-west-3"


@dataclass(frozen=True)
class Contender:
    """How to make a client, or one with waiters, on an AWS client, and which error it raises."""

    name: str
    client: Callable[..., Any]
    waiters: Callable[..., Any]
    error: type[Exception]
    seed: Callable[[int], None]  # makes all that is drawn from now on the same in each run


class Scripted:
    """An AWS client that answers as it was told, the last answer for ever, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Any]()
        self.meta = SimpleNamespace(region_name=REGION)

    def describe_jobs(self, *, jobs: list[str]) -> Any:
        """The next answer."""
        return self._answer(jobs)

    def terminate_job(self, *, jobId: str, reason: str) -> Any:  # noqa: N803 - AWS's names
        """The next answer."""
        return self._answer((jobId, reason))

    def submit_job(self, *, jobName: str, jobQueue: str, jobDefinition: str, **more: Any) -> Any:  # noqa: N803 - the same
        """The next answer."""
        return self._answer((jobName, jobQueue, jobDefinition, more))

    def get_waiter(self, waiterName: str, /) -> Any:  # noqa: N803 - the same
        """AWS Batch has none."""
        raise ValueError(waiterName)

    def _answer(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Scene:
    """A client on a scripted AWS; its sleeps are noted and not slept, its draws are known, its log is kept."""

    hook: Any
    aws: Scripted
    happened: list[Any] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    @property
    def slept(self) -> list[Any]:
        """The arguments of `delay`, in order."""
        return [what[1] for what in self.happened if what[0] == "delay"]


def scene(contender: Contender, *answers: Any, **limits: int) -> Scene:
    """Set the scene. A pause after n tries is n/100."""
    aws = Scripted(*answers)
    it = Scene(contender.client(aws, **limits), aws)

    def delay(seconds: float | None = None) -> None:
        it.happened.append(("delay", seconds))

    it.hook.delay = delay
    it.hook.exponential_delay = lambda tries: tries / 100
    listen(it.hook, it.logged)
    return it


def listen(hook: Any, logged: list[str]) -> None:
    """Keep what a client logs, as LEVEL message."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(f"{record.levelname} {record.getMessage()}")

    logger = logging.getLogger("parity")
    logger.handlers, logger.propagate = [Keep()], False
    logger.setLevel(logging.DEBUG)
    hook.__dict__["_log" if hasattr(hook, "conn_region_name") else "log"] = logger


def described(status: str | None, job_id: str = JOB, **more: Any) -> dict[str, Any]:
    """One answer of DescribeJobs."""
    return {"jobs": [{"jobId": job_id, "status": status, **more}]}


def refused(code: str, http: int = 400) -> ClientError:
    """AWS's refusal, as botocore raises it."""
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": http}}
    return ClientError(response, "DescribeJobs")


THROTTLED = refused("TooManyRequestsException", 429)

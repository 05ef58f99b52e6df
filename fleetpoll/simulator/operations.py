"""The five operations of the API: a request's body in, an answer's body out, or an ApiError."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fleetpoll.jobs import AWS_STATUSES, JobStatus
from fleetpoll.simulator.account import ApiError
from fleetpoll.simulator.config import Operation
from fleetpoll.simulator.descriptions import revised
from fleetpoll.simulator.lifecycle import CANCELLABLE, MAX_ATTEMPTS, cut, gather
from fleetpoll.simulator.wire import request_id
from fleetpoll.simulator.witness import IDS_PER_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fleetpoll.simulator.account import Account
    from fleetpoll.simulator.descriptions import Look
    from fleetpoll.simulator.lifecycle import Life
    from fleetpoll.simulator.records import SimulatedJob

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
DEFINITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}(:\d+)?")
ARRAY_MIN, ARRAY_MAX = 2, 10_000
NODES_MAX = 1_000
PAGE_MAX = 1_000  # with jobStatus, as on AWS

T = TypeVar("T")


class DescribeRequest(msgspec.Struct):
    """DescribeJobs."""

    jobs: list[str] = []


class RetryStrategy(msgspec.Struct, frozen=True):
    """How often a job may try."""

    attempts: int = 1


class ArrayProperties(msgspec.Struct, frozen=True):
    """How many children an array has."""

    size: int = 0


class NodeOverrides(msgspec.Struct, frozen=True, rename="camel"):
    """How many nodes a multi-node parallel job has."""

    num_nodes: int = 0


class Variable(msgspec.Struct, frozen=True):
    """One of a container's environment."""

    name: str
    value: str = ""


class ContainerOverrides(msgspec.Struct, frozen=True):
    """What a job's container has of its own."""

    environment: tuple[Variable, ...] = ()
    command: tuple[str, ...] = ()


class SubmitRequest(msgspec.Struct, rename="camel"):
    """SubmitJob."""

    job_name: str
    job_queue: str
    job_definition: str
    retry_strategy: RetryStrategy = RetryStrategy()
    array_properties: ArrayProperties | None = None
    node_overrides: NodeOverrides | None = None
    tags: dict[str, str] = {}
    parameters: dict[str, str] = {}
    container_overrides: ContainerOverrides = ContainerOverrides()

    def own(self) -> dict[str, Any]:
        """What a description repeats of it."""
        overrides = self.container_overrides
        return {
            "tags": tuple(sorted(self.tags.items())),
            "parameters": tuple(sorted(self.parameters.items())),
            "environment": tuple((one.name, one.value) for one in overrides.environment),
            "command": overrides.command,
        }


class EndRequest(msgspec.Struct, rename="camel"):
    """TerminateJob and CancelJob."""

    job_id: str
    reason: str


class Filter(msgspec.Struct, frozen=True):
    """What a list is filtered by."""

    name: str = ""
    values: tuple[str, ...] = ()


class ListRequest(msgspec.Struct, rename="camel"):
    """ListJobs."""

    job_queue: str = ""
    array_job_id: str = ""
    job_status: str = JobStatus.RUNNING
    max_results: int = PAGE_MAX
    next_token: str = ""
    filters: tuple[Filter, ...] = ()

    def wants(self, job: SimulatedJob, now_ms: int) -> bool:
        """Whether a job belongs into the list: by its name if that is filtered by, else by its status."""
        if self.filters:
            return job.name.lower() in (value.lower() for value in self.filters[0].values)
        return job.status(now_ms) == self.job_status


def describe(account: Account, body: bytes, asked_ms: int) -> bytes:
    """DescribeJobs: each known job once, in the order asked."""
    ids = parse(body, DescribeRequest).jobs
    if len(ids) > IDS_PER_CALL:
        account.witness.asked.over_limit += 1
        raise refusal("Maximum number of jobs supported is  100 .")  # AWS's own spaces
    if not ids:
        raise refusal("At least one job is required.")
    now_ms = account.clock()
    found = account.visible(dict.fromkeys(ids), now_ms)
    pieces = [b'{"jobs":[']
    for number, job in enumerate(found):
        if number:
            pieces.append(b",")
        pieces += job.template.pieces(job, now_ms)
    pieces.append(b"]}")
    account.witness.describe(ids, asked_ms, [job.seen(now_ms) for job in found], now_ms)
    return b"".join(pieces)


def submit(account: Account, body: bytes, asked_ms: int) -> bytes:
    """SubmitJob: a job or an array of jobs is born now."""
    _ = asked_ms
    request = parse(body, SubmitRequest)
    queue = request.job_queue.rpartition("/")[2]
    definition = request.job_definition.rpartition("/")[2]
    if not (NAME.fullmatch(request.job_name) and NAME.fullmatch(queue) and DEFINITION.fullmatch(definition)):
        raise refusal("Job name, queue or definition is not valid.")
    attempts = request.retry_strategy.attempts
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise refusal(f"Retry attempts must be between 1 and {MAX_ATTEMPTS}.")
    look = account.look(job_queue=queue, job_definition=revised(definition), attempts=attempts, **request.own())
    life = msgspec.structs.replace(account.default_life, attempts=attempts)
    if request.array_properties is None:
        job = create(account, request, look, life)
    elif ARRAY_MIN <= request.array_properties.size <= ARRAY_MAX:
        job = account.create_array(request.job_name, look, life, request.array_properties.size)
    else:
        raise refusal(f"Array size must be between {ARRAY_MIN} and {ARRAY_MAX}.")
    answer = {"jobArn": look.arn("batch", f"job/{job.job_id}"), "jobId": job.job_id, "jobName": job.name}
    return msgspec.json.encode(answer)


def create(account: Account, request: SubmitRequest, look: Look, life: Life) -> SimulatedJob:
    """A job of its own, or a multi-node parallel job: here every definition can be run on several nodes."""
    if request.node_overrides is None:
        return account.create(request.job_name, look, life)
    if not 1 <= request.node_overrides.num_nodes <= NODES_MAX:
        raise refusal(f"Number of nodes must be between 1 and {NODES_MAX}.")
    return account.create_nodes(request.job_name, look, life, request.node_overrides.num_nodes)


def terminate(account: Account, body: bytes, asked_ms: int) -> bytes:
    """TerminateJob: the job, or all of an array that still lives, is FAILED at once."""
    _ = asked_ms
    end(account, parse(body, EndRequest), "terminate", frozenset(AWS_STATUSES))
    return b"{}"


def cancel(account: Account, body: bytes, asked_ms: int) -> bytes:
    """CancelJob: FAILED, if it has not come as far as STARTING; else nothing happens and the answer is the same."""
    _ = asked_ms
    end(account, parse(body, EndRequest), "cancel", CANCELLABLE)
    return b"{}"


def end(account: Account, request: EndRequest, ended_by: str, from_statuses: frozenset[JobStatus]) -> None:
    """End a job, or the children of an array, if its status is one of these."""
    now_ms = account.clock()
    job = account.population.find(request.job_id, now_ms)
    if job is None:
        raise refusal(f"Job {request.job_id} does not exist.")
    age_ms = now_ms - job.created_ms
    job = job.node_of or job  # all nodes end together
    if job.status(now_ms) in from_statuses:
        for node in job.parts:
            account.population.replan(node, cut(node.plan, age_ms, ended_by, request.reason), now_ms)
    parts = [part for part in job.children or [job] if part.status(now_ms) in from_statuses]
    for part in parts:
        account.population.replan(part, cut(part.plan, age_ms, ended_by, request.reason), now_ms)
    parent = job if job.children else job.parent
    if parts and parent is not None:
        by = (ended_by, request.reason) if parent is job else (parent.plan.ended_by, parent.plan.ended_reason)
        account.population.replan(parent, gather([child.plan for child in parent.children], *by), now_ms)


def list_jobs(account: Account, body: bytes, asked_ms: int) -> bytes:
    """ListJobs: the jobs of a queue or the children of an array that are in one status, a page at a time.

    Of the filters there is JOB_NAME, which shows a queue's jobs in all statuses, the newest first.
    """
    _ = asked_ms
    request = parse(body, ListRequest)
    if bool(request.job_queue) == bool(request.array_job_id):
        raise refusal("Exactly one of jobQueue and arrayJobId is required.")
    if request.job_status not in AWS_STATUSES:
        raise refusal(f"{request.job_status} is not a job status.")
    if [one for one in request.filters if one.name != "JOB_NAME" or not request.job_queue]:
        raise refusal("The filter is not simulated: there is JOB_NAME, for a jobQueue.")
    after = int(request.next_token) if request.next_token.isdecimal() else 0
    size = min(max(1, request.max_results), PAGE_MAX)
    now_ms = account.clock()
    page: list[SimulatedJob] = []
    answer: dict[str, Any] = {}
    for job in candidates(account, request, after, now_ms):
        if not request.wants(job, now_ms) or not account.visible([job.job_id], now_ms):
            continue
        if len(page) == size:
            answer["nextToken"] = str(page[-1].number)
            break
        page.append(job)
    answer["jobSummaryList"] = [summarise(job, now_ms) for job in page]
    return msgspec.json.encode(answer)


def candidates(account: Account, request: ListRequest, after: int, now_ms: int) -> Iterable[SimulatedJob]:
    """The jobs to choose a page from: those of the queue or array that come after number `after`."""
    if request.filters:
        jobs = list(account.population.in_queue(request.job_queue.rpartition("/")[2], 0, now_ms))
        return (job for job in reversed(jobs) if not after or job.number < after)
    if request.job_queue:
        return account.population.in_queue(request.job_queue.rpartition("/")[2], after, now_ms)
    parent = account.population.find(request.array_job_id, now_ms)
    return (child for child in parent.children if child.number > after) if parent else ()


def summarise(job: SimulatedJob, now_ms: int) -> dict[str, Any]:
    """The JobSummary of a list: a description's own fields, fewer of them."""
    kept = (
        "jobArn",
        "jobId",
        "jobName",
        "createdAt",
        "status",
        "statusReason",
        "startedAt",
        "stoppedAt",
        "jobDefinition",
    )
    described = msgspec.json.decode(job.template.render(job, now_ms))
    summary = {name: described[name] for name in kept if name in described}
    if "arrayProperties" in described:
        summary["arrayProperties"] = {k: v for k, v in described["arrayProperties"].items() if k in ("size", "index")}
    outcome = {name: value for name, value in described["container"].items() if name in ("exitCode", "reason")}
    return summary | ({"container": outcome} if outcome else {})


def parse(body: bytes, kind: type[T]) -> T:
    """The request's body as that type, or AWS's kind of refusal."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "ClientException", f"Error executing request, Exception : {error}") from error


def refusal(text: str) -> ApiError:
    """A ClientException in the form that AWS gives it."""
    return ApiError(400, "ClientException", f"Error executing request, Exception : {text}, RequestId: {request_id()}")


VERBS: dict[Operation, Callable[[Account, bytes, int], bytes]] = {
    Operation.DESCRIBE: describe,
    Operation.SUBMIT: submit,
    Operation.TERMINATE: terminate,
    Operation.CANCEL: cancel,
    Operation.LIST: list_jobs,
}

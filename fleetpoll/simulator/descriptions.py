"""What AWS says of a job: a JobDetail of 3 to 4 KB, made of a shared template and a few fields of the job's own.

Most of a description is the same for all jobs that look alike, so it is serialised once; to render a job is to join the
pieces. Nothing of a job's rendering is kept: 100,000 jobs would be 350 MB, and joining costs microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from fleetpoll.jobs import AWS_STATUSES
from fleetpoll.simulator.lifecycle import LEAD, TURN, summary

if TYPE_CHECKING:
    from fleetpoll.simulator.lifecycle import Plan
    from fleetpoll.simulator.records import SimulatedJob

EXITED: Final = "Essential container in task exited"
KILLED_EXIT: Final = 137
OUT_OF_MEMORY: Final = "OutOfMemoryError: Container killed due to memory usage"
# (statusReason, exit code, the container's reason) of an attempt that fails; a plan's `cause` picks one.
CAUSES: Final[tuple[tuple[str, int | None, str], ...]] = (
    (EXITED, 1, ""),
    (EXITED, KILLED_EXIT, OUT_OF_MEMORY),
    ("Host EC2 (instance i-0{host}) terminated.", None, ""),
    (EXITED, 2, ""),
)


class Look(msgspec.Struct, frozen=True):
    """What jobs that look alike have in common."""

    region: str
    account_id: str
    job_queue: str = "fleet"
    job_definition: str = "step:1"
    attempts: int = 1
    tags: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()  # beside what all jobs have
    command: tuple[str, ...] = ()

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in this account and Region."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


class Template:
    """The pre-serialised JSON of jobs that look alike; `render` adds what differs."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._head = b'{"jobArn":"' + look.arn("batch", "job/").encode()
        self._fixed = b"," + members(job_members(look)) + b',"container":{' + members(container_members(look))
        self._log_stream = b'"logStreamName":"%b/default/' % look.job_definition.partition(":")[0].encode()
        self._task_arn = b'","taskArn":"' + look.arn("ecs", "task/AWSBatch-fleet/").encode()
        self._host_arn = b'","containerInstanceArn":"'
        self._host_arn += look.arn("ecs", "container-instance/AWSBatch-fleet/").encode()

    def render(self, job: SimulatedJob, now_ms: int) -> bytes:
        """The JobDetail of one job at this moment."""
        return b"".join(self.pieces(job, now_ms))

    def pieces(self, job: SimulatedJob, now_ms: int) -> list[bytes]:
        """What a JobDetail is joined of: an answer joins those of all its jobs at once, which spares it two copies."""
        plan, job_id = job.plan, job.job_id.encode()
        phase = plan.phase(now_ms - job.created_ms)
        ended = plan.attempts_ended(phase)
        started_age_ms = plan.started_age_ms(phase)
        parts = [self._head, job_id, b'","jobId":"', job_id, b'","jobName":', quoted(job.name)]
        parts.append(b',"status":"%b","createdAt":%d' % (plan.status_of(phase).encode(), job.created_ms))
        if started_age_ms is not None:
            parts.append(b',"startedAt":%d' % (job.created_ms + started_age_ms))
        if phase == len(plan.ends_ms):
            parts.append(ending(plan, job))
        if ended:
            attempts = b"},{".join(self._attempt(job, number) for number in range(ended))
            parts += (b',"attempts":[{', attempts, b"}]")
        else:
            parts.append(b',"attempts":[]')
        if job.parent or job.children:
            parts.append(array_properties(job, now_ms))
        if job.nodes:
            parts.append(node_properties(job))
        parts.append(self._fixed)
        if started_age_ms is not None:  # never of an array's parent: it runs no container
            now_running = ended if phase < len(plan.ends_ms) else ended - 1
            parts += (b",", self._task(job, now_running), outcome(plan, job, now_running, ended)[0])
        parts.append(b"}}")
        return parts

    def _attempt(self, job: SimulatedJob, number: int) -> bytes:
        """One entry of `attempts`: an attempt that is over."""
        running = LEAD + TURN * number + TURN - 1
        ends_ms = job.plan.ends_ms
        container, reason = outcome(job.plan, job, number, number + 1)
        times = (job.created_ms + ends_ms[running - 1], job.created_ms + ends_ms[running], quoted(reason))
        head = b'"startedAt":%d,"stoppedAt":%d,"statusReason":%b,"container":{' % times
        return head + self._task(job, number) + container + b',"networkInterfaces":[]}'

    def _task(self, job: SimulatedJob, number: int) -> bytes:
        """The members that say where an attempt runs or ran."""
        # Not `replace`, which takes a third of the time of a whole description.
        task = job.job_id[:36].encode().translate(None, b"-")[:26] + b"%06x" % ((job.index + 1) * 16 + number)
        log_stream = self._log_stream + task
        return b"".join((log_stream, self._task_arn, task, self._host_arn, task[::-1], b'"'))


def outcome(plan: Plan, job: SimulatedJob, number: int, ended: int) -> tuple[bytes, str]:
    """How attempt `number` came out: its container's members and its statusReason; nothing while it runs."""
    if number >= ended:
        return b"", ""
    last = LEAD + TURN * (number + 1) == len(plan.ends_ms)
    if last and plan.succeeds:
        return b',"exitCode":0', EXITED
    if last and plan.ended_by:
        return b',"exitCode":%d' % KILLED_EXIT, plan.ended_reason
    reason, exit_code, container_reason = CAUSES[plan.cause % len(CAUSES)]
    container = b"" if exit_code is None else b',"exitCode":%d' % exit_code
    if container_reason:
        container += b',"reason":' + quoted(container_reason)
    return container, reason.format(host=job.job_id[:8] + job.job_id[28:36])


def ending(plan: Plan, job: SimulatedJob) -> bytes:
    """What a description says only of a finished job."""
    if plan.ended_by:
        reason = plan.ended_reason
    elif job.children:
        reason = "Array Child Job succeeded" if plan.succeeds else "Array Child Job failed"
    else:
        last = plan.attempts_ended(len(plan.ends_ms)) - 1
        reason = outcome(plan, job, last, last + 1)[1]
    flags = b"true" if plan.ended_by == "cancel" else b"false", b"true" if plan.ended_by == "terminate" else b"false"
    return b',"stoppedAt":%d,"statusReason":%b,"isCancelled":%b,"isTerminated":%b' % (
        job.stopped_ms,
        quoted(reason),
        *flags,
    )


def array_properties(job: SimulatedJob, now_ms: int) -> bytes:
    """The array's side of a child (its index) or of a parent (its size, and how its children are)."""
    if job.parent:
        return b',"arrayProperties":{"index":%d}' % job.index
    counts = summary([child.plan for child in job.children], now_ms - job.created_ms)
    properties = {
        "statusSummary": {status: counts[status] for status in AWS_STATUSES},
        "statusSummaryLastUpdatedAt": now_ms,
        "size": len(job.children),
    }
    return b',"arrayProperties":' + msgspec.json.encode(properties)


def node_properties(job: SimulatedJob) -> bytes:
    """What makes a multi-node parallel job of a job, or a node of one."""
    properties = {"numNodes": job.nodes, "mainNode": 0, "nodeRangeProperties": []}
    if job.node_of is None:
        return b',"nodeProperties":' + msgspec.json.encode(properties)
    return b',"nodeDetails":' + msgspec.json.encode({"nodeIndex": job.index, "isMainNode": job.index == 0})


def revised(definition: str) -> str:
    """The job definition with its revision: the first, if none is named."""
    return definition if ":" in definition else f"{definition}:1"


def quoted(text: str) -> bytes:
    """The text as a JSON string."""
    return msgspec.json.encode(text)


def members(value: dict[str, Any]) -> bytes:
    """The JSON of an object without its braces."""
    return msgspec.json.encode(value)[1:-1]


def job_members(look: Look) -> dict[str, Any]:
    """What all jobs that look alike have outside of their container."""
    return {
        "jobQueue": look.arn("batch", f"job-queue/{look.job_queue}"),
        "jobDefinition": look.arn("batch", f"job-definition/{look.job_definition}"),
        "retryStrategy": {"attempts": look.attempts, "evaluateOnExit": []},
        "dependsOn": [],
        "parameters": dict(look.parameters)
        or {
            "input": "s3://fleet-data/runs/2024/input.parquet",
            "output": "s3://fleet-data/runs/2024/output",
        },
        "timeout": {"attemptDurationSeconds": 86_400},
        "tags": dict(look.tags) or {"team": "fleet", "cost-centre": "4711", "stage": "simulated"},
        "propagateTags": True,
        "platformCapabilities": ["EC2"],
        "eksAttempts": [],
    }


def container_members(look: Look) -> dict[str, Any]:
    """What the containers of all jobs that look alike have in common; the bulk of a description."""
    environment = {
        f"STEP_SETTING_{number:02d}": f"s3://fleet-data/settings/{look.job_queue}/{number:02d}.json" for number in range(20)
    } | dict(look.environment)
    return {
        "image": f"{look.account_id}.dkr.ecr.{look.region}.amazonaws.com/fleet/step:2024.11.1",
        "command": list(look.command)
        or [
            "python",
            "-m",
            "step.main",
            "--input",
            "Ref::input",
            "--output",
            "Ref::output",
            "--log-level",
            "INFO",
        ],
        "jobRoleArn": f"arn:aws:iam::{look.account_id}:role/fleet-job-role",
        "executionRoleArn": f"arn:aws:iam::{look.account_id}:role/fleet-execution-role",
        "volumes": [{"host": {"sourcePath": "/mnt/scratch"}, "name": "scratch"}],
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "mountPoints": [{"containerPath": "/scratch", "readOnly": False, "sourceVolume": "scratch"}],
        "ulimits": [{"hardLimit": 65_536, "name": "nofile", "softLimit": 65_536}],
        "readonlyRootFilesystem": False,
        "privileged": False,
        "networkInterfaces": [],
        "resourceRequirements": [{"value": "4", "type": "VCPU"}, {"value": "16384", "type": "MEMORY"}],
        "linuxParameters": {"devices": [], "initProcessEnabled": True, "sharedMemorySize": 2048, "tmpfs": []},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/aws/batch/job", "awslogs-region": look.region},
            "secretOptions": [],
        },
        "secrets": [{"name": "TOKEN", "valueFrom": look.arn("ssm", "parameter/fleet/token")}],
    }

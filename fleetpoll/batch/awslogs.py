"""Where a job's output is in CloudWatch, read from its description. Pure.

A container that runs alone has one stream and one configuration. A multi-node job has streams with its attempts and
configurations with its nodes. Of several containers in a task, each has a name that ties the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]
Named = tuple[str | None, Any]
"""A container's name, None where a description gives it none, and what belongs to it."""

DRIVER = "awslogs"
GROUP = "/aws/batch/job"


@dataclass(frozen=True, slots=True)
class LogStreams:
    """What CloudWatch holds of a job, in the hook's form, and what is to be said of it when that is nothing."""

    found: list[dict[str, str]] = field(default_factory=list)
    remark: str = ""


def log_streams(job: Json, region: str) -> LogStreams | None:
    """The streams of a described job; None if it is of a sort that nobody knows. `region` is where nothing else is said."""
    configs, streams = parts_of(job)
    if not configs:
        if member(job, "eksProperties"):
            return LogStreams(remark="runs on EKS: where its output goes is the cluster's business")
        return None
    elsewhere = [name for name, config in configs if not is_ours(config)]
    if None in elsewhere or len(elsewhere) == len(configs):
        return LogStreams(remark="uses non-aws log drivers. AWS CloudWatch logging disabled.")
    if not streams:
        return LogStreams(remark="doesn't have any AWS CloudWatch Stream.")
    found = [
        info(stream, member(config, "options"), region)
        for name, stream in streams
        for other, config in configs
        if is_ours(config) and (name is None or other is None or name == other)
    ]
    return LogStreams(found)


def is_ours(config: Json) -> bool:
    """Whether a log configuration sends the output to CloudWatch, which is what happens without a word."""
    return (config.get("logDriver") or DRIVER) == DRIVER


def parts_of(job: Json) -> tuple[list[Named], list[Named]]:
    """The log configurations of a job and its streams, each with the container's name."""
    if nodes := member(job, "nodeProperties"):
        configs = [named for node in items(nodes, "nodeRangeProperties") for named in node_configs(node)]
        return configs or [(None, {})], [named for attempt in items(job, "attempts") for named in attempt_streams(attempt)]
    if container := member(job, "container"):
        stream = container.get("logStreamName")
        return [(None, member(container, "logConfiguration"))], [(None, stream)] if stream else []
    containers = list(task_containers(member(job, "ecsProperties")))
    configs = [(one.get("name"), member(one, "logConfiguration")) for one in containers]
    return configs, [(one.get("name"), one["logStreamName"]) for one in containers if one.get("logStreamName")]


def node_configs(node: Json) -> Iterator[Named]:
    """The log configurations of one range of nodes."""
    several = list(task_containers(member(node, "ecsProperties")))
    for one in several:
        yield one.get("name"), member(one, "logConfiguration")
    if not several:
        yield None, member(member(node, "container"), "logConfiguration")


def attempt_streams(attempt: Json) -> Iterator[Named]:
    """The streams of one attempt: of its container, or of each container of its tasks."""
    if stream := member(attempt, "container").get("logStreamName"):
        yield None, stream
        return
    for one in task_containers(attempt):
        if one.get("logStreamName"):
            yield one.get("name"), one["logStreamName"]


def task_containers(holder: Json) -> Iterator[Json]:
    """The containers of `taskProperties`."""
    return (one for task in items(holder, "taskProperties") for one in items(task, "containers"))


def info(stream: str, options: Json, region: str) -> dict[str, str]:
    """A stream in the hook's form."""
    return {
        "awslogs_stream_name": stream,
        "awslogs_group": options.get("awslogs-group") or GROUP,
        "awslogs_region": options.get("awslogs-region") or region,
    }


def member(holder: Json, name: str) -> Json:
    """An object inside an object; an empty one where it is absent or null."""
    found = holder.get(name)
    return found if isinstance(found, Mapping) else {}


def items(holder: Json, name: str) -> list[Json]:
    """The objects of a list inside an object; none where it is absent or null."""
    return [one for one in holder.get(name) or () if isinstance(one, Mapping)]

"""What no client can go below: the same bytes to and from AWS and Redis by the libraries alone, nothing done with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.rig import Rig
from fleetpoll.jobs import JobStatus, Snapshot

IDS = 100
WARM = 20
WORDS_OF_A_LOOK = 6
"""What settle.lua takes for a job that has not moved."""


class _Job(msgspec.Struct):
    job_id: str = msgspec.field(name="jobId")
    status: str = ""


class _Answer(msgspec.Struct):
    jobs: list[_Job]


def floor(stage: Rig, calls: int) -> dict[str, float]:
    """CPU of a call in ms for the parts that a library does."""
    ids = stage.simulator.populate(IDS)
    stage.simulator.truth(ids)
    found = {"describe_ms": cpu_ms(described(stage.simulator.url, ids), calls), **redis_floor(stage, ids, calls)}
    return found | {"look_ms": sum(found.values()), "calls_per_core_s": 1e3 / sum(found.values())}


def described(url: str, ids: list[str]) -> Callable[[], Any]:
    """One DescribeJobs."""
    pool, decode = urllib3.PoolManager(), msgspec.json.Decoder(_Answer).decode
    signer = SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", "none"), "batch", "us-east-1")

    def call() -> _Answer:
        body, headers = json.dumps({"jobs": ids}), {"Content-Type": "application/json"}
        request = AWSRequest("POST", f"{url}/v1/describejobs", headers, body.encode())
        signer.add_auth(request)
        answer = pool.request("POST", request.url, body=body, headers=dict(request.headers.items()))
        return decode(answer.data)

    return call


def redis_floor(stage: Rig, ids: list[str], calls: int) -> dict[str, float]:
    """Scripts that do nothing, with as much to carry as ours."""
    client: Any = stage.rooms.client
    key = stage.rooms.keys.ledger + ":floor"
    record = msgspec.json.encode(
        Snapshot(status=JobStatus.RUNNING, job_name="a job of some name", job_queue="a queue")
    ).decode()
    client.rpush(key, *(word for job_id in ids for word in (job_id, record, "1800000000000.123456789012")))
    lend = client.register_script("return redis.call('LRANGE', KEYS[1], 0, -1)")
    take = client.register_script("return {1, 2, 3, 4, '5'}")
    close = client.register_script("return {100, 0}")
    look = [word for job_id in ids for word in (job_id, 1234.5, "", "", "", 0)]
    found = {
        "claim_ms": cpu_ms(lambda: lend(keys=[key] * 7, args=[""] * 5), calls),
        "reserve_ms": cpu_ms(lambda: take(keys=[key], args=[1] * 8), calls),
        "settle_ms": cpu_ms(lambda: close(keys=[key] * 11, args=["", "", 1, 100, "", *look]), calls),
    }
    client.delete(key)
    return found


def cpu_ms(call: Callable[[], Any], calls: int) -> float:
    """CPU of this process for a call, in ms."""
    for _ in range(WARM):
        call()
    before = time.process_time()
    for _ in range(calls):
        call()
    return 1e3 * (time.process_time() - before) / calls

"""The simulator's faults over real HTTP: what a client meets, what is done all the same, and what the witness believes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.rig import wait_until
from fleetpoll.simulator.config import Fault, Limit, Operation, SimulatorConfig
from fleetpoll.simulator.faults import CARRIED_OUT
from fleetpoll.simulator.process import Simulator

PATIENCE_S = 0.7
SLOW_S = 0.4
JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator whose jobs are over at once unless a test asks for others."""
    with Simulator(SimulatorConfig(seed=5, life_min_s=0.0, life_max_s=0.0, slow_s=SLOW_S)) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    """The same without faults and with fresh figures."""
    shared.reset_stats()
    yield shared
    for operation in Operation:
        shared.disturb(operation, faults={})


def call(url: str, operation: Operation, **request: Any) -> tuple[int, str, bytes]:
    """A call's HTTP status, error code and body."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)) as connection:
        connection.request("POST", operation.path, json.dumps(request))
        response = connection.getresponse()
        return response.status, response.headers.get("x-amzn-ErrorType", ""), response.read()


def met(simulator: Simulator, operation: Operation = Operation.DESCRIBE) -> tuple[int, int, dict[str, int]]:
    """How many calls of an operation came, how many had a good answer, and which faults the others met."""
    figures = simulator.stats()["operations"][operation]
    return figures["calls"], figures["accepted"], figures["faults"]


@pytest.mark.parametrize(
    ("fault", "status", "code", "begins"),
    [
        (Fault.SERVER, 500, "ServerException", b'{"message":"'),
        (Fault.UNAVAILABLE, 503, "", b"<!DOCTYPE html>"),
        (Fault.HTML, 200, "", b"<!DOCTYPE html>"),
        (Fault.EXPIRED, 403, "ExpiredTokenException", b'{"message":"The security token'),
        (Fault.DENIED, 403, "AccessDeniedException", b'{"message":"User: arn:aws:iam'),
    ],
)
def test_a_refusal_shows_nothing(simulator: Simulator, fault: Fault, status: int, code: str, begins: bytes) -> None:
    """It is counted by its kind, and the end of the job goes on being undetected."""
    ids = simulator.populate(1)
    simulator.disturb("describe", faults={fault: 1.0})

    answer = call(simulator.url, Operation.DESCRIBE, jobs=ids)

    assert answer[:2] == (status, code)
    assert answer[2].startswith(begins)
    assert met(simulator) == (1, 0, {fault: 1})
    assert simulator.stats()["undetected"]["count"] >= 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RESET, ConnectionResetError),
        (Fault.LOST, ConnectionResetError),
        (Fault.CUT, IncompleteRead),
        (Fault.HANG, TimeoutError),
    ],
)
def test_an_answer_that_does_not_come_is_not_shown(
    simulator: Simulator, fault: Fault, error: type[OSError | HTTPException]
) -> None:
    """The client meets what a bad network is like; whatever was carried out, the witness has seen nothing arrive."""
    ids = simulator.populate(1)
    simulator.disturb("describe", faults={fault: 1.0})

    with pytest.raises(error):
        call(simulator.url, Operation.DESCRIBE, jobs=ids)

    assert met(simulator) == (1, 0, {fault: 1})
    assert simulator.stats()["transitions_shown"] == 0


def test_half_a_document_is_no_answer(simulator: Simulator) -> None:
    """A truncated body comes whole as HTTP has it, cannot be read, and shows nothing."""
    ids = simulator.populate(1)
    simulator.disturb("describe", faults={Fault.TRUNCATED: 1.0})

    status, _, body = call(simulator.url, Operation.DESCRIBE, jobs=ids)

    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert simulator.stats()["transitions_shown"] == 0


def test_a_slow_answer_is_shown_when_it_has_come(simulator: Simulator) -> None:
    """It comes in drops, the last one after `slow_s`; the lag that the witness measures is up to then."""
    ids = simulator.populate(1)
    simulator.disturb("describe", faults={Fault.SLOW: 1.0})
    start = time.monotonic()

    _, _, body = call(simulator.url, Operation.DESCRIBE, jobs=ids)

    assert [job["jobId"] for job in json.loads(body)["jobs"]] == ids
    assert time.monotonic() - start >= SLOW_S
    stats = simulator.stats()
    assert (stats["transitions_shown"], stats["completion_lag_ms"]["count"]) == (1, 1)
    assert stats["completion_lag_ms"]["mean"] >= SLOW_S * 1000 - 5
    assert met(simulator) == (1, 0, {Fault.SLOW: 1})


def test_a_slow_answer_that_nobody_waits_for_is_not_shown(simulator: Simulator) -> None:
    """A client that hangs up before the last drop knows nothing."""
    ids = simulator.populate(1)
    simulator.disturb("describe", faults={Fault.SLOW: 1.0})
    host, port = urlsplit(simulator.url).netloc.split(":")
    body = json.dumps({"jobs": ids})
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(f"POST {Operation.DESCRIBE.path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        assert connection.recv(10) == b"HTTP/1.1 2"
    start = time.monotonic()

    wait_until(lambda: time.monotonic() - start > 1.5 * SLOW_S, 5, "the time of a slow answer")

    assert simulator.stats()["transitions_shown"] == 0


@pytest.mark.parametrize("fault", Fault)
def test_a_submission_is_made_only_if_its_answer_was_spoilt(simulator: Simulator, fault: Fault) -> None:
    """A lost answer is not a lost call: what was asked for is done, and the client does not know it."""
    before = simulator.truth()
    simulator.disturb("submit", faults={fault: 1.0})

    with suppress(OSError, HTTPException):
        call(simulator.url, Operation.SUBMIT, **JOB)

    assert len(simulator.truth()) - len(before) == (fault in CARRIED_OUT)
    assert met(simulator, Operation.SUBMIT) == (1, 0, {fault: 1})


def test_faults_are_met_in_proportion_and_take_tokens() -> None:
    """The bucket has been passed when a fault is met; the same seed draws the same faults."""
    faults = {Operation.DESCRIBE: {Fault.SERVER: 0.2, Fault.HTML: 0.1}}
    seen = []
    for _ in range(2):
        config = SimulatorConfig(seed=3, limits={Operation.DESCRIBE: Limit(0.001, 200)}, faults=faults)
        with Simulator(config) as simulator:
            seen.append([kind_of(lambda: call(simulator.url, Operation.DESCRIBE, jobs=["a"])) for _ in range(203)])
            calls, accepted, by_kind = met(simulator)
            assert (calls, accepted + sum(by_kind.values())) == (203, 200)
            assert 25 <= by_kind["server"] <= 55
            assert 10 <= by_kind["html"] <= 32

    assert seen[0] == seen[1]
    assert seen[0][200:] == ["TooManyRequestsException"] * 3


def kind_of(asked: Callable[[], tuple[int, str, bytes]]) -> str:
    """What became of a call, in a word."""
    _, code, body = asked()
    return code or ("page" if body.startswith(b"<") else "good")

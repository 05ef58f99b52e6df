"""The parser of DescribeJobs answers, with bodies that are cut, flipped, twisted or somebody else's altogether."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetpoll.awsbatch.parse import WORDS_MAX, descriptions
from fleetpoll.errors import Unreachable
from fleetpoll.jobs import Description
from fleetpoll.simulator.process import Simulator
from tests.fuzz.profiles import long, quick

TIME_MAX_S = 2.0
DEEP = 200_000

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([2**53 + 1, -(2**70), 1e999]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["jobId", "status", "jobs", "x"]), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def body() -> bytes:
    """A real answer: jobs of all ages."""
    with Simulator() as aws:
        ids = aws.populate(6, life_min_s=1, life_max_s=200, spread_s=100, fail_share=0.5)
        request = urllib.request.Request(f"{aws.url}/v1/describejobs", json.dumps({"jobs": ids}).encode())  # noqa: S310 - ours
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
            return bytes(answer.read())


def check(text: bytes) -> None:
    """Descriptions, or Unreachable; never anything else, and soon."""
    began = time.monotonic()
    try:
        found = descriptions(text)
    except Unreachable as error:
        assert len(str(error)) < 1000
    else:
        assert all(isinstance(one, Description) and len(one.reason) <= WORDS_MAX for one in found.values())
    assert time.monotonic() - began < TIME_MAX_S


def twisted(found: Any, path: list[int], value: Any) -> Any:
    """A copy in which what stands at the end of a path is something else."""
    if not path or not isinstance(found, dict | list) or not found:
        return value
    if isinstance(found, list):
        at = path[0] % len(found)
        return [*found[:at], twisted(found[at], path[1:], value), *found[at + 1 :]]
    name = sorted(found)[path[0] % len(found)]
    return found | {name: twisted(found[name], path[1:], value)}


places = st.lists(st.integers(0, 1000), min_size=1, max_size=6)
cuts = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 40), st.binary(max_size=6)), min_size=1, max_size=4)


def mangle(text: bytes, wounds: list[tuple[int, int, bytes]]) -> bytes:
    """Pieces of the body replaced."""
    for at, length, piece in wounds:
        begin = at % (len(text) + 1)
        text = text[:begin] + piece + text[begin + length :]
    return text


@quick(80)
@given(wounds=cuts)
def test_a_body_with_wounds(body: bytes, wounds: list[tuple[int, int, bytes]]) -> None:
    """Bytes lost, changed, put in."""
    check(mangle(body, wounds))


@quick(80)
@given(path=places, value=anything)
def test_a_body_of_another_form(body: bytes, path: list[int], value: Any) -> None:
    """Any member is something else: costs at most the job it is in."""
    check(json.dumps(twisted(json.loads(body), [0, *path], value)).encode())


@quick(80)
@given(text=st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
@example(text=b'{"jobs":' + b"[" * DEEP)
@example(text=b'{"jobs":[' + b'{"jobId":' * DEEP)
@example(text=b'{"jobs":[{"jobId":"\\ud800","status":"RUNNING","attempts":' + b"[" * DEEP)
@example(text=b'{"jobs":[{"jobId":"a","status":' + b"9" * DEEP + b"}]}")
@example(text=b'{"jobs":[{"jobId":"\\ud800","status":' + b"9" * DEEP + b"}]}")
@example(text=b'{"jobs":[{"jobId":"a","x":' + b'{"y":' * DEEP + b"1" + b"}" * DEEP + b"}]}")
def test_a_body_of_anything(text: bytes) -> None:
    """Somebody else's answer."""
    check(text)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@long(10_000)
@given(wounds=cuts, path=places, value=anything, text=st.binary(max_size=400))
def test_bodies_at_length(
    body: bytes, wounds: list[tuple[int, int, bytes]], path: list[int], value: Any, text: bytes
) -> None:
    """All of it, tens of thousands of times."""
    check(mangle(body, wounds))
    check(mangle(json.dumps(twisted(json.loads(body), [0, *path], value)).encode(), wounds[:1]))
    check(text)

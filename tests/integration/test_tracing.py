"""Passes as spans: what OpenTelemetry is told of a real cycle, and what a real worker sends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.rig import Workers, environment, wait_until
from fleetpoll import tracing
from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import system_mono
from fleetpoll.cycle import Cycle
from fleetpoll.errors import RedisUnavailable, SettingsError
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from fleetpoll.tracing import Tracing
from workers.tracing import loaded

ROOMS = ["claim", "reserve", "describe", "plan", "settle"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose jobs live for long."""
    with Simulator(SimulatorConfig(seed=3, life_min_s=600, life_max_s=600)) as running:
        yield running


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """A fleet with calls to spare."""
    return Settings(fleet=fleet_name, rate=100.0, rate_start=100.0, freshness=0.2, beat=0.5, workers=1, log_format="json")


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where spans of this process go."""
    return InMemorySpanExporter()


@pytest.fixture
def traced(
    rooms: Rooms, settings: Settings, simulator: Simulator, spans: InMemorySpanExporter
) -> Iterator[Callable[..., Cycle]]:
    """Makes cycles whose passes are traced."""
    traces, apis = Tracing("w", SimpleSpanProcessor(spans)), list[BatchApi]()

    def make(**more: Any) -> Cycle:
        own = msgspec.structs.replace(settings, **{"endpoint_url": simulator.url} | more)
        apis.append(BatchApi(own))
        return traces.cycle(rooms, apis[-1], own, system_mono, Random(1), worker_id="w")

    yield make
    for api in apis:
        api.close()
    traces.close()


def tracked(rooms: Rooms, ids: list[str]) -> None:
    """Track jobs that wait for company no more."""
    rooms.schedule.track(ids, now_ms=rooms.roster.now_ms() - 10_000)


def facts(span: ReadableSpan) -> dict[str, Any]:
    """What a span says beside its times, without the prefix."""
    return {name.removeprefix("fleetpoll."): value for name, value in (span.attributes or {}).items()}


def test_a_pass_is_a_span_with_one_for_each_room(
    traced: Callable[..., Cycle], spans: InMemorySpanExporter, simulator: Simulator, rooms: Rooms, settings: Settings
) -> None:
    """In the order of the pass, all children of it, with what each was about and what came of it."""
    tracked(rooms, simulator.populate(7))

    traced().run()

    *parts, whole = spans.get_finished_spans()
    assert [span.name for span in (*parts, whole)] == [*ROOMS, "pass"]
    assert {span.parent.span_id for span in parts if span.parent} == {whole.context.span_id}
    assert (whole.parent, whole.resource.attributes["service.name"]) == (None, "fleetpoll")
    assert facts(whole) == {
        "fleet": settings.fleet,
        "lease.size": 7,
        "outcome": "settled",
        "calls": 1,
        "kept": 7,
        "lost": 0,
        "transitions": 7,
    }
    reserve, describe, plan, settle = parts[1:]
    assert (facts(reserve)["outcome"], facts(reserve)["wait_s"] >= 0) == ("granted", True)
    assert (facts(describe)["ids"], facts(describe)["found"], facts(describe)["rpc.method"]) == (7, 7, "DescribeJobs")
    assert (facts(plan)["ids"], facts(settle)["kept"]) == (7, 7)
    assert all((span.start_time or 0) <= (span.end_time or 0) for span in parts)


def test_a_pass_that_finds_nothing_leaves_no_span(traced: Callable[..., Cycle], spans: InMemorySpanExporter) -> None:
    """Idle fleets are quiet."""
    assert traced().run().idle

    assert spans.get_finished_spans() == ()


def test_what_aws_fails_is_an_error_with_its_words(
    traced: Callable[..., Cycle], spans: InMemorySpanExporter, simulator: Simulator, rooms: Rooms
) -> None:
    """On the call, and on the pass."""
    tracked(rooms, simulator.populate(1))

    traced(endpoint_url="http://127.0.0.1:1").run()

    found = {span.name: span for span in spans.get_finished_spans()}
    assert list(found) == ["claim", "reserve", "describe", "pass"]
    assert not found["describe"].status.is_ok
    assert found["describe"].events[0].name == "exception"
    assert (found["pass"].status.is_ok, facts(found["pass"])["outcome"]) == (False, "connection")


def test_a_pass_that_redis_fails_ends_its_span(
    traced: Callable[..., Cycle], spans: InMemorySpanExporter, simulator: Simulator, rooms: Rooms
) -> None:
    """While a token is waited for, the server goes away."""
    tracked(rooms, simulator.populate(1))
    steps = traced().steps()
    next(steps)

    with pytest.raises(RedisUnavailable):
        steps.throw(RedisUnavailable("gone"))

    assert [(span.name, span.status.is_ok) for span in spans.get_finished_spans()][-1] == ("pass", False)


def test_a_paused_fleet_says_so(
    traced: Callable[..., Cycle], spans: InMemorySpanExporter, simulator: Simulator, rooms: Rooms
) -> None:
    """Its lease was given back."""
    tracked(rooms, simulator.populate(1))
    rooms.buckets["DescribeJobs"].pause(True)

    traced().run()

    assert [facts(span).get("outcome") for span in spans.get_finished_spans()] == [None, "paused", "paused"]


class Receiver(BaseHTTPRequestHandler):
    """Takes in what is sent over OTLP."""

    def do_POST(self) -> None:
        """Keep a request of spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, ExportTraceServiceRequest.FromString(body)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """In silence."""


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    """An OTLP receiver on a port of its own; `got` is what it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_worker_sends_every_call_that_it_made(
    collector: ThreadingHTTPServer, simulator: Simulator, rooms: Rooms, settings: Settings, redis_url: str, tmp_path: Path
) -> None:
    """Over OTLP and HTTP, as OTEL_… say; the last spans are sent as it drains. The API side is the witness."""
    rooms.schedule.track(simulator.populate(20))
    simulator.reset_stats()
    env = environment(msgspec.structs.replace(settings, tracing=True), redis_url, simulator.url)
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}", "OTEL_SERVICE_NAME": "night"}
    with Workers(env, tmp_path / "log") as workers:
        wait_until(lambda: simulator.stats()["operations"]["describe"]["calls"] >= 3, 20, "calls")

        assert workers.stop() == 0

    sent: list[tuple[str, ExportTraceServiceRequest]] = collector.got  # type: ignore[attr-defined]
    resources = [one for path, request in sent for one in request.resource_spans if path == "/v1/traces"]
    names = Counter(span.name for one in resources for scope in one.scope_spans for span in scope.spans)
    calls = simulator.stats()["operations"]["describe"]["calls"]
    assert (names["describe"], names["settle"]) == (calls, calls)
    assert names["claim"] == names["pass"] >= calls
    told = {pair.key: pair.value.string_value for pair in resources[0].resource.attributes}
    assert (told["service.name"], told["service.instance.id"].count("-") >= 2) == ("night", True)


def test_a_collector_that_does_not_answer_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last spans have a moment; then a worker leaves without them."""
    monkeypatch.setattr(tracing, "FLUSH_S", 0.05)
    gone, asked = threading.Event(), threading.Event()

    class Deaf(SpanProcessor):
        def shutdown(self) -> None:
            asked.set()
            gone.wait(30.0)

    Tracing("w", Deaf()).close()

    assert asked.is_set()
    gone.set()


def test_who_does_not_ask_for_tracing_loads_nothing_of_it() -> None:
    """Neither in the supervisor nor in its pollers."""
    ours = "('fleetpoll.tracing', 'opentelemetry.exporter')"  # redis-py loads the rest wherever that is installed
    look = f"import sys, workers.supervisor; sys.exit(any(name.startswith({ours}) for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
    assert loaded(Settings()) is None


def test_tracing_that_is_not_installed_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any poller is started."""
    monkeypatch.delitem(sys.modules, "fleetpoll.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(SettingsError, match=r"pip install 'fleetpoll\[tracing\]'"):
        loaded(Settings(tracing=True))

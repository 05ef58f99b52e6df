"""Passes as OpenTelemetry spans: where the time of a look goes. The one module that knows OpenTelemetry (extra `tracing`).

    pass ─┬─ claim          a lease was had: passes that found nothing to do leave no spans
          ├─ reserve        a token, and the wait for it; with `describe`, `plan` and `settle` once for each call
          ├─ describe
          ├─ plan
          └─ settle

They are sent over OTLP with HTTP; where to and how many, OpenTelemetry's own OTEL_… variables say. A cycle that is not
traced is not this one, and so costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from random import Random
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.clock import Mono
from fleetpoll.cycle import Cycle, Pass, Waits
from fleetpoll.errors import StateError
from fleetpoll.jobs import Description
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import Permit
from fleetpoll.state.pages import Lesson
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import IDS_PER_LEASE, Lease, Look, Nothing

NAME, VERSION = "fleetpoll", version("fleetpoll")
FLUSH_S = 3.0
"""How long the last spans may take at the end of a process, which is to leave in time wherever they are sent."""
ASKED = {"rpc.system": "aws-api", "rpc.service": "Batch", "rpc.method": "DescribeJobs"}


class Tracing:
    """Where the spans of one process go. It has a thread: to be made after a fork, and closed."""

    def __init__(self, worker_id: str, processor: SpanProcessor | None = None) -> None:
        facts = {"service.name": NAME, "service.version": VERSION, "service.instance.id": worker_id}
        named = Resource.create(facts).merge(OTELResourceDetector().detect())  # the environment wins
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))

    def cycle(
        self, rooms: Rooms, api: BatchApi, settings: Settings, mono: Mono, rng: Random, *, worker_id: str = ""
    ) -> Cycle:
        """A cycle whose passes are traced."""
        traced = TracedCycle(rooms, api, settings, mono, rng, worker_id=worker_id)
        traced.tracer = self._provider.get_tracer(NAME, VERSION)
        return traced

    def close(self) -> None:
        """Send what is left, if that can be done in a moment."""
        last = Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_S)


class TracedCycle(Cycle):
    """A cycle that says how long each of its rooms took."""

    tracer: Tracer = NoOpTracer()
    _pass: Span = INVALID_SPAN

    def steps(self, limit: int = IDS_PER_LEASE, *, patient: bool = True) -> Waits:
        """The same pass, in a span that begins with its claim."""
        self._pass = INVALID_SPAN
        try:
            done = yield from super().steps(limit, patient=patient)
        except StateError as error:
            self._pass.record_exception(error)
            self._pass.set_status(StatusCode.ERROR, str(error))
            raise
        else:
            self._pass.set_attributes(facts_of(done))
            if done.failure is not None:
                self._pass.set_status(StatusCode.ERROR, str(done.failure))
            return done
        finally:
            self._pass.end()

    @contextmanager
    def _span(self, name: str, kind: SpanKind = SpanKind.INTERNAL, **facts: AttributeValue) -> Iterator[Span]:
        """A part of the pass that holds nobody up; what goes wrong in it is on its span."""
        within = set_span_in_context(self._pass)
        named = {f"{NAME}.{key}": value for key, value in facts.items()}
        with self.tracer.start_as_current_span(name, within, kind, named) as span:
            yield span

    def _claim(self, limit: int) -> Lease | Nothing:
        began_ns = time.time_ns()
        lease = super()._claim(limit)
        if isinstance(lease, Lease):
            self._pass = self.tracer.start_span("pass", start_time=began_ns)
            self._pass.set_attribute(f"{NAME}.fleet", self._settings.fleet)
            self._pass.set_attribute(f"{NAME}.lease.size", len(lease.jobs))
            self.tracer.start_span("claim", set_span_in_context(self._pass), start_time=began_ns).end()
        return lease

    def _permit(self, lease: Lease, ids: Sequence[str], done: Pass) -> Generator[float, bool, Permit | None]:
        """It may wait, while other fleets of the process have their turns: nothing of theirs must become a part of it."""
        span, began = self.tracer.start_span("reserve", set_span_in_context(self._pass)), self._mono()
        try:
            permit = yield from super()._permit(lease, ids, done)
            span.set_attribute(f"{NAME}.wait_s", self._mono() - began)
            span.set_attribute(f"{NAME}.outcome", "granted" if permit else "paused" if done.paused else "given back")
            return permit
        finally:
            span.end()

    def _describe(self, ids: Sequence[str]) -> dict[str, Description]:
        with self._span("describe", SpanKind.CLIENT, ids=len(ids)) as span:
            span.set_attributes(ASKED)
            found = super()._describe(ids)
            span.set_attribute(f"{NAME}.found", len(found))
            return found

    def _plan(
        self, lease: Lease, ids: Sequence[str], found: dict[str, Description], granted: float, done: Pass
    ) -> tuple[list[Look], Lesson | None]:
        with self._span("plan", ids=len(ids)):
            return super()._plan(lease, ids, found, granted, done)

    def _settle(
        self, lease: Lease, looks: list[Look], done: Pass, *, asked: int, took_s: float, lesson: Lesson | None = None
    ) -> None:
        with self._span("settle", ids=len(looks)) as span:
            kept, lost = done.kept, done.lost
            super()._settle(lease, looks, done, asked=asked, took_s=took_s, lesson=lesson)
            span.set_attributes({f"{NAME}.kept": done.kept - kept, f"{NAME}.lost": done.lost - lost})


def facts_of(done: Pass) -> dict[str, AttributeValue]:
    """What a pass has come to."""
    outcome = "settled" if done.kept or done.lost else "paused" if done.paused else "given back"
    return {
        f"{NAME}.outcome": done.failure.kind if done.failure else outcome,
        f"{NAME}.calls": done.calls,
        f"{NAME}.kept": done.kept,
        f"{NAME}.lost": done.lost,
        f"{NAME}.transitions": len(done.moved),
    }

"""The last hours of a fleet: a sample of its figures every 10 s, kept in a stream by whichever worker is first.

A sample is a JSON object of short names, 800 to 1,400 bytes. Histograms stand as their counts, so that new bounds need a
new name; what a release does not know it leaves out, and what cannot be read is no sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from fleetpoll.figures import AGE_S, CALL_S, LAG_S, Figures, Histogram, Sample, Totals
from fleetpoll.jobs import JobStatus

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Scripts

EVERY_MS = 10_000
KEPT = 2160
"""Six hours of samples."""
PAGE = 500
SKEW_MS = 1000
"""An entry's id is no older than its time; how much it may seem so, where a server reads its clock twice."""


class Packed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sample as it is stored, but for its time."""

    calls: tuple[int, int, int, int] = msgspec.field(name="c", default=(0, 0, 0, 0))  # made, throttled, failed, ids
    failures: dict[str, int] = msgspec.field(name="k", default_factory=dict)
    lags: list[int] = msgspec.field(name="l", default_factory=list)  # counts, and the sum in ms
    starts: list[int] = msgspec.field(name="s", default_factory=list)
    ages: list[int] = msgspec.field(name="a", default_factory=list)
    durations: list[int] = msgspec.field(name="d", default_factory=list)
    transitions: dict[str, int] = msgspec.field(name="t", default_factory=dict)
    leases: tuple[int, int] = msgspec.field(name="e", default=(0, 0))  # begun, expired
    jobs: dict[str, int] = msgspec.field(name="j", default_factory=dict)
    sizes: tuple[int, int, int] = msgspec.field(name="n", default=(0, 0, 0))  # live jobs, workers, tokens
    rates: tuple[float, float] = msgspec.field(name="r", default=(0.0, 0.0))  # granted, configured


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Packed).decode


class History:
    """The samples of one fleet."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys) -> None:
        self._client, self._scripts, self._keys = client, scripts, keys

    def due_in_s(self, *, now_ms: int | None = None) -> float:
        """How long until a sample is wanted: 0 when it is now."""
        return self._run("", now_ms)[0]

    def add(self, sample: Sample, *, now_ms: int | None = None) -> bool:
        """Keep a sample, as one of this moment. Returns False if others were first: one in 10 s is enough."""
        return self._run(packed(sample), now_ms)[1]

    def _run(self, text: str, now_ms: int | None) -> tuple[float, bool]:
        args = ("" if now_ms is None else now_ms, text, EVERY_MS, KEPT)
        left_ms, added = self._scripts.run("sample", (self._keys.history, self._keys.totals), args)
        return left_ms / 1000, bool(added)

    def read(self, since_ms: int = 0) -> Iterator[Sample]:
        """The samples since a moment, oldest first; what cannot be read is left out."""
        start, more = str(max(0, since_ms - SKEW_MS)), True
        while more:
            page: Any = self._client.xrange(self._keys.history, start, "+", count=PAGE)
            more = len(page) == PAGE
            for cursor, fields in page:
                start = f"({cursor}"
                sample = unpacked(fields)
                if sample is not None and sample.at_ms >= since_ms:
                    yield sample


def packed(sample: Sample) -> str:
    """A sample as it is stored."""
    f, t = sample.figures, sample.figures.totals
    text = _encode(
        Packed(
            calls=(t.calls, t.throttled, t.failed, t.ids),
            failures=t.failures,
            lags=flat(f.lags),
            starts=flat(f.start_lags),
            ages=flat(f.ages),
            durations=flat(f.durations),
            transitions={f"{before}>{after}": count for (before, after), count in f.transitions.items()},
            leases=(f.leases, f.expired),
            jobs={status.value: count for status, count in sample.jobs.items()},
            sizes=(sample.live, sample.workers, sample.tokens),
            rates=(round(sample.granted, 3), round(sample.configured, 3)),
        )
    )
    return text.decode()


def unpacked(fields: Mapping[str, str]) -> Sample | None:
    """A sample by its entry; None if it is none."""
    with suppress(ValueError, RecursionError):
        at_ms, p = int(fields.get("at", "")), _decode(fields.get("sample", ""))
        calls, throttled, failed, ids = p.calls
        figures = Figures(
            totals=Totals(calls, throttled, failed, ids, p.failures),
            lags=histogram(LAG_S, p.lags),
            start_lags=histogram(LAG_S, p.starts),
            ages=histogram(AGE_S, p.ages),
            durations=histogram(CALL_S, p.durations),
            transitions={moved(words): count for words, count in p.transitions.items()},
            leases=p.leases[0],
            expired=p.leases[1],
        )
        jobs = {JobStatus(word): count for word, count in p.jobs.items()}
        return Sample(at_ms, figures, jobs, *p.sizes[:2], *p.rates, p.sizes[2])
    return None


def flat(histogram: Histogram) -> list[int]:
    """A histogram as its counts and its sum in ms; nothing for one that is empty."""
    return [*histogram.counts, round(histogram.total_s * 1000)] if histogram.count else []


def histogram(bounds: tuple[float, ...], numbers: list[int]) -> Histogram:
    """A histogram by its counts and its sum; an empty one if these are not of such bounds."""
    if len(numbers) != len(bounds) + 2 or min(numbers) < 0:
        return Histogram.empty(bounds)
    return Histogram(bounds, tuple(numbers[:-1]), numbers[-1] / 1000)


@lru_cache(maxsize=256)
def moved(words: str) -> tuple[JobStatus, JobStatus]:
    """The statuses before and after a transition."""
    before, _, after = words.partition(">")
    return JobStatus(before), JobStatus(after)

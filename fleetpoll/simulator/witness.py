"""What the API's side saw: calls, ids, throttles, and how long it took until somebody noticed each completion.

It stands where AWS stands, so its figures owe nothing to those of the poller. All of them belong to one measuring
window, which `restart` begins anew; only which statuses were shown outlives it, for a job shown as finished stays so.
"""

from __future__ import annotations

from array import array
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fleetpoll.jobs import JobStatus
from fleetpoll.simulator.calls import Calls
from fleetpoll.simulator.config import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IDS_PER_CALL = 100  # AWS's limit
FILLS = (1, 10, 50, 90, 99, 100)  # upper edges of the histogram of ids per accepted call
OVERLAPS_KEPT = 100
ENDS = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
STARTED = ENDS | {JobStatus.RUNNING}

Sight = tuple[str, JobStatus, int, int]
"""A job as an answer shows it: (id, status, when it began to run or 0, when it stops or stopped)."""
Told = tuple[list[str], int, list[Sight]]
"""What an answer would show, had it come whole: (ids, when they were asked for, the jobs)."""


class Asked:
    """What accepted DescribeJobs calls asked for."""

    def __init__(self) -> None:
        self.ids = self.max_ids = self.with_duplicates = self.over_limit = 0
        self.fills: Counter[int] = Counter()
        self._answered_ms: dict[str, int] = {}  # by id, the last time
        self._overlaps: list[tuple[int, int, int]] = []
        self._ids_overlapping = 0

    def note(self, ids: Sequence[str], asked_ms: int, now_ms: int) -> None:
        """An accepted call of that moment asked for these ids, and is answered now."""
        self.ids += len(ids)
        self.max_ids = max(self.max_ids, len(ids))
        self.with_duplicates += len(set(ids)) < len(ids)
        answered_ms = self._answered_ms
        if twice := sum(answered_ms.get(job_id, 0) > asked_ms for job_id in ids):
            self._ids_overlapping += twice
            if len(self._overlaps) < OVERLAPS_KEPT:
                self._overlaps.append((asked_ms, now_ms, twice))
        answered_ms.update(dict.fromkeys(ids, now_ms))
        self.fills[next(edge for edge in FILLS if len(ids) <= edge)] += 1

    def unasked(self, ids: set[str]) -> int:
        """How many of these nobody asked for."""
        return len(ids - self._answered_ms.keys())

    def report(self, accepted: int) -> dict[str, Any]:
        """The figures as JSON; `mean_ids` is ids per accepted call, `fill` the same as a share of 100.

        `ids_overlapping` are those that a call asked for before another one for them was answered: two held them at once.
        `overlaps` are the first such calls: when each came and was answered, and how many of its ids it was.
        """
        per_call = self.ids / accepted if accepted else 0.0
        return {
            "ids": self.ids,
            "mean_ids": per_call,
            "fill": per_call / IDS_PER_CALL,
            "asked_distinct": len(self._answered_ms),
            "max_ids": self.max_ids,
            "ids_histogram": {f"<={edge}": self.fills[edge] for edge in FILLS},
            "calls_with_duplicates": self.with_duplicates,
            "calls_over_100": self.over_limit,
            "ids_overlapping": self._ids_overlapping,
            "overlaps": self._overlaps,
        }


class Shown:
    """What answers showed. The statuses outlive a window, the figures do not."""

    def __init__(self) -> None:
        self._status: dict[str, JobStatus] = {}  # the last one shown, of jobs not shown as finished
        self._ended_ms: dict[str, int] = {}  # when a job was first shown as finished
        self.restart()

    def restart(self) -> None:
        """Begin the figures anew."""
        self.transitions = self.asked_after = 0
        self._asked_after_ids: set[str] = set()
        self._lags_ms = array("q")
        self._starts = self._start_lag_ms = 0

    def asked(self, ids: Iterable[str], asked_ms: int) -> None:
        """An accepted call asked for these ids at that moment; note those whose end had been shown before it."""
        ended_ms = self._ended_ms
        for job_id in ids:
            if job_id in ended_ms and ended_ms[job_id] <= asked_ms:
                self.asked_after += 1
                self._asked_after_ids.add(job_id)

    def show(self, jobs: Iterable[Sight], now_ms: int) -> None:
        """An answer shows these jobs."""
        statuses = self._status
        for job_id, status, started_ms, stopped_ms in jobs:
            before = statuses.get(job_id)
            if before is status or job_id in self._ended_ms:
                continue
            self.transitions += 1
            if started_ms and status in STARTED and before is not JobStatus.RUNNING:
                self._starts += 1
                self._start_lag_ms += now_ms - started_ms
            if status in ENDS:
                self._lags_ms.append(now_ms - stopped_ms)
                self._ended_ms[job_id] = now_ms
                statuses.pop(job_id, None)
            else:
                statuses[job_id] = status

    def undetected(self, ended: Iterable[tuple[str, int]], now_ms: int) -> dict[str, Any]:
        """How many of these ends, (id, when), no answer has shown, and for how long on average, as JSON."""
        ages_ms = [now_ms - stopped_ms for job_id, stopped_ms in ended if job_id not in self._ended_ms]
        return {"count": len(ages_ms), "mean_age_ms": mean(ages_ms)}

    def report(self) -> dict[str, Any]:
        """The figures as JSON; a lag is from stoppedAt to the first answer that showed the end, `cdf` its percentiles.

        That of a start is from startedAt to the first answer that showed RUNNING, or an end where none had shown it.
        """
        lags = sorted(self._lags_ms)
        lag = {
            "count": len(lags),
            "mean": mean(lags),
            "p50": percentile(lags, 50),
            "p99": percentile(lags, 99),
            "max": percentile(lags, 100),
            "cdf": [percentile(lags, percent) for percent in range(101)] if lags else [],
        }
        after = {"count": self.asked_after, "distinct": len(self._asked_after_ids)}
        starts = {"count": self._starts, "mean": self._start_lag_ms / self._starts if self._starts else 0.0}
        return {
            "transitions_shown": self.transitions,
            "completion_lag_ms": lag,
            "start_lag_ms": starts,
            "asked_after_terminal": after,
        }


class Witness:
    """All that was seen since `since_ms`."""

    def __init__(self, now_ms: int) -> None:
        self.shown = Shown()
        self._withheld: list[Told] | None = None
        self.restart(now_ms)

    def restart(self, now_ms: int) -> None:
        """Begin a new measuring window."""
        self.since_ms = now_ms
        self.calls = {operation: Calls(now_ms) for operation in Operation}
        self.asked = Asked()
        self.shown.restart()

    def describe(self, ids: Sequence[str], asked_ms: int, jobs: Iterable[Sight], now_ms: int) -> None:
        """A DescribeJobs call of `asked_ms` is answered now and shows these jobs."""
        if self._withheld is not None:
            self._withheld.append((list(ids), asked_ms, list(jobs)))
            return
        self.asked.note(ids, asked_ms, now_ms)
        self.shown.asked(ids, asked_ms)
        self.shown.show(jobs, now_ms)

    @contextmanager
    def withheld(self) -> Iterator[list[Told]]:
        """What is described in this block is not shown: the answers may never arrive. Those that do are for `arrived`."""
        told: list[Told] = []
        self._withheld = told
        try:
            yield told
        finally:
            self._withheld = None

    def arrived(self, told: Iterable[Told], now_ms: int) -> None:
        """Answers that were withheld have come through in the end."""
        for ids, asked_ms, jobs in told:
            self.shown.asked(ids, asked_ms)
            self.shown.show(jobs, now_ms)

    def report(self, now_ms: int) -> dict[str, Any]:
        """All figures of the window as JSON."""
        window_ms = now_ms - self.since_ms
        operations = {operation: calls.report(window_ms) for operation, calls in self.calls.items()}
        operations[Operation.DESCRIBE] |= self.asked.report(self.calls[Operation.DESCRIBE].accepted)
        return {"since_ms": self.since_ms, "now_ms": now_ms, "operations": operations, **self.shown.report()}


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least this percentage of all values does not exceed (nearest rank); 0 of none."""
    # Whole numbers: 0.07 * 100 is more than 7.
    return ordered[max(1, -(-percent * len(ordered) // 100)) - 1] if ordered else 0


def mean(values: Sequence[int]) -> float:
    """The mean; 0 of none."""
    return sum(values) / len(values) if values else 0.0

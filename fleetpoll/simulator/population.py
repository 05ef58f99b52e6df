"""All jobs of the account: which exist, how many live, which are forgotten.

Nothing happens on its own. `advance` brings the counts up to the moment of the call; as each job's end is known when it
is born, a heap of ends gives the number of live jobs, and its mean over time, exactly.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import defaultdict, deque
from itertools import takewhile
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpoll.simulator.lifecycle import Plan
    from fleetpoll.simulator.records import SimulatedJob

COMPACT_EVERY = 10_000  # forgotten jobs before the queues' lists are rewritten


class Population:
    """The jobs by id and by queue; knows the living."""

    def __init__(self, retention_ms: int, now_ms: int) -> None:
        self.jobs: dict[str, SimulatedJob] = {}
        self.living: set[str] = set()
        self._queues: defaultdict[str, list[SimulatedJob]] = defaultdict(list)
        self._retention_ms = retention_ms
        self._ends: list[tuple[int, int, SimulatedJob]] = []  # a heap; an entry whose time is not the job's end is void
        self._finished: deque[tuple[str, int]] = deque()  # (id, when it stopped), in the order of their ends
        self._forgotten = 0
        self._at_ms = self._since_ms = now_ms
        self._lived = 0  # live jobs x ms since `_since_ms`

    def add(self, job: SimulatedJob, now_ms: int) -> None:
        """A job is born. Its end may lie in the past."""
        self.advance(now_ms)
        self.jobs[job.job_id] = job
        if job.parent is None and job.node_of is None:
            self._queues[job.template.look.job_queue].append(job)
        self.living.add(job.job_id)
        heapq.heappush(self._ends, (job.stopped_ms, job.number, job))

    def replan(self, job: SimulatedJob, plan: Plan, now_ms: int) -> None:
        """A job's life is changed."""
        self.advance(now_ms)
        stopped_ms = job.stopped_ms
        job.plan = plan
        if job.stopped_ms != stopped_ms:  # else the entry in the heap is good, and a second would count twice
            heapq.heappush(self._ends, (job.stopped_ms, job.number, job))

    def find(self, job_id: str, now_ms: int) -> SimulatedJob | None:
        """The job with that id, unless it never was or is forgotten."""
        self.advance(now_ms)
        return self.jobs.get(job_id)

    def in_queue(self, queue: str, after: int, now_ms: int) -> Iterator[SimulatedJob]:
        """The jobs of a queue in the order of their birth, without children and nodes, after job number `after`."""
        self.advance(now_ms)
        jobs = self._queues.get(queue, [])
        for job in jobs[bisect_right(jobs, after, key=attrgetter("number")) :]:
            if job.job_id in self.jobs:
                yield job

    def advance(self, now_ms: int) -> None:
        """Count all that ended up to now, and forget what ended too long ago."""
        ends = self._ends
        while ends and ends[0][0] <= now_ms:
            ended_ms, _, job = heapq.heappop(ends)
            if ended_ms != job.stopped_ms:
                continue
            self._count_until(ended_ms)
            self.living.remove(job.job_id)
            self._finished.append((job.job_id, ended_ms))
        self._count_until(now_ms)
        finished = self._finished
        while finished and finished[0][1] + self._retention_ms <= now_ms:
            self._forget(finished.popleft()[0])

    def ended_since(self, moment_ms: int) -> Iterator[tuple[str, int]]:
        """What ended from that moment to the last `advance` and is not forgotten, the latest first: (id, when)."""
        return takewhile(lambda end: end[1] >= moment_ms, reversed(self._finished))

    def live_mean(self, now_ms: int) -> float:
        """The mean number of live jobs over time since `restart`."""
        self.advance(now_ms)
        elapsed_ms = self._at_ms - self._since_ms
        return self._lived / elapsed_ms if elapsed_ms else float(len(self.living))

    def restart(self, now_ms: int) -> None:
        """Begin a new mean."""
        self.advance(now_ms)
        self._since_ms, self._lived = self._at_ms, 0

    def _count_until(self, moment_ms: int) -> None:
        if moment_ms > self._at_ms:
            self._lived += len(self.living) * (moment_ms - self._at_ms)
            self._at_ms = moment_ms

    def _forget(self, job_id: str) -> None:
        del self.jobs[job_id]
        self._forgotten += 1
        if self._forgotten >= COMPACT_EVERY:
            self._forgotten = 0
            for queue, jobs in self._queues.items():
                self._queues[queue] = [kept for kept in jobs if kept.job_id in self.jobs]

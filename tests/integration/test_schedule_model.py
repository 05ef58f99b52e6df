"""The schedule against a model of it: any interleaving of the verbs, the real scripts on a real server, time by argument.

The model does not foresee which jobs a claim takes, it says which it may take and must; all else it knows exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.delays import is_due_time
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look, Nothing
from tests.chaos.consistency import stored
from tests.ids import make_ids
from tests.integration.machines import interleave

START_MS = 1_800_000_000_000
VISIBILITY_MS = 60_000
FINISHED_KEPT_MS = 3_000
LIMIT = 3
"""Ids in a lease, instead of a hundred, so that a few jobs make several leases."""

ALL = make_ids(8)
WORKERS = st.sampled_from(("a", "b", "c", "d"))
"""One of them that never claims again has died."""
PATIENCE_MS = st.sampled_from((0, 500, -2_000))
SEEN = st.sampled_from((None, JobStatus.RUNNABLE, JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.LOST))
SEEN_ALL = st.lists(SEEN, min_size=LIMIT, max_size=LIMIT)
DELAY_S = st.sampled_from((0.0, 0.7, 20.0))


@dataclass
class Job:
    """What the model knows of a job. While it is on loan, or was and nobody took it back, it has a fence."""

    due_ms: int
    record: Snapshot
    fence: str = ""

    @property
    def live(self) -> bool:
        """Whether it is scheduled."""
        return not self.record.status.terminal

    def due(self, now_ms: int) -> bool:
        """Whether it may be lent; a lease ends with its last millisecond, not before."""
        return self.due_ms < now_ms + (0 if self.fence else 1)


@dataclass
class Model:
    """The whole of what is known, as it must be."""

    jobs: dict[str, Job] = field(default_factory=dict)
    ended_ms: dict[str, int] = field(default_factory=dict)
    events: list[tuple[str, JobStatus, JobStatus]] = field(default_factory=list)
    fences: set[str] = field(default_factory=set)
    last: dict[str, str] = field(default_factory=dict)
    expired: int = 0

    def live(self) -> dict[str, Job]:
        """The jobs that are scheduled."""
        return {job_id: job for job_id, job in self.jobs.items() if job.live}

    def due(self, now_ms: int) -> list[str]:
        """The jobs that may be lent, the longest due first; of one moment, a due time before the end of a lease."""
        due = [job_id for job_id, job in self.live().items() if job.due(now_ms)]
        return sorted(due, key=lambda job_id: (self.jobs[job_id].due_ms, bool(self.jobs[job_id].fence)))

    def give_back(self, worker: str, now_ms: int, due_ms: int) -> None:
        """A worker claims: what it still held is due again. If its time had run out, that was not in good time."""
        held = [job for job in self.live().values() if job.fence and job.fence == self.last.get(worker)]
        self.expired += any(job.due_ms < now_ms for job in held)
        for job in held:
            job.fence, job.due_ms = "", due_ms

    def lapse(self, fences: set[str]) -> None:
        """Leases are found whose time ran out: what is left of them is plainly due."""
        self.expired += len(fences)
        for job in self.live().values():
            if job.fence in fences:
                job.fence = ""


class Workers(RuleBasedStateMachine):
    """A few workers, and others who track and untrack. All leases are kept, so that each may come late, or again."""

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        self._rooms, self._model, self._now_ms = rooms, Model(), START_MS
        self._leases: list[Lease] = []
        k = rooms.keys
        rooms.client.delete(k.schedule, k.ledger, k.counts, k.finished, k.events, k.totals, k.leases, k.figures)

    @initialize()
    def begin(self) -> None:
        """There is work from the start."""
        self._track(ALL)

    @rule(ids=st.lists(st.sampled_from(ALL), min_size=1, unique=True), forget=st.booleans())
    def track(self, ids: list[str], forget: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """Only what is not known is new; what is known is forgotten when told so, on loan or not."""
        if not forget:
            self._track(ids)
            return
        known = [job_id for job_id in ids[:2] if self._model.jobs.pop(job_id, None)]
        for job_id in known:
            self._model.ended_ms.pop(job_id, None)
        assert self._rooms.schedule.untrack(ids[:2]) == len(known)

    @rule(ids=st.lists(st.sampled_from(ALL), min_size=1, unique=True))
    def reopen(self, ids: list[str]) -> None:
        """What is over is as new, and that is told; what lives, on loan or not, and what is not known, is left alone."""
        over = [job_id for job_id in ids if job_id in self._model.ended_ms]
        assert self._rooms.schedule.reopen(ids, events_kept=1000, now_ms=self._now_ms) == len(over)
        for job_id in over:
            del self._model.ended_ms[job_id]
            self._model.events.append((job_id, self._model.jobs[job_id].record.status, JobStatus.UNSEEN))
            self._model.jobs[job_id] = Job(self._now_ms, Snapshot(tracked_ms=self._now_ms))

    @rule(passed_ms=st.sampled_from((1, 400, 3_000, VISIBILITY_MS - 1, VISIBILITY_MS + 1)))
    def pass_time(self, passed_ms: int) -> None:
        """Leases end by that alone; jobs that ended a while ago are forgotten, and may be tracked as new ones."""
        self._now_ms += passed_ms
        old = [i for i, ended_ms in self._model.ended_ms.items() if ended_ms <= self._now_ms - FINISHED_KEPT_MS]
        k = self._rooms.keys
        keys = (k.ledger, k.finished, k.counts, k.roster, k.leases, k.troubles)
        assert self._rooms.scripts.run("sweep", keys, (self._now_ms, FINISHED_KEPT_MS, 500, 12))[0] == len(old)
        for job_id in old:
            del self._model.ended_ms[job_id], self._model.jobs[job_id]

    @rule(worker=WORKERS, patience_ms=PATIENCE_MS, heard=st.sampled_from((True, True, True, False)))
    def claim(self, worker: str, patience_ms: int, heard: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """Take what is due and nobody's; now and then the reply is lost. Who is told when to ask finds something then."""
        answer = self._claim(worker, patience_ms)
        if isinstance(answer, Nothing) and answer.wait_s is not None:
            self._now_ms += round(answer.wait_s * 1000)
            answer = self._claim(worker, patience_ms)
            assert isinstance(answer, Lease)
        if heard and isinstance(answer, Lease):
            self._leases.append(answer)

    @rule(worker=WORKERS, seen=SEEN_ALL, delay_s=DELAY_S)
    def work(self, worker: str, seen: list[JobStatus | None], delay_s: float) -> None:
        """A claim that is settled in time."""
        lease = self._claim(worker, 0)
        if isinstance(lease, Lease):
            self._leases.append(lease)
            self._settle(lease, seen, delay_s)

    @precondition(lambda self: self._leases)
    @rule(late=st.integers(0, 3), seen=SEEN_ALL, delay_s=DELAY_S)
    def settle(self, late: int, seen: list[JobStatus | None], delay_s: float) -> None:
        """A lease of before, settled late, or again."""
        self._settle(self._leases[-1 - late % len(self._leases)], seen, delay_s)

    @precondition(lambda self: self._leases)
    @rule(late=st.integers(0, 3), delay_s=st.sampled_from((None, 2.0)))
    def release(self, late: int, delay_s: float | None) -> None:
        """What is still held is due again, in its old place or after the delay."""
        lease = self._leases[-1 - late % len(self._leases)]
        held = [job_id for job_id in lease.jobs if self._holds(lease, job_id)]
        released = self._rooms.schedule.release(lease, list(lease.jobs), delay_s=delay_s, now_ms=self._now_ms)
        assert released == len(held)
        for job_id in held:
            job = self._model.jobs[job_id]
            job.fence = ""
            job.due_ms = int(lease.scores[job_id]) if delay_s is None else self._now_ms + round(delay_s * 1000)

    @invariant()
    def what_is_stored_is_what_the_model_knows(self) -> None:
        """No job is lost, doubled or due at another time, and the stream tells what kept settles told, in their order."""
        found = stored(self._rooms)
        assert found.problems() == []
        assert found.ledger == {job_id: job.record.status for job_id, job in self._model.jobs.items()}
        for job_id, job in self._model.live().items():
            score = found.schedule[job_id]
            assert score == float(job.fence) if job.fence else is_due_time(score) and int(score) == job.due_ms, job_id
        assert [(e.job_id, e.before, e.after) for e in self._rooms.events.read("0-0")] == self._model.events
        figures = self._rooms.ledger.figures()
        assert figures.transitions == Counter((before, after) for _, before, after in self._model.events)
        assert figures.expired == self._model.expired

    def _track(self, ids: list[str]) -> None:
        new = [job_id for job_id in ids if job_id not in self._model.jobs]
        assert self._rooms.schedule.track(ids, now_ms=self._now_ms) == len(new)
        for job_id in new:
            self._model.jobs[job_id] = Job(self._now_ms, Snapshot(tracked_ms=self._now_ms))

    def _settle(self, lease: Lease, seen: list[JobStatus | None], delay_s: float) -> None:
        """Settle; what is still held counts, and what is not changes nothing."""
        looks = [self._look(lease, *found, delay_s) for found in zip(lease.jobs, seen, strict=False)]
        held = [look for look in looks if self._holds(lease, look.job_id)]
        done = self._rooms.schedule.settle(lease, looks, events_kept=1000, asked=len(looks), now_ms=self._now_ms)
        assert (done.kept, done.lost) == (len(held), len(looks) - len(held))
        for look in held:
            self._settled(look)

    def _holds(self, lease: Lease, job_id: str) -> bool:
        job = self._model.jobs.get(job_id)
        return job is not None and job.live and job.fence == lease.fence

    def _claim(self, worker: str, patience_ms: int) -> Lease | Nothing:
        """Claim, and hold the answer against the model."""
        model, now_ms = self._model, self._now_ms
        model.give_back(worker, now_ms, now_ms - max(0, patience_ms))
        due, live = model.due(now_ms), model.live()
        answer = self._rooms.schedule.claim(
            VISIBILITY_MS / 1000,
            margin_s=5.0,
            patience_s=patience_ms / 1000,
            worker_id=worker,
            limit=LIMIT,
            now_ms=now_ms,
        )
        assert answer.live == len(live)
        if isinstance(answer, Nothing):
            assert (answer.wait_s is None) is (not live)
            assert len(due) < LIMIT
            assert all(now_ms - live[job_id].due_ms < max(0, patience_ms) + bool(live[job_id].fence) for job_id in due)
            return answer
        self._lent(answer, due)
        model.last[worker] = answer.fence
        return answer

    def _lent(self, lease: Lease, due: list[str]) -> None:
        """What was lent was nobody's, holds all that is due or the longest due, and the fence is a new one."""
        model, jobs = self._model, self._model.jobs
        assert lease.fence not in model.fences
        model.fences.add(lease.fence)
        assert len(lease.jobs) <= LIMIT
        assert sum(job_id in lease.jobs for job_id in due) == min(LIMIT, len(due))
        late = [jobs[job_id].due_ms for job_id in lease.jobs]
        assert all(job_id in lease.jobs or jobs[job_id].due_ms >= max(late) for job_id in due)
        assert all(jobs[job_id].due(self._now_ms) or not jobs[job_id].fence for job_id in lease.jobs), (
            "somebody else holds it"
        )
        model.lapse({jobs[job_id].fence for job_id in lease.jobs} - {""})
        for job_id, record in lease.jobs.items():
            job = jobs[job_id]
            assert job.live
            assert record == job.record
            job.fence, job.due_ms = lease.fence, self._now_ms + VISIBILITY_MS

    def _look(self, lease: Lease, job_id: str, status: JobStatus | None, delay_s: float) -> Look:
        """How a worker settles a job that it found in this status (None: as it was)."""
        known = lease.jobs[job_id]
        if status is None or status is known.status:
            return Look(job_id, delay_s)
        record = msgspec.structs.replace(known, status=status, changed_ms=self._now_ms)
        return Look(job_id, None if status.terminal else delay_s, record, Transition.between(job_id, known, record))

    def _settled(self, look: Look) -> None:
        job = self._model.jobs[look.job_id]
        job.fence = ""
        if look.record is not None and look.transition is not None:
            job.record = look.record
            self._model.events.append((look.job_id, look.transition.before, look.transition.after))
        if look.delay_s is None:
            self._model.ended_ms[look.job_id] = self._now_ms
        else:
            job.due_ms = self._now_ms + round(look.delay_s * 1000)


def test_no_interleaving_breaks_the_schedule(rooms: Rooms) -> None:
    """Whatever workers do and however late, no job is lost, held twice or published twice."""
    interleave(lambda: Workers(rooms), examples=80, steps=30)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_interleaving_breaks_the_schedule_in_minutes_of_trying(rooms: Rooms) -> None:
    """The same, with many more and longer ones."""
    interleave(lambda: Workers(rooms), examples=3000, steps=60)

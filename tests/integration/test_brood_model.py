"""An array that is followed, in any interleaving: workers that are late, die half way or repeat themselves, and users.

What a worker does with an answer is what the cycle does with it. In the end everything is let go: then each child's end must
have been published, and once for each time that somebody asked for it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleetpoll.jobs import Array, JobStatus, Transition
from fleetpoll.state import broods
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.schedule import Lease, Look, untrack_keys
from tests.chaos.consistency import stored
from tests.ids import make_ids
from tests.integration.arrays import children, ends
from tests.integration.machines import interleave

START_MS = 1_900_000_000_000
VISIBILITY_MS = 60_000
KEPT_MS = 100_000
SIZE, STEP, LIMIT, ROUNDS = 5, 2, 3, 150
"""Of the array, of a script call, of a lease; and claims that must do to end everything."""

ARRAY = make_ids(1)[0]
CHILDREN = children(ARRAY, *range(SIZE))
WORKERS = st.sampled_from(("a", "b", "c"))
CHILD = st.sampled_from(CHILDREN)
LIFE = (JobStatus.RUNNABLE, JobStatus.RUNNING, JobStatus.SUCCEEDED)


class Answer(NamedTuple):
    """What a worker was lent, and what AWS said of it then."""

    lease: Lease
    truth: dict[str, JobStatus]

    @property
    def array(self) -> Array:
        """The summary."""
        counts = Counter(self.truth.values())
        return Array(SIZE, counts[JobStatus.SUCCEEDED], counts[JobStatus.RUNNING])

    def status(self, job_id: str) -> JobStatus:
        """A job's; the array is over when all of its children are."""
        whole = JobStatus.SUCCEEDED if self.array.ended == SIZE else JobStatus.PENDING
        return self.truth.get(job_id, whole)


class Brood(RuleBasedStateMachine):
    """Three workers, and who tracks, forgets and opens again."""

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        self._rooms, self._now_ms = rooms, START_MS
        self._truth = dict.fromkeys(CHILDREN, LIFE[0])
        self._answers: list[Answer] = []
        self._wanted, self._may_end = set[str](), Counter(dict.fromkeys(CHILDREN, 1))
        rooms.client.delete(*rooms.client.keys(rooms.keys.pattern), "none")

    @initialize()
    def begin(self) -> None:
        """There is an array from the start."""
        self.follow_the_array()

    @rule()
    def follow_the_array(self) -> None:
        """Once or again, before it is over or after: all that is not known to be over is to be told."""
        if self._rooms.broods.adopt([ARRAY], now_ms=self._now_ms):
            self._wanted |= set(CHILDREN)

    @rule(child=CHILD, forget=st.booleans())
    def track_a_child(self, child: str, forget: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """By itself; or nobody wants to hear of it any more."""
        if not forget:
            self._rooms.schedule.track([child], now_ms=self._now_ms)
            self._wanted.add(child)
        elif self._rooms.schedule.untrack([child]) or child in self._wanted:
            self._wanted.discard(child)
            self._may_end[child] += 1

    @rule()
    def forget_the_array(self) -> None:
        """With all its children, if it is followed; else they are jobs like any other."""
        if self._rooms.client.hexists(self._rooms.keys.broods, ARRAY):
            self._wanted.clear()
            self._may_end.update(CHILDREN)
        self._rooms.schedule.untrack([ARRAY])

    @rule(late=st.booleans())
    def forget_the_array_half_way(self, late: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """Who forgets it dies after some children, or has read that there were none yet."""
        known, keys = self._rooms.client.hget(self._rooms.keys.broods, ARRAY), untrack_keys(self._rooms.keys)
        if not known:
            return
        gone = [ARRAY] if late else CHILDREN[:2]
        self._rooms.scripts.run("untrack", keys, [100, *gone])
        self._wanted -= set(CHILDREN if late else gone)
        self._may_end.update(CHILDREN if late else gone)

    @rule(child=st.sampled_from((*CHILDREN, ARRAY)))
    def open_again(self, child: str) -> None:
        """One that is over, be it the array."""
        self._may_end[child] += self._rooms.schedule.reopen([child], events_kept=1000, now_ms=self._now_ms)

    @rule(child=CHILD)
    def live_on(self, child: str) -> None:
        """AWS's side."""
        self._truth[child] = LIFE[min(LIFE.index(self._truth[child]) + 1, 2)]

    @rule(passed_ms=st.sampled_from((1, VISIBILITY_MS + 1, KEPT_MS)))
    def pass_time(self, passed_ms: int) -> None:
        """Leases end, the janitor looks in, and what has been over for long is forgotten."""
        self._now_ms += passed_ms
        self._rooms.schedule.untrack(self._rooms.broods.heal())
        k = self._rooms.keys
        old: Any = self._rooms.client.zrangebyscore(k.finished, "-inf", self._now_ms - KEPT_MS)
        self._may_end.update(old)
        if ARRAY in old or not self._rooms.client.hexists(k.broods, ARRAY):  # else it is over, and stays so
            self._wanted -= set(old)
        keys = (k.ledger, k.finished, k.counts, k.roster, k.leases, k.troubles)
        self._rooms.scripts.run("sweep", keys, (self._now_ms, KEPT_MS, 500, 12))

    @rule(worker=WORKERS)
    def ask(self, worker: str) -> None:
        """A worker claims, and hears what is true by now."""
        self._claim(worker)

    @rule(worker=WORKERS)
    def work(self, worker: str) -> None:
        """All of a pass in its time."""
        if self._claim(worker):
            self._plan(self._answers[-1])
            self._settle(self._answers[-1])

    @precondition(lambda self: self._answers)
    @rule(late=st.integers(0, 2), steps=st.sampled_from((0, 1, None)), settles=st.booleans())
    def go_on(self, late: int, steps: int | None, settles: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """With an answer of before, late or again; or as far as death lets it."""
        answer = self._answers[-1 - late % len(self._answers)]
        self._plan(answer, steps)
        if settles and steps is None:
            self._settle(answer)

    @invariant()
    def nobody_is_lost(self) -> None:
        """Who lives is on the schedule, or sleeps and its array is followed; the counts are right; no end is told twice."""
        client: Any = self._rooms.client
        found, k = stored(self._rooms), self._rooms.keys
        followed = client.hexists(k.broods, ARRAY)
        asleep = {f"{ARRAY}:{int(child[37:])}" for child in client.zrange(k.children, 0, -1)}
        started = {f"{ARRAY}:{int(child[37:])}" for child in client.zrange(k.started, 0, -1)}
        live = {job_id for job_id, status in found.ledger.items() if not status.terminal}
        assert followed or not asleep
        assert started <= asleep
        assert live - asleep <= found.schedule.keys() <= live | {ARRAY}
        assert not any("counts" in problem for problem in found.problems())
        for child, told in ends(self._rooms).items():
            assert child == ARRAY or len(told) <= self._may_end[child]

    def teardown(self) -> None:
        """Everything is let go."""
        self._truth = dict.fromkeys(CHILDREN, JobStatus.SUCCEEDED)
        for _ in range(ROUNDS):
            self._now_ms += VISIBILITY_MS + 1
            self._rooms.schedule.untrack(self._rooms.broods.heal())
            if not self._claim("z") and not self._rooms.client.hlen(self._rooms.keys.broods):
                break
            self.nobody_is_lost()
            self._plan(self._answers[-1])
            self._settle(self._answers[-1])
        else:
            raise AssertionError("it does not end")
        told = ends(self._rooms)
        assert self._wanted <= told.keys()
        assert {s for j, s in stored(self._rooms).ledger.items() if j in self._wanted} <= {JobStatus.SUCCEEDED}

    def _claim(self, worker: str) -> bool:
        visibility_s = VISIBILITY_MS / 1000
        lease = self._rooms.schedule.claim(visibility_s, margin_s=5.0, worker_id=worker, limit=LIMIT, now_ms=self._now_ms)
        if isinstance(lease, Lease):
            self._answers.append(Answer(lease, dict(self._truth)))
        return isinstance(lease, Lease)

    def _plan(self, answer: Answer, steps: int | None = None) -> None:
        """Children are woken before anything is settled: all that are to be, or so many calls of it. No lease suffers."""
        before = stored(self._rooms).schedule.items()
        for parent in answer.lease.followed:
            over, b = answer.status(parent).terminal, self._rooms.broods
            if steps is None and over:
                b.disband(parent, SIZE, now_ms=self._now_ms)
            elif steps is None:
                b.follow(parent, answer.array, now_ms=self._now_ms)
            k, array = self._rooms.keys, answer.array
            keys = (k.schedule, k.ledger, k.counts, k.finished, k.broods, k.children, k.started, k.doorbell)
            args = (*b._about(parent, SIZE, self._now_ms), *(() if over else (array.ended, array.running, 0)))
            for _ in range(steps or 0):
                self._rooms.scripts.run("disband" if over else "follow", keys, args)
        assert before <= stored(self._rooms).schedule.items()

    def _settle(self, answer: Answer) -> None:
        looks = []
        for job_id, known in answer.lease.jobs.items():
            status = answer.status(job_id)
            record = msgspec.structs.replace(known, status=status, changed_ms=self._now_ms)
            moved = None if status is known.status else Transition.between(job_id, known, record)
            looks.append(Look(job_id, None if status.terminal else 1.0, record if moved else None, moved))
        self._rooms.schedule.settle(answer.lease, looks, events_kept=1000, asked=len(looks), now_ms=self._now_ms)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts take small steps, so that there are several."""
    monkeypatch.setattr(broods, "STEP", STEP)


def test_no_interleaving_loses_a_child(rooms: Rooms) -> None:
    """Whatever workers and users do, and wherever they die, each child that is asked for is told of, once."""
    interleave(lambda: Brood(rooms), examples=40, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_interleaving_loses_a_child_in_minutes_of_trying(rooms: Rooms) -> None:
    """The same, with many more and longer ones."""
    interleave(lambda: Brood(rooms), examples=700, steps=50)  # some 13 ms a step on a busy machine

"""One pass of a worker through the rooms: claim, reserve, describe, diff, plan, settle.

The order is part of the design. A lease is plentiful and heals itself, a token is scarce: never hold the scarce thing
while looking for the plentiful one. And a lease is trusted only so long: before a call and before a settle we look
whether it may already be somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from time import sleep
from typing import NamedTuple

from fleetpoll.awsbatch.api import BatchApi
from fleetpoll.cadence.choice import Choice
from fleetpoll.cadence.elastic import Even
from fleetpoll.clock import Mono
from fleetpoll.diff import Outcome, Patience, compare
from fleetpoll.errors import AwsError, BadRequest, Throttled
from fleetpoll.jobs import NO_JOB, Description, Transition
from fleetpoll.looks import look_of, look_of_array, rejected
from fleetpoll.settings import Settings
from fleetpoll.state.allowance import PACE_S, Permit, Reason
from fleetpoll.state.bucket import PAUSED_RECHECK_S, FleetBucket
from fleetpoll.state.pages import Lesson
from fleetpoll.state.rooms import DESCRIBE, Rooms
from fleetpoll.state.schedule import IDS_PER_LEASE, Lease, Look, Nothing
from fleetpoll.suspects import Suspects, halves

RELEASED_AFTER_S = (0.25, 1.0)
"""When the jobs of a failed call are due again: soon, and not all at once."""

Wait = Callable[[float], bool]
"""Waits so many seconds; False when it was cut short because the worker is to stop."""

Waits = Generator[float, bool, "Pass"]
"""Says how many seconds to wait, is sent what a Wait returns, and ends with what was done."""


@dataclass(slots=True)
class Pass:
    """What one pass did, and how long to wait before the next one is worth making (None: until jobs are tracked)."""

    wait_s: float | None = 0.0
    idle: bool = False
    calls: int = 0
    kept: int = 0
    lost: int = 0
    unheard: int = 0  # settled by a call whose answer was lost, most likely
    moved: list[Transition] = field(default_factory=list)
    failure: AwsError | None = None
    childless: list[str] = field(default_factory=list)  # followed as arrays, which they are not
    slowed: bool = False  # the failure was a throttle that cut the fleet's rate
    outrun: bool = False  # no token was there, and it was not to wait for one
    paused: bool = False  # no token is given to anybody


class Answer(NamedTuple):
    """What AWS said to one call, at which rate it was granted, and how long it took."""

    found: dict[str, Description] | BadRequest
    granted: float
    took_s: float


def nap(wait_s: float) -> bool:
    """Wait, whatever happens meanwhile."""
    sleep(wait_s)
    return True


class Cycle:
    """Takes one lease through the rooms, for the worker `worker_id`. `wait` is how `run` sleeps."""

    def __init__(
        self,
        rooms: Rooms,
        api: BatchApi,
        settings: Settings,
        mono: Mono,
        rng: Random,
        wait: Wait = nap,
        *,
        worker_id: str = "",
    ) -> None:
        self._rooms, self._api, self._settings = rooms, api, settings
        self._mono, self._rng, self._wait, self._worker_id = mono, rng, wait, worker_id
        self._bucket: FleetBucket = rooms.buckets[DESCRIBE]
        self._choice, self._suspects = Choice(settings), Suspects()
        self._call_s = settings.connect_timeout + settings.read_timeout
        self._ahead_s = settings.token_wait  # how far the pass that is under way books ahead
        self._patience = Patience(round(settings.missing_grace * 1000), settings.missing_checks)

    def run(self, limit: int = IDS_PER_LEASE) -> Pass:
        """One pass for up to `limit` jobs. Raises RedisUnavailable or StateError; AWS's failures are in the answer."""
        steps = self.steps(limit)
        try:
            wait_s = next(steps)
            while True:
                wait_s = steps.send(self._wait(wait_s))
        except StopIteration as end:
            done: Pass = end.value
            return done

    def steps(self, limit: int = IDS_PER_LEASE, *, patient: bool = True) -> Waits:
        """The same pass for who has other things to do while a token is waited for: it stops there, and holds its lease.

        Unless it is `patient` it waits for no first token: it claims only if one is there.
        """
        s, done = self._settings, Pass()
        if not patient and (seen := self._bucket.look()).wait_s > 0:
            return Pass(wait_s=seen.wait_s, outrun=True, paused=seen.reason is Reason.PAUSED)
        lease = self._claim(limit)
        if isinstance(lease, Nothing):
            return Pass(wait_s=lease.wait_s, idle=True)
        self._ahead_s = s.token_wait if patient else 0.0
        yield from self._serve(lease, list(lease.jobs), done)
        return done

    def _claim(self, limit: int) -> Lease | Nothing:
        s, patience_s = self._settings, self._choice.patience_s
        return self._rooms.schedule.claim(
            s.visibility, margin_s=s.margin, patience_s=patience_s, worker_id=self._worker_id, limit=limit
        )

    def _serve(self, lease: Lease, ids: Sequence[str], done: Pass) -> Generator[float, bool, None]:
        """Spend a token on `ids`. A call that AWS refuses as a whole is split until the culprit is alone.

        Whatever else goes wrong, all that are left are given back.
        """
        parts = self._suspects.divided(ids)
        while parts:
            left = [job_id for part in parts for job_id in part]
            ids = parts.pop()
            answer = yield from self._ask(lease, ids, left, done)
            if answer is None:
                return
            found = answer.found
            if not isinstance(found, BadRequest):
                self._suspects.cleared(ids)
                looks, lesson = self._plan(lease, ids, found, answer.granted, done)
                self._settle(lease, looks, done, asked=len(ids), took_s=answer.took_s, lesson=lesson)
                continue
            self._suspects.refused(ids)
            if len(ids) > 1:
                parts += halves(ids)
                continue
            answer = yield from self._refuses_only(lease, left, done)
            if answer is None:
                return
            self._suspects.cleared(ids)
            self._settle(lease, [self._rejected(lease, ids[0], found)], done, asked=1, took_s=answer.took_s)

    def _ask(
        self, lease: Lease, ids: Sequence[str], left: Sequence[str], done: Pass
    ) -> Generator[float, bool, Answer | None]:
        """AWS's answer or refusal. If there is neither, all that are left are given back."""
        permit = yield from self._permit(lease, left, done)
        if permit is None:
            return None
        done.calls, self._ahead_s = done.calls + 1, self._settings.token_wait  # for more of the same lease it waits
        began = self._mono()
        try:
            return Answer(self._describe(ids), permit.granted, self._mono() - began)
        except BadRequest as refusal:
            self._rooms.schedule.release(lease, (), call=refusal.kind)  # counts the call; the jobs stay with us
            return Answer(refusal, permit.granted, self._mono() - began)
        except AwsError as failure:
            self._failed(lease, left, permit, failure, done)
            return None

    def _describe(self, ids: Sequence[str]) -> dict[str, Description]:
        return self._api.describe(ids)

    def _refuses_only(self, lease: Lease, left: Sequence[str], done: Pass) -> Generator[float, bool, Answer | None]:
        """AWS's answer when it is asked for no job of ours; None if it refuses that too, and so the id is not to blame."""
        answer = yield from self._ask(lease, (NO_JOB,), left, done)
        if answer is not None and isinstance(answer.found, BadRequest):
            done.failure = answer.found
            self._suspects.cleared(left)
            self._rooms.schedule.release(lease, left, delay_s=self._rng.uniform(*RELEASED_AFTER_S))
            return None
        return answer

    def _permit(self, lease: Lease, ids: Sequence[str], done: Pass) -> Generator[float, bool, Permit | None]:
        """A token whose time has come, while the lease outlasts a call; else the jobs are given back."""
        begin_by = lease.trusted_until - self._call_s
        answer = held = self._bucket.reserve(self._ahead_s)
        while isinstance(answer, Permit) and self._mono() + answer.wait_s < begin_by:
            if not (yield min(answer.wait_s, PACE_S)):
                break
            if answer.wait_s > PACE_S:
                answer = self._bucket.reconsider(answer)
                held = answer if isinstance(answer, Permit) else held
            elif self._mono() < begin_by:
                return answer
            else:
                break
        self._rooms.schedule.release(lease, ids)
        if isinstance(held, Permit):
            self._bucket.refund(held)
        if isinstance(answer, Permit):
            if self._mono() + answer.wait_s >= begin_by:  # the next lease may be too short as well: no storm of claims
                done.wait_s = self._rng.uniform(*RELEASED_AFTER_S)
        else:
            done.paused = paused = answer.reason is Reason.PAUSED
            done.outrun = self._ahead_s == 0 and not paused
            too_far = answer.wait_s - self._ahead_s * self._rng.uniform(0.25, 0.75)
            longest_s = self._settings.token_wait  # a rate that is pinned may be let go any time, and no bell tells of it
            done.wait_s = PAUSED_RECHECK_S if paused else min(longest_s, max(0.0, too_far))
        return None

    def _failed(self, lease: Lease, ids: Sequence[str], permit: Permit, failure: AwsError, done: Pass) -> None:
        done.failure = failure
        if isinstance(failure, Throttled):
            done.slowed = self._bucket.penalize(permit.stamp_us, failure.retry_after_s)
            self._rooms.schedule.release(lease, ids, call=failure.kind)
        else:
            self._rooms.schedule.release(lease, ids, delay_s=self._rng.uniform(*RELEASED_AFTER_S), call=failure.kind)

    def _plan(
        self, lease: Lease, ids: Sequence[str], found: dict[str, Description], granted: float, done: Pass
    ) -> tuple[list[Look], Lesson | None]:
        """How each job of a call is settled, and what was learnt from it."""
        mono, choice = self._mono(), self._choice
        now_ms = lease.now_ms(mono)
        outcomes: dict[str, Outcome] = {}
        allowed = choice.allowed(lease.live, granted, mono)
        for job_id in ids:
            described = found.get(job_id)
            outcomes[job_id] = outcome = compare(lease.jobs[job_id], described, now_ms, self._patience)
            if described is not None and described.status is not None:  # else the answer tells nothing of it
                choice.note(outcome.known, outcome.record or outcome.known, lease.looked_ms(job_id), now_ms)
        # An array waits for its children to be noticed, whatever its own status is worth, and they sleep: no plan is kept,
        # so none must tell what is asked for.
        lead_s, overdue_s = mono - lease.asked_at, (lease.claimed_ms - lease.due_ms) / 1000
        cadence = choice.cadence(allowed, lease.price, lead_s, max(0.0, overdue_s))
        even, apart = Even(allowed), lease.followed | lease.sleepers
        looks = [look_of(i, o, even if i in apart else cadence, now_ms, self._rng) for i, o in outcomes.items()]
        for at, look in enumerate(looks):
            if look.job_id in lease.followed:
                looks[at] = look_of_array(look, outcomes[look.job_id], allowed.rhythm_s)
                self._follow(looks[at], found.get(look.job_id), allowed.rhythm_s, done)
        return looks, Lesson(cadence.price_step, *choice.notebook.homework()) if choice.learns else None

    def _follow(self, look: Look, described: Description | None, pause_s: float, done: Pass) -> None:
        """Wake children of an array, as its summary says; all of them before the array itself is settled as over."""
        broods, array = self._rooms.broods, described.array if described else None
        no_array = described is not None and bool(described.job_name) and array is None
        if no_array:
            done.childless.append(look.job_id)
        if look.delay_s is None or no_array:
            broods.disband(look.job_id, array.size if array else 0)
        elif array is not None:
            broods.follow(look.job_id, array, pause_s=pause_s)

    def _rejected(self, lease: Lease, job_id: str, refusal: BadRequest) -> Look:
        if job_id in lease.followed:
            self._rooms.broods.disband(job_id)
        return rejected(job_id, lease.jobs[job_id], str(refusal), lease.now_ms(self._mono()))

    def _settle(
        self, lease: Lease, looks: list[Look], done: Pass, *, asked: int, took_s: float, lesson: Lesson | None = None
    ) -> None:
        if self._mono() >= lease.trusted_until:
            done.lost += len(looks)
            return
        kept_events = self._settings.events_kept
        settled = self._rooms.schedule.settle(
            lease, looks, events_kept=kept_events, asked=asked, took_s=took_s, lesson=lesson
        )
        self._choice.notebook.absorb(settled.pages)
        done.kept += settled.kept
        done.lost += settled.lost
        done.unheard += settled.unheard
        done.moved += [look.transition for look in looks if look.transition is not None]

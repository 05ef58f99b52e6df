"""A job's life as a pure function: (seed, job id) give the plan, the plan and the age give the status.

No thread, no timer, no stored progress: a million jobs cost nothing while nobody asks, any moment can be asked for, and
`stoppedAt` is exact by construction. To terminate a job is to cut its plan.

A life is drawn as a whole, uniform between two lengths, and its phases are shares of it; or its stages are drawn, each by
itself, and it is their sum. A job may be new, or met at a random moment of its life: the lives met are longer ones.

A plan is the ages at which its phases end. Phase 0 is SUBMITTED, 1 is PENDING, then three for each attempt: RUNNABLE,
STARTING, RUNNING. The phase after the last is the end: SUCCEEDED or FAILED.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from heapq import heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.lifetimes.laws import Uniform, pick
from fleetpoll.lifetimes.stages import STARTING_MAX_MS, Stages
from fleetpoll.simulator.draws import draws

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAD: Final = 2  # the phases before the first attempt
TURN: Final = 3  # the phases of one attempt
ATTEMPT: Final = (JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING)
CANCELLABLE: Final = frozenset({JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})
MAX_ATTEMPTS: Final = 10  # AWS's own
PHASES: Final = (JobStatus.SUBMITTED, JobStatus.PENDING, *ATTEMPT * MAX_ATTEMPTS)
RUNS: Final = tuple(status is JobStatus.RUNNING for status in PHASES)
HANDOVER_MAX_MS: Final = 5_000  # SUBMITTED and PENDING are short, however long the job


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What the lives of a group of jobs are drawn from: uniform in [min_ms, max_ms], unless they have `stages`."""

    seed: int
    min_ms: int = 0
    max_ms: int = 0
    stages: Stages | None = None
    fail_share: float = 0.0
    retry_share: float = 0.0
    attempts: int = 1

    def __post_init__(self) -> None:
        """Refuse lives that end before they begin, shares that are none, and numbers of attempts that AWS does not take."""
        if not 0 <= self.min_ms <= self.max_ms:
            raise SettingsError(f"lives of {self.min_ms} to {self.max_ms} ms: give 0 <= min <= max")
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise SettingsError(f"{self.attempts} attempts: give 1 to {MAX_ATTEMPTS}")
        for name in ("fail_share", "retry_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name):g}: give a share from 0 to 1")

    def mean_ms(self) -> float:
        """The mean life of new jobs."""
        if self.stages is None:
            return Uniform(self.min_ms, self.max_ms).mean
        return sum(chance * self.stages.mean_ms(attempts) for _, attempts, chance in outcomes(self))


class Plan(msgspec.Struct, frozen=True, gc=False):
    """One job's life: the ages in ms at which its phases end, and how it ends."""

    ends_ms: tuple[int, ...]
    succeeds: bool = True
    cause: int = 0  # which of the known causes its failing attempts have
    ended_by: str = ""  # "terminate" or "cancel" when it was cut
    ended_reason: str = ""

    def phase(self, age_ms: int) -> int:
        """The phase at that age; `len(ends_ms)` is the end."""
        return bisect_right(self.ends_ms, age_ms)

    def status(self, age_ms: int) -> JobStatus:
        """The status at that age."""
        return self.status_of(bisect_right(self.ends_ms, age_ms))

    def status_of(self, phase: int) -> JobStatus:
        """The status of a phase."""
        if phase < len(self.ends_ms):
            return PHASES[phase]
        return JobStatus.SUCCEEDED if self.succeeds else JobStatus.FAILED

    def started_age_ms(self, phase: int) -> int | None:
        """When the attempt of this phase began to run; None when it did not, or not yet."""
        running = phase if phase < len(self.ends_ms) else phase - 1
        return self.ends_ms[running - 1] if RUNS[running] else None

    def attempts_ended(self, phase: int) -> int:
        """How many attempts are over in this phase."""
        return (phase - LEAD) // TURN if phase > LEAD else 0


def plan_life(life: Life, job_id: str, *, met: bool = False) -> Plan:
    """Plan the life of one job that is new, or is met amid its life."""
    return plan_whole(life, job_id, met=met) if life.stages is None else plan_stages(life, life.stages, job_id, met=met)


def plan_stages(life: Life, stages: Stages, job_id: str, *, met: bool) -> Plan:
    """Plan stage by stage. Who meets a job meets it in one stage, likely a long one, and that is longer than usual."""
    _, outcome, cause, submitted, pending, where, *_ = draws(life.seed, job_id, 0)
    ways = outcomes(life)
    weights = [chance * (stages.mean_ms(attempts) if met else 1.0) for _, attempts, chance in ways]
    failed, attempts, _ = ways[pick(list(accumulate(weights)), outcome)]
    laws = stages.lead() + stages.turn() * attempts
    drawn = [submitted, pending]
    for number in range(1, attempts + 1):
        drawn += draws(life.seed, job_id, number)[1 : 1 + TURN]
    lengths = [law.at(length) for law, length in zip(laws, drawn, strict=True)]
    if met:
        stage = pick(list(accumulate(law.mean for law in laws)), where)
        lengths[stage] = laws[stage].met_at(drawn[stage])
    ends_ms = tuple(int(end_ms) for end_ms in accumulate(lengths))
    return Plan(ends_ms, succeeds=not failed, cause=int(cause * 2**16))


def outcomes(life: Life) -> list[tuple[bool, int, float]]:
    """How jobs come out: (whether they fail, after how many attempts, the chance of that). A job that fails uses up all."""
    again = [life.retry_share**number for number in range(life.attempts)]
    stops = [reached - further for reached, further in zip(again, [*again[1:], 0.0], strict=True)]
    succeeding = [(False, number, (1 - life.fail_share) * chance) for number, chance in enumerate(stops, start=1)]
    return [(True, life.attempts, life.fail_share), *succeeding]


def plan_whole(life: Life, job_id: str, *, met: bool) -> Plan:
    """Plan shares of a life, so that the job stops exactly at the end of the life drawn for it."""
    length, fails, cause, submitted, pending, *_ = draws(life.seed, job_id, 0)
    whole = Uniform(life.min_ms, life.max_ms)
    total_ms = round(whole.met_at(length) if met else whole.at(length))
    ends = [min(HANDOVER_MAX_MS, int(total_ms * (0.005 + 0.015 * submitted)))]
    ends.append(ends[0] + min(HANDOVER_MAX_MS, int(total_ms * (0.005 + 0.015 * pending))))
    failed = fails < life.fail_share
    attempts = attempt_draws(life, job_id, failed=failed)
    weight = sum(0.5 + share for share, *_ in attempts)
    left_ms = total_ms - ends[-1]
    for share, runnable, starting in attempts:
        span_ms = left_ms * (0.5 + share) / weight
        start_ms = ends[-1]
        ends.append(start_ms + int(span_ms * (0.05 + 0.20 * runnable)))
        ends.append(ends[-1] + min(STARTING_MAX_MS, int(span_ms * (0.02 + 0.04 * starting))))
        ends.append(start_ms + int(span_ms))
    ends[-1] = total_ms  # what rounding lost
    return Plan(tuple(ends), succeeds=not failed, cause=int(cause * 2**16))


def attempt_draws(life: Life, job_id: str, *, failed: bool) -> list[tuple[float, float, float]]:
    """The draws of each attempt: a job that fails uses up all; another stops at its first success."""
    taken: list[tuple[float, float, float]] = []
    for number in range(1, life.attempts + 1):
        retried, share, runnable, starting, *_ = draws(life.seed, job_id, number)
        taken.append((share, runnable, starting))
        if not failed and retried >= life.retry_share:
            break
    return taken


def cut(plan: Plan, age_ms: int, ended_by: str, reason: str) -> Plan:
    """The plan of a job that is ended at that age: FAILED from then on. A plan that is over already stays as it is."""
    phase = plan.phase(age_ms)
    if phase == len(plan.ends_ms):
        return plan
    ends = (*plan.ends_ms[:phase], max(0, age_ms))
    return Plan(ends, succeeds=False, cause=plan.cause, ended_by=ended_by, ended_reason=reason)


def gather(children: Sequence[Plan], ended_by: str = "", reason: str = "") -> Plan:
    """The plan of an array parent: PENDING from its first RUNNABLE child on, over with its last, FAILED if one is."""
    pending_ms = min(plan.ends_ms[min(1, len(plan.ends_ms) - 1)] for plan in children)
    stopped_ms = max(plan.ends_ms[-1] for plan in children)
    succeeds = all(plan.succeeds for plan in children)
    return Plan((pending_ms, stopped_ms), succeeds=succeeds, ended_by=ended_by, ended_reason=reason)


def in_slots(plans: Sequence[Plan], slots: int) -> list[Plan]:
    """The plans of children that wait for one of so many places to run in, each in its turn."""
    free_ms, placed = [0] * slots, []
    for plan in plans:
        start_ms = plan.ends_ms[LEAD]  # of STARTING
        wait_ms = max(0, heappop(free_ms) - start_ms)
        ends_ms = (*plan.ends_ms[:LEAD], *(end_ms + wait_ms for end_ms in plan.ends_ms[LEAD:]))
        heappush(free_ms, ends_ms[-1])
        placed.append(msgspec.structs.replace(plan, ends_ms=ends_ms))
    return placed


def summary(children: Sequence[Plan], age_ms: int) -> Counter[JobStatus]:
    """How many children are in each status at that age."""
    return Counter(plan.status(age_ms) for plan in children)

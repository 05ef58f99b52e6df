"""One simulated job: its identity, its birth and the plan of its life."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpoll.jobs import JobStatus
    from fleetpoll.simulator.descriptions import Template
    from fleetpoll.simulator.lifecycle import Plan


@dataclass(slots=True, eq=False)
class SimulatedJob:
    """A job. All of it is fixed at birth but the plan, which is replaced when somebody ends the job."""

    job_id: str
    name: str
    template: Template  # shared by all jobs that look alike: 3 KB each would be too much
    created_ms: int
    plan: Plan
    number: int  # the how-manieth job of the account: the order in lists
    parent: SimulatedJob | None = None
    index: int = -1  # among the children of an array, or the nodes of a multi-node job
    children: list[SimulatedJob] = field(default_factory=list)
    nodes: int = 0  # of a multi-node job and of each of its nodes
    node_of: SimulatedJob | None = None  # the multi-node job that this is a node of
    parts: list[SimulatedJob] = field(default_factory=list)  # the nodes
    met_ms: int = field(kw_only=True)  # from when on anybody could ask for it: it may have been born long before

    def seen(self, now_ms: int) -> tuple[str, JobStatus, int, int]:
        """What an answer shows now: (id, status, start, stop); the start is 0 if there was none for anybody to notice."""
        plan, created_ms = self.plan, self.created_ms
        phase = plan.phase(now_ms - created_ms)
        started_age_ms = plan.started_age_ms(phase)
        started_ms = 0 if started_age_ms is None else created_ms + started_age_ms
        noticeable_ms = started_ms if started_ms >= self.met_ms else 0
        return self.job_id, plan.status_of(phase), noticeable_ms, created_ms + plan.ends_ms[-1]

    def status(self, now_ms: int) -> JobStatus:
        """The status now."""
        return self.plan.status(now_ms - self.created_ms)

    @property
    def stopped_ms(self) -> int:
        """When it stops, or stopped."""
        return self.created_ms + self.plan.ends_ms[-1]

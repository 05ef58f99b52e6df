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
    index: int = -1  # among the children of an array
    children: list[SimulatedJob] = field(default_factory=list)

    def status(self, now_ms: int) -> JobStatus:
        """The status now."""
        return self.plan.status(now_ms - self.created_ms)

    @property
    def stopped_ms(self) -> int:
        """When it stops, or stopped."""
        return self.created_ms + self.plan.ends_ms[-1]

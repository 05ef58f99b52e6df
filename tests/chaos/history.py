"""What a run left behind, by the witnesses: the simulator, the stream, what is stored, and the programs' own notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.consistency import Stored
from tests.chaos.notes import Burst, Entry, Wait


@dataclass(frozen=True, slots=True)
class Api:
    """What the API's side counted of DescribeJobs."""

    calls: int = 0
    throttled: int = 0
    strays: int = 0  # of the throttled, those that were turned away at random
    faults: int = 0
    with_duplicates: int = 0
    over_100: int = 0
    worst_second: int = 0
    overlaps: tuple[tuple[int, int, int], ...] = ()  # came at ms, was answered at ms, so many ids of another's call


@dataclass(frozen=True, slots=True)
class Totals:
    """What the fleet counted."""

    granted: int = 0  # tokens
    calls: int = 0
    throttled: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """A while in which no call may come: Redis is away, or the budget is paused. Frozen workers may hold a token over it."""

    why: str
    calls: int
    excused: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """A poller stood still, in epoch ms."""

    frozen_ms: int
    thawed_ms: int


@dataclass(frozen=True, slots=True)
class Return:
    """Redis came back: how long it took until a call came, or none was to be expected any more.

    `silent_s` is the end of that in which a poller ran, jobs were due and AWS was well, and nobody called.
    """

    took_s: float
    silent_s: float
    called: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of a run. The defaults are those of one in which nothing happened."""

    bursts: list[Burst] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    stored: Stored = field(default_factory=lambda: Stored({}, {}, {}, frozenset()))
    stream: list[Entry] = field(default_factory=list)
    read: list[Entry] = field(default_factory=list)
    consumed: list[Entry] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    api: Api = Api()
    totals: Totals = Totals()
    quiets: list[Quiet] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    margin_s: float = 2.0
    call_s: float = 4.0
    moments: list[str] = field(default_factory=list)  # what did not agree while the run was under way
    permanent_keys: frozenset[str] = frozenset()  # without TTL
    orphans: list[int] = field(default_factory=list)  # pollers that outlived their supervisors
    exits: dict[str, int | None] = field(default_factory=dict)  # of supervisors that were told to leave

    @property
    def born(self) -> set[str]:
        """All jobs that were made."""
        return {job_id for burst in self.bursts for job_id in burst.ids}

    @property
    def acknowledged(self) -> set[str]:
        """The jobs of which the fleet has said that they are tracked."""
        return {job_id for burst in self.bursts if burst.acknowledged for job_id in burst.ids}

"""Which cadence a process keeps to, and what it remembers from one call to the next."""

from __future__ import annotations

from fleetpoll.cadence.dwell import groups_of
from fleetpoll.cadence.elastic import Elastic, Even
from fleetpoll.cadence.learned import PRICE_START, Learned
from fleetpoll.cadence.notebook import Notebook
from fleetpoll.cadence.policy import PATIENCE, Allowed, Cadence, Pace
from fleetpoll.cadence.stays import stays
from fleetpoll.jobs import Snapshot
from fleetpoll.settings import Settings


class Choice:
    """Makes the cadence of the settings for each call, at the rate that is granted then."""

    def __init__(self, settings: Settings) -> None:
        self.notebook = Notebook()
        self.patience_s = PATIENCE * settings.freshness  # as far as the sweep is known
        self._settings, self._pace = settings, Pace()

    @property
    def learns(self) -> bool:
        """Whether looks are noted."""
        return self._settings.cadence == "learned"

    def allowed(self, live: int, granted: float, now_s: float) -> Allowed:
        """What the fleet may do now."""
        s = self._settings
        self.notebook.now_s = now_s
        allowed = Allowed(s.freshness, live, self._pace.of(granted, now_s), s.freshness_by_status)
        self.patience_s = allowed.patience_s
        return allowed

    def note(self, known: Snapshot, record: Snapshot, looked_ms: int, now_ms: int) -> None:
        """Write down how long a job has stayed in its status, if that is to be learnt; see `stays`."""
        if self.learns:
            for stay in stays(known, record, looked_ms, now_ms):
                groups = groups_of(stay.status, record.job_queue, record.job_definition)
                self.notebook.note(groups, stay.from_s, stay.to_s, left=stay.left)

    def cadence(self, allowed: Allowed, price: float | None, lead_s: float, overdue_s: float) -> Cadence:
        """How to plan the next looks at the jobs of a call."""
        kind = self._settings.cadence
        if kind == "learned":
            start = PRICE_START if price is None else price
            return Learned(allowed, self.notebook, self._settings.weight_of, start, lead_s, overdue_s)
        return Elastic(allowed) if kind == "elastic" else Even(allowed)

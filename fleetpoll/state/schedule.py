"""The writer of the schedule: track and untrack jobs, claim leases, release or settle them.

One zset orders all live jobs by due time. A claim re-scores jobs to the end of its visibility timeout, so a worker that
dies needs no reaper: the score passes and the jobs are due again. That score is also the fence: only who still finds it
there may settle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.delays import code_of, is_due_time, looked_ms
from fleetpoll.state.figures import as_text, of_call, of_transition
from fleetpoll.state.pages import Lesson, as_price
from fleetpoll.state.records import NEW_HEAD, NEW_TAIL, packed, record
from fleetpoll.state.scripts import chunks

if TYPE_CHECKING:
    from fleetpoll.clock import Mono
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys
    from fleetpoll.state.scripts import Argument, Scripts

IDS_PER_LEASE = 100

_brood = msgspec.json.Decoder(list[int | str]).decode

OPENED_PER_SCRIPT, FORGOTTEN_PER_SCRIPT = 50, 250
"""How many ids those scripts carry that do more for each than `track` does, so that none holds Redis up for longer."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Up to 100 jobs, lent to one worker until the visibility timeout has passed."""

    fence: str
    jobs: dict[str, Snapshot]
    live: int
    claimed_ms: int  # Redis TIME
    due_ms: int  # when the oldest of the jobs was due
    asked_at: float  # monotonic, from before the claim: a slow answer must not stretch the lease
    trusted_until: float  # monotonic
    lent_ms: int = 0  # how long the jobs are lent
    price: float | None = None  # ln p of a look; None: nobody has learnt anything yet
    scores: dict[str, float] = field(default_factory=dict)
    looked: dict[str, int] = field(default_factory=dict)  # see looked_ms
    followed: frozenset[str] = frozenset()  # arrays whose children are followed
    sleepers: frozenset[str] = frozenset()  # children of those, which sleep again when they are settled and not over

    def looked_ms(self, job_id: str) -> int:
        """When a job was looked at last, within a part of a hundred of what has passed; 0 if that is not known."""
        return self.looked.get(job_id, 0)

    def known_ms(self, job_id: str) -> int:
        """When a job was looked at last, or tracked if it was never seen; 0 if nothing tells.

        One whose lease has run out was looked at before that began, at the latest.
        """
        if looked_ms := self.looked_ms(job_id):
            return looked_ms
        score, known = self.scores.get(job_id, 0.0), self.jobs[job_id]
        if not is_due_time(score):
            return int(score) - self.lent_ms
        return known.tracked_ms if known.status is JobStatus.UNSEEN else 0

    def place(self, job_id: str) -> float:
        """The score that a job had, unless that was the fence of a lease that has run out: then it is due since."""
        score = self.scores.get(job_id, float(self.due_ms))
        return score if is_due_time(score) else float(int(score))

    def later(self, job_id: str, due_ms: int) -> float:
        """The score of a job that is to be due at `due_ms` and has not been looked at meanwhile."""
        looked = self.looked_ms(job_id)
        return due_ms + code_of((due_ms - looked) / 1000) if looked else float(due_ms)

    def now_ms(self, mono: float) -> int:
        """Redis TIME at the monotonic moment `mono`, without asking Redis."""
        return self.claimed_ms + round((mono - self.asked_at) * 1000)


@dataclass(frozen=True, slots=True)
class Nothing:
    """No lease: nothing is worth a call yet. `wait_s` says when it may be, None when nothing is scheduled at all."""

    wait_s: float | None
    live: int


class Look(msgspec.Struct, frozen=True):
    """How one job of a lease is settled. `delay_s` is None for a job that is finished."""

    job_id: str
    delay_s: float | None
    record: Snapshot | None = None
    transition: Transition | None = None


class Settled(NamedTuple):
    """How many jobs were still held when a lease was settled, how many were not; and pages that went with it.

    `unheard` counts those that were not held when a settle was repeated: its first answer was lost, and most likely said
    that they are settled. If they were lost, they are somebody else's or due again, as ever.
    """

    kept: int
    lost: int
    pages: dict[Group, Dwell]
    unheard: int = 0


class Schedule:
    """Track, claim, release, settle: every change of what is watched and when."""

    def __init__(self, client: Connection, scripts: Scripts, keys: Keys, mono: Mono, replicas_acked: int = 0) -> None:
        self._client, self._scripts, self._keys, self._mono = client, scripts, keys, mono
        self._replicas = replicas_acked

    def track(self, ids: Iterable[str], *, now_ms: int | None = None) -> int:
        """Start to watch jobs; those that are known already stay as they are. Returns how many were new."""
        keys = (self._keys.ledger, self._keys.schedule, self._keys.counts, self._keys.doorbell)
        head, run = track_head(now_ms), self._scripts.run
        return sum(int(run("track", keys, (*head, *chunk), replicas=self._replicas)) for chunk in chunks(ids))

    def reopen(self, ids: Iterable[str], *, events_kept: int, now_ms: int | None = None) -> int:
        """Watch those jobs once more that are over, as if they were new. Returns how many."""
        keys, head = reopen_keys(self._keys), (*track_head(now_ms), events_kept)
        run = self._scripts.run
        parts = chunks(ids, OPENED_PER_SCRIPT)
        return sum(int(run("reopen", keys, (*head, *part), replicas=self._replicas)) for part in parts)

    def untrack(self, ids: Sequence[str]) -> int:
        """Forget jobs, whatever their status, and the children of an array that is followed. Returns how many were known."""
        known = 0
        for chunk in chunks(ids, FORGOTTEN_PER_SCRIPT):
            broods: Any = self._client.hmget(self._keys.broods, chunk)
            for children in chunks(children_of(chunk, broods), FORGOTTEN_PER_SCRIPT):
                self._forget(children)
            known += self._forget(chunk)
        return known

    def _forget(self, ids: Sequence[str]) -> int:
        known, more = 0, 1
        while more:
            now_known, more = self._scripts.run("untrack", untrack_keys(self._keys), (FORGOTTEN_PER_SCRIPT, *ids))
            known += int(now_known)
        return known

    def claim(
        self,
        visibility_s: float,
        *,
        margin_s: float,
        patience_s: float = 0.0,
        worker_id: str = "",
        limit: int = IDS_PER_LEASE,
        now_ms: int | None = None,
    ) -> Lease | Nothing:
        """Borrow up to `limit` jobs: those due, topped up with those whose delay is most nearly over; or hear when to ask.

        With fewer due, the oldest waits up to `patience_s` for company; if that is negative, one that is due only
        so much later will do. A worker that names itself holds one lease at a time: what it still held is given back first,
        so that a claim whose reply was lost costs nothing.
        """
        asked_at = self._mono()
        k = self._keys
        keys = (k.schedule, k.ledger, k.totals, k.leases, k.price, k.broods, k.children, k.figures)
        args = (_now(now_ms), limit, _ms(visibility_s), _ms(patience_s), worker_id)
        claimed_ms, live, fence, wait_or_due, *rest = self._scripts.run("claim", keys, args)
        if not fence:
            return Nothing(None if wait_or_due < 0 else wait_or_due / 1000, int(live))
        price, brood, due, texts = rest
        sleepers = frozenset(job_id for job_id in brood if ":" in job_id)
        records = {job_id: record(text) if text else Snapshot() for job_id, text in zip(due[::2], texts, strict=True)}
        scores = dict(zip(due[::2], map(float, due[1::2]), strict=True))
        return Lease(
            fence=fence,
            jobs=records,
            live=int(live),
            claimed_ms=int(claimed_ms),
            due_ms=int(wait_or_due),
            asked_at=asked_at,
            trusted_until=asked_at + visibility_s - margin_s,
            lent_ms=_ms(visibility_s),
            price=as_price(price),
            scores=scores,
            looked={job_id: looked_ms(score) for job_id, score in scores.items()},
            followed=frozenset(brood) - sleepers,
            sleepers=sleepers,
        )

    def release(
        self,
        lease: Lease,
        ids: Sequence[str],
        *,
        delay_s: float | None = None,
        call: str = "",
        now_ms: int | None = None,
    ) -> int:
        """Give jobs of a lease back without results. Returns how many were still held.

        They are due after `delay_s`; None keeps their place, so that a lease that never got a token costs them no lag.
        When they were looked at last stays known. `call` is the kind of failure of a call that was made for
        them, to be counted.
        """
        moment_ms = lease.now_ms(self._mono()) if now_ms is None else now_ms
        scores = [lease.place(i) if delay_s is None else lease.later(i, moment_ms + _ms(delay_s)) for i in ids]
        args: list[Argument] = [lease.fence, call, *ids, *scores]
        return int(self._scripts.run("release", (self._keys.schedule, self._keys.totals), args))

    def settle(
        self,
        lease: Lease,
        looks: Sequence[Look],
        *,
        events_kept: int,
        asked: int,
        took_s: float | None = None,
        lesson: Lesson | None = None,
        now_ms: int | None = None,
    ) -> Settled:
        """Record, publish, reschedule, learn and count, at once.

        `asked` is how many ids the call carried; 0 counts no call. `took_s` is how long AWS took to answer it.
        """
        words = lesson.text() if lesson else ""
        moment_ms = lease.now_ms(self._mono()) if now_ms is None else now_ms
        added = as_text(of_call(took_s, ages_ms(lease, looks, moment_ms))) if asked else ""
        args = (_now(now_ms), lease.fence, events_kept, asked, words, len(looks), added, *_settled(lease, looks))
        k = self._keys
        learnt_keys, brood_keys = (k.price, k.dwell, k.dwelt), (k.children, k.started)
        keys = (k.schedule, k.ledger, k.counts, k.finished, k.events, k.totals, *learnt_keys, *brood_keys, k.figures)
        (kept, lost, *learnt), repeated = self._scripts.tell("settle", keys, args)
        pages = lesson.answered(learnt[1:]) if lesson else {}
        return Settled(int(kept), 0, pages, int(lost)) if repeated else Settled(int(kept), int(lost), pages)


def track_head(now_ms: int | None = None) -> tuple[Argument, ...]:
    """What track.lua's arguments begin with; the job ids follow."""
    return (_now(now_ms), NEW_HEAD, NEW_TAIL)


def reopen_keys(keys: Keys) -> tuple[str, ...]:
    """The keys of reopen.lua."""
    return (keys.ledger, keys.schedule, keys.counts, keys.finished, keys.events, keys.doorbell, keys.figures)


def untrack_keys(keys: Keys) -> tuple[str, ...]:
    """The keys of untrack.lua."""
    return (keys.ledger, keys.schedule, keys.counts, keys.finished, keys.broods, keys.children, keys.started)


def children_of(ids: Sequence[str], broods: Sequence[str | None]) -> Iterator[str]:
    """The ids of all children of those of the `ids` that are followed arrays, by what is stored of these."""
    for parent, brood in zip(ids, broods, strict=True):
        yield from (f"{parent}:{number}" for number in range(int(_brood(brood)[0]) if brood else 0))


def ages_ms(lease: Lease, looks: Sequence[Look], now_ms: int) -> list[int]:
    """How old what was known of each job is, as far as that is known."""
    known_ms = [lease.looked.get(look.job_id) or lease.known_ms(look.job_id) for look in looks]
    return [max(0, now_ms - one_ms) for one_ms in known_ms if one_ms]


def _settled(lease: Lease, looks: Sequence[Look]) -> list[Argument]:
    """The jobs' part of settle.lua's arguments. Numbers go as text: hiredis is slow at them."""
    args: list[Argument] = [look.job_id for look in looks]
    args += ["" if look.delay_s is None else str(_ms(look.delay_s) + code_of(look.delay_s)) for look in looks]
    for place, look in enumerate(looks, 1):
        record, moved = "" if look.record is None else packed(look.record), look.transition
        if moved is not None:
            event = event_fields(moved)
            added = as_text(of_transition(moved, lease.jobs[look.job_id].tracked_ms))
            args += [str(place), record, moved.before, moved.after, added, str(len(event)), *event]
        elif record:
            args += [str(place), record, "", "", "", "0"]
    return args


def event_fields(transition: Transition) -> list[str]:
    """A transition as the alternating fields and values of a stream entry; '' stands for null."""
    flat: list[str] = []
    for name, value in transition.public().items():
        if name != "id":
            flat += (name, "" if value is None else str(value))
    return flat


def _now(now_ms: int | None) -> Argument:
    return "" if now_ms is None else now_ms


def _ms(duration_s: float) -> int:
    return round(duration_s * 1000)

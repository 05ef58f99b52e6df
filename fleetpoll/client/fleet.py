"""A fleet, as applications and the command line see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from fleetpoll.cadence.dwell import Dwell, Group, groups_of
from fleetpoll.cadence.prediction import Oracle, Prediction
from fleetpoll.cadence.stays import COUNTED
from fleetpoll.client.consuming import RETRY_AFTER_S, Consumer, some_name
from fleetpoll.client.ear import Ear
from fleetpoll.client.following import follow
from fleetpoll.client.given import checked, parents
from fleetpoll.client.sampling import sample_of
from fleetpoll.client.status import RECENT, FleetStatus, alive, standing, status_of
from fleetpoll.client.waiter import Waiter
from fleetpoll.client.waiting import Arrival, Goal, Roll, Waited
from fleetpoll.clock import system_mono
from fleetpoll.embedded.sharing import join
from fleetpoll.errors import SettingsError, StateError
from fleetpoll.figures import Figures, Sample
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.due import count_due
from fleetpoll.state.groups import GroupFacts, Member, drop_group, groups
from fleetpoll.state.limiter import FleetLimiter, SteadfastLimiter
from fleetpoll.state.pages import GROUPS_KEPT
from fleetpoll.state.probe import ServerFacts, probe
from fleetpoll.state.rooms import DESCRIBE, Rooms, open_rooms
from fleetpoll.state.roster import Beat, Order, OrderKind
from fleetpoll.state.steps import perform


class Fleet:
    """Track jobs, read what is known, wait, follow, and steer. Made by `open_fleet`.

    Every method may raise RedisUnavailable or StateError. AWS's own calls are made by `fleetpoll.client.calls.open_calls`:
    who only reads does not wait for boto3 to load.
    """

    def __init__(self, rooms: Rooms, settings: Settings) -> None:
        self._rooms, self._settings, self._ear = rooms, settings, Ear(rooms.events)

    @property
    def settings(self) -> Settings:
        """What the fleet was opened with."""
        return self._settings

    @property
    def rooms(self) -> Rooms:
        """The fleet's state itself, for those of this package who look deeper."""
        return self._rooms

    def bucket(self, operation: str = DESCRIBE) -> FleetBucket:
        """The token bucket of an operation: to look at it, pin its rate, pause it. Raises SettingsError if there is none."""
        if operation not in self._rooms.buckets:
            raise SettingsError(f"No bucket is called {operation!r}: there are {', '.join(self._rooms.buckets)}.")
        return self._rooms.buckets[operation]

    def limiter(self, operation: str = DESCRIBE) -> FleetLimiter:
        """A pyrate-limiter Limiter on the fleet's own bucket, for programs that make their calls themselves.

        While Redis cannot be reached it goes on alone, at half of one worker's share of the rate that was granted last.
        """
        try:
            sharers = len(self.alive())
        except StateError:
            sharers = self._settings.workers
        return SteadfastLimiter(self.bucket(operation), system_mono, sharers)

    def track(self, ids: Iterable[str], *, again: bool = False, children: bool = False) -> int:
        """Start to watch jobs. Returns how many were new. Raises SettingsError, and tracks none, if one is no job id.

        With `again`, jobs that are over already are watched once more, as if they were new, and count as such. With
        `children`, the jobs are arrays whose children are followed as well: by the arrays' own summaries, so that children
        are looked at only when some have ended. Each child's end is published, not all that it goes through before.
        """
        given = list(checked(ids))
        arrays = parents(given) if children else []
        opened = self._rooms.schedule.reopen(given, events_kept=self._settings.events_kept) if again else 0
        if children:
            return max(opened, self._rooms.broods.adopt(arrays))
        return opened + self._rooms.schedule.track(given)

    def untrack(self, ids: Iterable[str]) -> int:
        """Forget jobs, and the children of an array that is followed. Returns how many were known, without the children.

        Raises SettingsError, and forgets none, if one is no job id.
        """
        return self._rooms.schedule.untrack(list(checked(ids)))

    def get(self, ids: Iterable[str]) -> dict[str, Snapshot]:
        """What is known of those `ids` that are tracked, by AWS's spelling. Raises SettingsError if one is no job id."""
        return self._rooms.ledger.get(list(checked(ids)))

    def jobs(self, statuses: Iterable[JobStatus] = (), limit: int | None = None) -> Iterator[tuple[str, Snapshot]]:
        """Tracked jobs in no order, up to `limit`; only those in `statuses`, if any are given."""
        return islice(self._rooms.ledger.scan(statuses), limit)

    def wait(
        self,
        ids: Sequence[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
        on_change: Callable[[int, int], None] = lambda _reached, _all: None,
    ) -> Waited:
        """Track the jobs if need be and wait until each has reached the goal, or is over: then it never will.

        `on_change(reached, all)` hears of progress, at the start and whenever more jobs got there.
        """
        roll = Roll(checked(ids), goal)
        for _ in Waiter(self._rooms, roll, self._ear).pages(timeout_s):
            on_change(roll.total - len(roll.pending), roll.total)
        return roll.waited()

    def wait_all(
        self,
        ids: Iterable[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
        on_each: Callable[[Arrival], None] = lambda _arrival: None,
    ) -> Waited:
        """Wait as `wait` does; `on_each` is given each job as it gets there, or is untracked meanwhile."""
        roll = Roll(checked(ids), goal)
        for page in Waiter(self._rooms, roll, self._ear).pages(timeout_s):
            for arrival in page:
                on_each(arrival)
        return roll.waited()

    def as_completed(
        self,
        ids: Iterable[str],
        goal: Goal | frozenset[JobStatus] = Goal.COMPLETE,
        timeout_s: float | None = None,
    ) -> Iterator[Arrival]:
        """Each job as it gets there, in that order; those first that are there already. Tracks the jobs if need be.

        Raises the builtin TimeoutError when the time is up before all were given, as concurrent.futures does.
        """
        return Waiter(self._rooms, Roll(checked(ids), goal), self._ear).each(timeout_s)

    def events(self, after: str | None = None) -> Iterator[Transition | None]:
        """Transitions after a cursor (None: from now on), for ever; yields None whenever a moment passed without one.

        Goes on by itself when Redis was away: the cursor holds our place. Raises EventsTrimmed when transitions after it
        are not kept any more, be it that we were overtaken.
        """
        return follow(self._rooms.events, self._rooms.events.end() if after is None else after)

    def past_events(self, after: str, limit: int | None = None) -> Iterator[Transition]:
        """Transitions after a cursor up to now, oldest first, at most `limit`. Raises EventsTrimmed as `events` does."""

        def pages(cursor: str) -> Iterator[Transition]:
            page: list[Transition] | None = None
            while page is None or page:
                cursor, page = self._rooms.events.read_on(cursor)
                yield from page

        return islice(pages(after), limit)

    def consume(
        self, group: str, consumer: str = "", *, after: str | None = None, retry_after_s: float = RETRY_AFTER_S
    ) -> Consumer:
        """Share transitions with the other consumers of a group: each goes to one of them, at least once (see Consumer).

        A group that is not there is made; it begins after the cursor `after` (None: with what comes from now on), and from
        then on remembers by itself what was read. No two consumers may have one name; it is made up if none is given.
        A group that falls behind what the stream keeps says so in the log.
        """
        member = Member(self._rooms.keys, group, consumer or some_name(), after, retry_after_s, system_mono)
        return Consumer(self._rooms.client, member)

    def groups(self) -> list[GroupFacts]:
        """The consumer groups that there are."""
        return perform(self._rooms.client, groups(self._rooms.keys))

    def drop_group(self, name: str) -> bool:
        """Forget a consumer group and what it has read. Returns whether there was one."""
        return perform(self._rooms.client, drop_group(self._rooms.keys, name))

    def status(self, recent: int = RECENT) -> FleetStatus:
        """The fleet at a glance; the lag is taken from so many of the last transitions."""
        return status_of(self._rooms, recent, self.settings.freshness)

    def figures(self) -> Figures:
        """What the fleet has done since it began."""
        return self._rooms.ledger.figures()

    def sample(self) -> Sample:
        """The figures, and how the fleet stands now."""
        return sample_of(self._rooms)

    def history(self, since_ms: int = 0) -> list[Sample]:
        """The samples that workers have kept, one every 10 s for 6 hours, oldest first. `figures.points` gives rates."""
        return list(self._rooms.history.read(since_ms))

    def due(self) -> int:
        """How many jobs wait for a worker or for a token: they are due, and on no lease."""
        return count_due(self._rooms.client, self._rooms.keys)

    def workers(self) -> list[Beat]:
        """The workers on the roster."""
        return self._rooms.roster.workers()

    def alive(self) -> list[Beat]:
        """Those workers that beat lately."""
        return alive(self._rooms.roster.workers(), self._rooms.roster.now_ms())

    def order_standing(self) -> Order | None:
        """What workers that are there, or may come, are told to do. A stop that all it was meant for have obeyed is past."""
        return standing(self._rooms.roster.order(), self.alive())

    def server(self) -> ServerFacts:
        """What kind of server the fleet's state is on, and how far away it is."""
        return probe(self._rooms.client)

    def learnt(self, groups: Iterable[Group] | None = None) -> dict[Group, Dwell]:
        """What workers have learnt of how long jobs stay in a status, of all groups of jobs or of these."""
        return self._rooms.knowledge.pages(groups)

    def price(self) -> float | None:
        """The fleet's price of a look, as ln p (see cadence/learned.py); None if no look has been paid for yet."""
        return self._rooms.knowledge.price()

    def oracle(self) -> Oracle:
        """Foretells when jobs will end, by what is learnt by now."""
        return Oracle(self.learnt(), self._rooms.roster.now_ms())

    def expected_end(self, job: Snapshot) -> Prediction | None:
        """When a live job will have ended; None if too little is known of such jobs. For many jobs take `oracle`."""
        groups = [group for status in COUNTED for group in groups_of(status, job.job_queue, job.job_definition)]
        return Oracle(self.learnt(groups), self._rooms.roster.now_ms()).end_of(job)

    def forget(self, definitions: Iterable[str]) -> int:
        """Forget what was learnt of these definitions, whatever their revision. Returns of how many groups that was.

        Workers forget it with their next note on it. What jobs in a queue and all jobs have in common is still known.
        """
        return self._rooms.knowledge.forget(groups_of(s, "", name)[-1] for name in definitions for s in COUNTED)

    def forget_all(self) -> int:
        """Forget everything that was learnt, and the price of a look. Returns of how many groups that was."""
        return self._rooms.knowledge.forget_all()

    def teach(self, pages: Mapping[Group, Dwell], *, replace: bool = False) -> None:
        """Let the fleet know what others have learnt, beside what it knows itself, or in place of it.

        Raises SettingsError for more groups than a fleet remembers.
        """
        if len(pages) > GROUPS_KEPT:
            raise SettingsError(f"{len(pages):,} groups of jobs: a fleet remembers {GROUPS_KEPT:,}. Leave some out.")
        self._rooms.knowledge.put(pages, replace=replace)

    def order(self, kind: OrderKind | None) -> None:
        """Tell all workers to drain or to stop; None takes the order back."""
        self._rooms.roster.command(kind)


@contextmanager
def open_fleet(settings: Settings) -> Iterator[Fleet]:
    """A fleet by its settings, on the embedded server when no redis_url is set. Closed at the end of the block."""
    with redis_url(settings) as url:
        rooms = open_rooms(url, settings)
        try:
            yield Fleet(rooms, settings)
        finally:
            rooms.close()


@contextmanager
def redis_url(settings: Settings, linger_s: float = 10.0) -> Iterator[str]:
    """The URL of the fleet's Redis: as set, else that of the embedded server, which runs at least as long as the block."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    home = Path(settings.state_home) if settings.state_home else None
    with join(settings.redis_server, home, linger_s) as url:
        yield url

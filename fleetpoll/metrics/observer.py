"""The fleets, asked when somebody scrapes: together, once a second at most, and never for longer than a scrape may take.

Each fleet has a thread of its own while it is asked. One whose Redis is silent is told to be down when the time is up,
hides no other fleet, and is not asked again before it has answered or given up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import StateError
from fleetpoll.metrics.families import FAMILIES
from fleetpoll.metrics.page import blank, page
from fleetpoll.metrics.reading import Heard, read
from fleetpoll.settings import Settings
from fleetpoll.state.load import ServerLoad, load_of
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.topology import is_cluster

FRESH_S = 1.0
"""What was read this lately is told again: any number of scrapers cost Redis no more than one."""
PATIENCE_S = 3.0
"""How long a scrape waits for Redis; Prometheus itself waits for 10 s."""
DENIED_S = 300.0
"""After Redis has refused to tell of itself: it notes down each refusal."""
AT_ONCE = 16
"""Fleets that are asked at once."""

log = structlog.get_logger("metrics")


class Watch:
    """One fleet. `about_server` says whether its server is to be asked, too."""

    def __init__(self, rooms: Rooms, mono: Mono, *, about_server: bool) -> None:
        self._rooms, self._mono = rooms, mono
        self._about_server_at = mono() if about_server else float("inf")
        self._done = threading.Event()
        self._done.set()
        self._heard = self.silent = Heard(rooms.keys.fleet, error=f"Redis has not answered within {PATIENCE_S:g} s.")
        self._said = ""

    def ask(self, turns: threading.Semaphore) -> None:
        """Begin to read, unless that is still under way. The thread is a daemon: nobody waits for it to end."""
        if self._done.is_set():
            self._done.clear()
            threading.Thread(target=self._read, args=(turns,), name=f"read {self.silent.fleet}", daemon=True).start()

    def heard(self, until: float) -> Heard:
        """What was read; what is not there by then counts as silence."""
        in_time = self._done.wait(max(0.0, until - self._mono()))
        heard = self._heard if in_time else self.silent
        if heard.error and not self._said:
            log.warning("a fleet cannot be read", fleet=heard.fleet, error=heard.error)
        elif self._said and not heard.error:
            log.info("the fleet can be read again", fleet=heard.fleet)
        self._said = heard.error
        return heard

    def _read(self, turns: threading.Semaphore) -> None:
        try:
            with turns:
                self._heard = Heard(self.silent.fleet, read(self._rooms), load=self._load())
        except StateError as error:
            self._heard = Heard(self.silent.fleet, error=str(error))
        except Exception as error:  # a bug must not look like a fleet that is well
            self._heard = Heard(self.silent.fleet, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            self._done.set()

    def _load(self) -> ServerLoad | None:
        if self._mono() < self._about_server_at:
            return None
        load = load_of(self._rooms.client)
        if load is None:
            self._about_server_at = self._mono() + DENIED_S
        return load


class Observer(Collector):
    """Reads the fleets for whoever scrapes."""

    def __init__(self, watches: Sequence[Watch], mono: Mono = system_mono) -> None:
        self._watches, self._mono = watches, mono
        self._lock, self._turns = threading.Lock(), threading.Semaphore(AT_ONCE)
        self._read_at, self._heard = float("-inf"), list[Heard]()

    def heard(self) -> list[Heard]:
        """What each fleet told, at most a second ago."""
        with self._lock:
            if self._mono() - self._read_at >= FRESH_S:
                until = self._mono() + PATIENCE_S
                for watch in self._watches:
                    watch.ask(self._turns)
                self._heard = [watch.heard(until) for watch in self._watches]
                self._read_at = self._mono()
            return self._heard

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        return page(self.heard())

    def describe(self) -> Iterable[Metric]:
        """All that there may be, without asking anybody: so a scraper may choose some by `?name[]=`."""
        return map(blank, FAMILIES)


@contextmanager
def observing(fleets: Sequence[Settings], url: str) -> Iterator[Observer]:
    """An observer of fleets on the Redis at `url`: on one set of connections; in a Cluster each fleet has its own."""
    cluster = is_cluster(url)
    first = open_rooms(url, fleets[0])
    others = [open_rooms(url, settings, beside=None if cluster else first) for settings in fleets[1:]]
    opened = [first, *others]
    try:
        yield Observer([Watch(rooms, system_mono, about_server=cluster or rooms is first) for rooms in opened])
    finally:
        for rooms in opened:
            rooms.close()

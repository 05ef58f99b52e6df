"""The thread that looks at a fleet, so that the screen stands still for no read; orders are given on its way, too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from threading import Event, Thread

from textual.message import Message

from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.errors import FleetpollError
from fleetpoll.jobs import Snapshot
from fleetpoll.settings import Settings
from fleetpoll.top.glance import View, Watcher


class Seen(Message):
    """A look succeeded."""

    def __init__(self, looker: Looker, view: View, jobs: list[tuple[str, Snapshot]]) -> None:
        super().__init__()
        self.looker, self.view, self.jobs = looker, view, jobs


class Away(Message):
    """A look failed, and why."""

    def __init__(self, looker: Looker, words: str) -> None:
        super().__init__()
        self.looker, self.words = looker, words


class Did(Message):
    """An order was given, or was refused."""

    def __init__(self, words: str, *, good: bool) -> None:
        super().__init__()
        self.words, self.good = words, good


class Looker(Thread):
    """Looks every `every_s` seconds and posts what it sees; whatever fails is tried again with the next look.

    A daemon: who quits does not wait for a Redis that does not answer.
    """

    def __init__(
        self, settings: Settings, every_s: float, post: Callable[[Message], object], wants_jobs: Callable[[], bool]
    ) -> None:
        super().__init__(name="fleetpoll-top", daemon=True)
        self._settings, self._every_s, self._post, self._wants_jobs = settings, every_s, post, wants_jobs
        self._orders = SimpleQueue[tuple[Callable[[Fleet], None], str]]()
        self._stopped, self._hurry = Event(), Event()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._hurry.set()

    def hurry(self) -> None:
        """Look now."""
        self._hurry.set()

    def give(self, order: Callable[[Fleet], None], words: str) -> None:
        """Give an order to the fleet, and say so by these words."""
        self._orders.put((order, words))
        self.hurry()

    def run(self) -> None:
        """Look until told to stop. A fleet that cannot be opened is tried again."""
        while not self._stopped.is_set():
            try:
                with ExitStack() as open_now:
                    fleet = open_now.enter_context(open_fleet(self._settings))
                    self._watch(fleet, Watcher(fleet))
            except FleetpollError as error:
                self._say(Away(self, str(error)))
                self._rest()

    def _watch(self, fleet: Fleet, watcher: Watcher) -> None:
        while not self._stopped.is_set():
            try:
                self._obey(fleet)
                jobs = watcher.jobs() if self._wants_jobs() else []
                self._say(Seen(self, watcher.look(), jobs))
            except FleetpollError as error:
                self._say(Away(self, str(error)))
            self._rest()

    def _obey(self, fleet: Fleet) -> None:
        """Give the orders that wait; one that fails is told, and given up."""
        while True:
            try:
                order, words = self._orders.get_nowait()
            except Empty:
                return
            try:
                order(fleet)
            except FleetpollError as error:
                self._say(Did(str(error), good=False))
            else:
                self._say(Did(words, good=True))

    def _rest(self) -> None:
        self._hurry.wait(self._every_s)
        self._hurry.clear()

    def _say(self, message: Message) -> None:
        if not self._stopped.is_set():
            self._post(message)

"""Relays in threads of a test, and what they deliver to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fleetpoll.client.fleet import Fleet
from fleetpoll.relay.parcels import Answer, Sink, Verdict
from fleetpoll.relay.relay import Plan, Relay
from fleetpoll.relay.webhook import Webhook
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.rooms import Rooms
from fleetpoll.webhook import new_secret
from tests.integration.receivers import Item, Receiver

PLAN = Plan(since=BEGINNING)
SECRET = new_secret()


def webhook(to: Receiver, timeout_s: float = 5.0) -> Webhook:
    """The sink that it is."""
    return Webhook(to.url, [SECRET], timeout_s, 4)


@contextmanager
def relaying(rooms: Rooms, sink: Sink, over: threading.Event | None = None, **more: Any) -> Iterator[Relay]:
    """A relay in a thread, until `over` is set, or the block ends."""
    relay, over = Relay(rooms, replace(PLAN, **more), sink), over or threading.Event()
    failure = list[BaseException]()

    def run() -> None:
        try:
            relay.run(over.is_set)
        except BaseException as error:  # noqa: BLE001 - told below
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield relay
    finally:
        over.set()
        thread.join()
    assert failure == []


def group(rooms: Rooms, settings: Settings) -> tuple[int, int]:
    """How many consumers the one group has, and what is pending."""
    (facts,) = Fleet(rooms, settings).groups()
    return facts.consumers, facts.pending


class Flaky:
    """A sink that is down until it is said to be up."""

    name = "flaky"
    down = True
    asked = 0

    def send(self, message_id: str, items: Sequence[Item]) -> Answer:
        """Fail, or take it."""
        assert message_id.endswith(items[0]["id"])
        self.asked += 1
        return Answer(Verdict.FAILED, "down") if self.down else Answer(Verdict.DELIVERED)

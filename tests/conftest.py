"""What all tests share: a clean environment, one real server for the session, a fleet of its own for each test."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator

import pytest

from fleetpoll.embedded.private import private_server
from fleetpoll.settings import Settings
from fleetpoll.simulator.surroundings import NO_AWS
from fleetpoll.state.keys import Keys
from fleetpoll.state.rooms import Rooms, open_rooms

PERMANENT = frozenset(
    {"schedule", "ledger", "counts", "finished", "events", "totals", "roster", "leases", "order", "troubles"}
    | {"dwell", "dwelt", "price"}
    | {"broods", "children", "started"}
    | {"letters"}
    | {"figures", "history"}
    | {f"bucket:{op}" for op in ("DescribeJobs", "SubmitJob", "TerminateJob", "CancelJob", "ListJobs")}
)
"""The keys that may live without a TTL: as many as there are names here, however many jobs there are."""


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_works() -> None:
    """A shell that runs the tests in the background lets them ignore SIGINT, and their children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no credential of the machine's reaches a test."""
    for name in list(os.environ):
        if name.startswith(("FLEETPOLL_", "AWS_")):
            monkeypatch.delenv(name)
    for name, value in NO_AWS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for the whole session: TEST_REDIS_URL, or one of our own."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with private_server(os.environ.get("TEST_REDIS_SERVER"), tmp_path_factory.mktemp("state")) as url:
        yield url


@pytest.fixture
def fleet_name() -> str:
    """A fleet that no other test knows."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def settings(fleet_name: str) -> Settings:
    """The defaults, for a fleet of the test's own."""
    return Settings(fleet=fleet_name)


@pytest.fixture
def rooms(redis_url: str, settings: Settings) -> Iterator[Rooms]:
    """The fleet's rooms on the real server. Afterwards every key left is on the list, or has a TTL."""
    opened = open_rooms(redis_url, settings)
    yield opened
    client, prefix = opened.client, Keys(settings.fleet).bucket("").removesuffix("bucket:")
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        assert key.removeprefix(prefix) in PERMANENT or client.ttl(key) > 0, f"{key} would stay for ever"
        client.delete(key)
    opened.close()

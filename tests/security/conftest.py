"""Servers of these tests' own: one whose users they make, one that speaks TLS alone."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fleetpoll.settings import Settings
from fleetpoll.state.access import Role, rules
from fleetpoll.state.rooms import Rooms
from tests.servers import Server, server

PASSWORD = "canary-of-the-password"
"""No place may ever show it."""

Login = Callable[..., str]


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with users."""
    with server(tmp_path_factory.mktemp("guarded"), "--save", "") as one:
        yield one


@pytest.fixture
def given(redis_url: str, settings: Settings, rooms: Rooms) -> Settings:
    """The test's own fleet on the session's server, which other clients leave clean."""
    return msgspec.structs.replace(settings, redis_url=redis_url)


@pytest.fixture
def login(guarded: Server, fleet_name: str) -> Iterator[Login]:
    """Makes the user of a role in a fleet, by the very words that `fleetpoll acl` prints; gives its URL."""
    made = []

    def user(role: Role, fleet: str = fleet_name) -> str:
        name = f"{role}-{secrets.token_hex(4)}"
        sha256 = hashlib.sha256(PASSWORD.encode()).hexdigest()
        with guarded.client() as root:
            root.execute_command("ACL SETUSER", name, *rules(role, fleet, sha256))
        made.append(name)
        return f"redis://{name}:{PASSWORD}@127.0.0.1:{guarded.port}/0"

    yield user
    with guarded.client() as root:
        root.flushall()
        for name in made:
            root.acl_deluser(name)


def run_openssl(folder: Path, *words: str) -> None:
    """One call of openssl in a folder."""
    subprocess.run([shutil.which("openssl") or "openssl", *words], cwd=folder, check=True, capture_output=True)

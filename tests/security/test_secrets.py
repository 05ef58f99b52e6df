"""Passwords and keys: in no log, no list of processes, no error, no answer of ours, and not in Redis."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from rich.pretty import pretty_repr

from benchmarks.rig import Workers, limited, wait_until
from fleetpoll.awsbatch.failures import of_response
from fleetpoll.client.calls import open_calls
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import AccessDenied, FleetpollError, SettingsError
from fleetpoll.settings import Settings, load
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.access import Role
from fleetpoll.state.connection import connect
from tests.integration.cli_helpers import Cli
from tests.security.conftest import PASSWORD, Login
from tests.servers import Server

CANARY = "canary-of"
"""What each secret here begins with."""
KEYS = {
    "AWS_ACCESS_KEY_ID": "canary-of-the-key-id",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-key",
    "AWS_SESSION_TOKEN": "canary-of-the-token",
}


def dump(guarded: Server) -> str:
    """All keys and what is in them, as text."""
    found = []
    with guarded.client() as root:
        for key in root.scan_iter():
            kind: Any = root.type(key)
            reads = {"hash": root.hgetall, "string": root.get, "stream": root.xrange}
            found.append(f"{key} {reads[kind](key) if kind in reads else root.zrange(key, 0, -1)}")
    return "\n".join(found)


class Watch:
    """Notes the command lines of all processes of this machine, for as long as the block lasts."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(place.read_bytes())
                except OSError:
                    continue

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()


@pytest.fixture
def aws() -> Iterator[Simulator]:
    """A pretend AWS that is quick, and fails now and then."""
    with Simulator(limited(50, life_min_s=0.2, life_max_s=0.5)) as simulator:
        yield simulator


COMMANDS = [
    ("status",),
    ("doctor",),
    ("simulate", "submit", "--track"),
    ("budget", "set", "none"),
    ("acl", "worker"),
]


def test_nothing_shows_a_secret(
    guarded: Server, login: Login, aws: Simulator, fleet_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that work, log everything and then lose their rights; commands that succeed, and that fail."""
    url = login(Role.OPERATOR)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    given = {"FLEETPOLL_REDIS_URL": login(Role.WORKER), "FLEETPOLL_FLEET": fleet_name, "AWS_ENDPOINT_URL_BATCH": aws.url}
    given |= {
        "FLEETPOLL_LOG_LEVEL": "debug",
        "FLEETPOLL_WORKERS": "1",
        "FLEETPOLL_BEAT": "0.3",
        "FLEETPOLL_FRESHNESS": "0.3",
    }
    cli, said = Cli(url, fleet_name), []
    env = dict(os.environ) | given
    with Watch() as watch, Workers(env, tmp_path / "log") as workers:
        aws_env = {"AWS_ENDPOINT_URL_BATCH": aws.url}
        for words in COMMANDS:
            done = cli(*words, **aws_env)
            said += [done.stdout, done.stderr]
        wait_until(lambda: "SUCCEEDED" in workers.words() or "FAILED" in workers.words(), 20, "a job ends")
        stored = dump(guarded)
        with guarded.client() as root:
            root.acl_deluser(url.split("//")[1].split(":")[0])
            root.execute_command("CLIENT KILL TYPE normal")
        for trouble in (url, url.replace(PASSWORD, f"{CANARY}-a-wrong-one")):
            done = Cli(trouble, fleet_name)("status", **aws_env)
            said += [done.stdout, done.stderr]
            assert done.returncode != 0
        wait_until(lambda: '"poller started"' in workers.words(), 20, "a log")
    assert "fleetpoll" in str(watch.seen)
    assert CANARY not in str(watch.seen)
    assert CANARY not in workers.words()
    assert CANARY not in "".join(said)
    assert fleet_name in stored
    assert CANARY not in stored


BROKEN = [
    "redis://u:{}/x@h:1/0",
    "redis://u:{}@h:port/0",
    "redis://u:{}@[h/0",
    "redis://u:{}@h/0?nonsense=1",
    "redis://u:{}@h/0?db=none",
    "http://u:{}@h/0",
    "u:{}@h",
    "redis://u:{}@h:99999999/0",
    "redis://u:{}@h/0?socket_timeout=1",
    "redis://u:{} {}@h/0",
    "unix://{}@/nowhere?password={}",
    "redis://h/0?password={}&ssl_keyfile=x",
]


@pytest.mark.parametrize("url", BROKEN)
def test_a_broken_url_is_not_repeated(url: str) -> None:
    """Whatever is wrong with it, the refusal is a sentence without the password."""
    with pytest.raises(FleetpollError) as raised, open_fleet(Settings(redis_url=url.format(*[PASSWORD] * 2))) as fleet:
        fleet.workers()
    assert CANARY not in str(raised.value)
    assert CANARY not in repr(raised.value)


def test_settings_do_not_show_a_password() -> None:
    """Neither to repr, nor to rich, nor when a value is refused."""
    own = f"redis+sentinel://h/s?sentinel_password={PASSWORD}&password=a,b@{PASSWORD}"
    assert repr(Settings(redis_url=own)).startswith(
        "Settings(redis_url='redis+sentinel://h/s?sentinel_password=***&password=***', "
    )
    settings = Settings(redis_url=f"redis://:{PASSWORD}@h/0", endpoint_url=f"http://u:{PASSWORD}@h", rate=7.0)
    for text in (repr(settings), str(settings), pretty_repr(settings), repr([settings])):
        assert PASSWORD not in text
        assert "rate" in text
    assert msgspec.structs.replace(settings, rate=8.0).redis_url == f"redis://:{PASSWORD}@h/0"
    for flags in ({"redis_url": [f"redis://:{PASSWORD}@h"]}, {"redis_url": f"redis://:{PASSWORD}@h".encode()}):
        with pytest.raises(SettingsError) as raised:
            load({}, flags=flags)
        assert PASSWORD not in str(raised.value)


def test_no_object_of_ours_shows_the_password() -> None:
    """Not a connection, not the rooms, not the fleet: debuggers and other people's loggers print such things."""
    settings = Settings(redis_url=f"redis://u:{PASSWORD}@127.0.0.1:1/0")
    with open_fleet(settings) as fleet:
        things = [
            fleet,
            vars(fleet),
            fleet.settings,
            fleet.bucket(),
            connect(str(settings.redis_url)),
            vars(fleet)["_rooms"],
        ]
        assert PASSWORD not in "".join(repr(thing) for thing in things)


def test_a_refused_signature_does_not_bring_the_token_into_a_log() -> None:
    """AWS repeats the signed request with its headers, the session's token among them; and at any length."""
    words = f"The Canonical String should have been 'POST\nhost:batch\nx-amz-security-token:{PASSWORD}\n\nhost'" + "x" * 5000
    failure = of_response(
        {"Error": {"Code": "SignatureDoesNotMatch", "Message": words}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    )
    assert isinstance(failure, AccessDenied)
    assert PASSWORD not in str(failure)
    assert len(str(failure)) < 1100


def test_keys_of_aws_are_in_no_error(guarded: Server, fleet_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the endpoint does not answer, nor in what boto3's client looks like."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    settings = Settings(redis_url=guarded.url, fleet=fleet_name, endpoint_url=f"http://u:{PASSWORD}@127.0.0.1:1", rate=50)
    with open_fleet(settings) as fleet:
        calls = open_calls(fleet)
        with pytest.raises(FleetpollError) as raised:
            calls.describe(["00000000-0000-4000-8000-000000000000"])
    assert CANARY not in str(raised.value) + repr(vars(calls))

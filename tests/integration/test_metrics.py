"""The exporter on a real Redis: what it tells, what it costs, and what it does when Redis or the address will not do."""

from __future__ import annotations

import gzip
import importlib
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fleetpoll.clock import system_mono
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.metrics import observer as observers
from fleetpoll.metrics.observer import Observer, Watch, observing
from fleetpoll.metrics.reading import read
from fleetpoll.metrics.server import serving
from fleetpoll.settings import Settings
from fleetpoll.state.letters import Letter, Letters
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts, OrderKind
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move
from tests.prometheus import promtool, value, values
from tests.servers import free_port, server

SOON_S = 2.0
"""A second, and one more for a machine that is busy."""


def fetch(url: str, **headers: str) -> tuple[str, dict[str, str]]:
    """What a URL answers, and its headers."""
    with urlopen(Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 - http, on loopback
        body = answer.read()
        return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode(), dict(answer.headers)


def text(observer: Observer) -> str:
    """The page."""
    registry = CollectorRegistry()
    registry.register(observer)
    return generate_latest(registry).decode()


def commands(rooms: Rooms) -> int:
    """How many commands the server has run."""
    info: Any = rooms.client.info("stats")
    return int(info["total_commands_processed"])


@contextmanager
def silence() -> Iterator[str]:
    """The URL of a Redis that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        yield f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"


def test_the_page_tells_what_redis_knows(given: Settings, rooms: Rooms) -> None:
    """Jobs, transitions, workers, orders, groups and dead letters are those of the fleet, and promtool finds no fault."""
    ids = make_ids(5)
    rooms.schedule.track(ids)
    move(rooms, {ids[0]: JobStatus.RUNNING, ids[1]: JobStatus.FAILED})
    rooms.roster.beat("w1", Facts("host", 1, 1, beat_s=5.0, version="0.1.0"))
    rooms.roster.beat("w2", Facts("host", 2, 1, beat_s=5.0), now_ms=1)
    rooms.roster.command(OrderKind.DRAIN)
    rooms.client.xgroup_create(rooms.keys.events, "readers", "0")
    Letters(rooms.client, rooms.keys).bury("readers", [Letter(rooms.events.recent(1)[0], "readers", "sink", 1, "no")])
    rooms.buckets["SubmitJob"].pause(True)
    with observing([given], given.redis_url or "") as observer:
        page = text(observer)

    assert promtool("check", "metrics", stdin=page) == ""
    jobs = {key: count for (key,), count in values(page, "fleetpoll_jobs", fleet=given.fleet).items() if count}
    assert jobs == {"UNSEEN": 3, "RUNNING": 1, "FAILED": 1}
    assert values(page, "fleetpoll_transitions_total", fleet=given.fleet) == {
        ("UNSEEN", "RUNNING"): 1,
        ("UNSEEN", "FAILED"): 1,
    }
    assert (value(page, "fleetpoll_live_jobs"), value(page, "fleetpoll_leases_total")) == (4, 1)
    assert values(page, "fleetpoll_workers", fleet=given.fleet) == {("alive",): 1, ("silent",): 1}
    assert values(page, "fleetpoll_worker_releases", fleet=given.fleet) == {("0.1.0",): 1}
    assert value(page, "fleetpoll_order", kind="drain") == 1
    assert value(page, "fleetpoll_group_lag", group="readers") == 2
    assert value(page, "fleetpoll_dead_letters") == 1
    assert value(page, "fleetpoll_events") == 2
    assert (
        value(page, "fleetpoll_paused", operation="SubmitJob"),
        value(page, "fleetpoll_paused", operation="DescribeJobs"),
    ) == (1, 0)
    assert value(page, "fleetpoll_redis_commands_duration_seconds_total", command="evalsha") > 0
    assert value(page, "fleetpoll_redis_memory_used_bytes") > 100_000


def test_a_scrape_costs_no_more_with_more_jobs(rooms: Rooms) -> None:
    """It takes so many commands, whether one job is tracked or thousands."""
    costs = []
    for count in (1, 3000):
        rooms.schedule.track(make_ids(count))
        before = commands(rooms)
        read(rooms)
        costs.append(commands(rooms) - before)
    assert costs[0] == costs[1] <= 40


def test_scrapes_side_by_side_cost_as_much_as_one(given: Settings, rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty scrapers at once are told the same reading."""
    monkeypatch.setattr(observers, "FRESH_S", 60.0)
    with observing([given], given.redis_url or "") as observer, serving(observer, "127.0.0.1", 0) as url:
        before = commands(rooms)
        with ThreadPoolExecutor(20) as pool:
            pages = list(pool.map(lambda _: fetch(f"{url}/metrics")[0], range(20)))
        assert commands(rooms) - before <= 60
    assert {value(page, "fleetpoll_up", fleet=given.fleet) for page in pages} == {1}
    assert len({value(page, "fleetpoll_read_duration_seconds", fleet=given.fleet) for page in pages}) == 1


def test_a_silent_redis_hides_no_other_and_holds_nobody_up(
    rooms: Rooms, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scrape is over when its patience is, and the other fleet is told in full."""
    monkeypatch.setattr(observers, "PATIENCE_S", 0.5)
    with silence() as url:
        deaf = open_rooms(url, msgspec.structs.replace(settings, fleet="deaf"))
        observer = Observer([Watch(deaf, system_mono, about_server=True), Watch(rooms, system_mono, about_server=True)])
        start = time.monotonic()
        page = text(observer)
        assert 0.5 <= time.monotonic() - start < SOON_S
        deaf.close()
    assert values(page, "fleetpoll_up") == {("deaf",): 0, (settings.fleet,): 1}
    assert value(page, "fleetpoll_due_jobs") == 0
    assert [heard.error for heard in observer.heard()] == ["Redis has not answered within 0.5 s.", ""]


def test_a_redis_that_is_away_is_told_at_once(settings: Settings) -> None:
    """Nobody listens: the page has fleetpoll_up 0 and what is known without Redis, and is there within a moment."""
    start = time.monotonic()
    with observing([settings], f"redis://127.0.0.1:{free_port()}/0") as observer:
        page = text(observer)
    assert time.monotonic() - start < SOON_S
    assert value(page, "fleetpoll_up") == 0
    assert value(page, "fleetpoll_build_info") == 1
    assert promtool("check", "metrics", stdin=page) == ""


def test_a_redis_that_comes_back_is_told_at_once(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first scrape after its return has the fleet again."""
    monkeypatch.setattr(observers, "FRESH_S", 0.0)
    with server(tmp_path) as redis, observing([settings], redis.url) as observer:
        assert value(text(observer), "fleetpoll_up") == 1
        redis.kill()
        assert value(text(observer), "fleetpoll_up") == 0
        redis.start()
        assert value(text(observer), "fleetpoll_up") == 1


def test_what_the_server_answers(given: Settings) -> None:
    """Health, the newer format, gzip and a choice of metrics; what is not there is 404, and the token is asked for."""
    with observing([given], given.redis_url or "") as observer, serving(observer, "127.0.0.1", 0, "s3cret") as url:
        trusted = {"Authorization": "Bearer s3cret"}
        assert fetch(f"{url}/healthz")[0] == "ok\n"
        assert "/metrics" in fetch(url)[0]
        for path, headers, status in (
            ("/none", trusted, 404),
            ("/metrics", {}, 401),
            ("/metrics", {"Authorization": "x"}, 401),
        ):
            with pytest.raises(HTTPError) as refused:
                fetch(url + path, **headers)
            assert refused.value.code == status
        page, told = fetch(f"{url}/metrics", **trusted, Accept="application/openmetrics-text", **{"Accept-Encoding": "gzip"})
        assert told["Content-Type"].startswith("application/openmetrics-text")
        assert told["Content-Encoding"] == "gzip"
        assert page.endswith("# EOF\n")
        some = fetch(f"{url}/metrics?name[]=fleetpoll_up", **trusted)[0]
        assert [line.split("{")[0] for line in some.splitlines() if line[0] != "#"] == ["fleetpoll_up"]


def test_the_command_prints_once_serves_and_leaves(given: Settings, tmp_path: Path) -> None:
    """--once is the page of all fleets of the file; a server says where it is, and leaves soon after SIGTERM with code 0."""
    cli, file = Cli(given.redis_url or "", given.fleet), tmp_path / "fleets.toml"
    file.write_text(f"[fleets.{given.fleet}]\n[fleets.second]\n")
    once = cli("--config", str(file), "metrics", "--once", FLEETPOLL_FLEET="")
    assert (once.returncode, once.stderr) == (0, "")
    assert values(once.stdout, "fleetpoll_up") == {(given.fleet,): 1, ("second",): 1}
    with cli.start("metrics", "--port", "0") as serves:
        assert serves.stderr is not None
        address = serves.stderr.readline().split()[-1]
        assert value(fetch(address)[0], "fleetpoll_up", fleet=given.fleet) == 1
        serves.send_signal(signal.SIGTERM)
        start = time.monotonic()
        assert serves.wait(5) == 0
        assert time.monotonic() - start < SOON_S


def test_it_leaves_in_time_while_redis_is_silent() -> None:
    """SIGTERM in the midst of a scrape that waits for Redis ends it soon all the same."""
    with silence() as url, Cli(url, "deaf").start("metrics", "--port", "0") as serves:
        assert serves.stderr is not None
        address = serves.stderr.readline().split()[-1]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(fetch, address)
            assert fetch(address.replace("/metrics", "/healthz"))[0] == "ok\n"
            serves.send_signal(signal.SIGTERM)
            start = time.monotonic()
            assert serves.wait(5) == 0
            assert time.monotonic() - start < SOON_S


def test_an_address_that_will_not_do_is_a_sentence(settings: Settings) -> None:
    """It says what to give instead."""
    with observing([settings], "redis://127.0.0.1:1/0") as observer, serving(observer, "127.0.0.1", 0) as url:
        taken = int(url.rpartition(":")[2])
        for host, port, words in (
            ("a..b", 0, "is no address that this machine knows"),
            ("192.0.2.1", 0, "this machine has no such address"),
            ("127.0.0.1", taken, "somebody else listens there: end them, or give another --port"),
        ):
            with pytest.raises(SettingsError, match=words), serving(observer, host, port):
                pass


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed it is told how to."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "fleetpoll.cli.metrics", raising=False)
    with pytest.raises(SettingsError, match=re.escape("pip install 'fleetpoll[metrics]'")):
        importlib.import_module("fleetpoll.cli.metrics")

"""Followers that stand still while the stream is trimmed: what they have lost is told, once, and the fleet is not hurt."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from contextlib import ExitStack
from typing import Any

import pytest

from fleetpoll.jobs import JobStatus
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move, wait_until

IDS = make_ids(20)
KEPT = 10
FOLLOWERS = 100


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for a fleet whose jobs have just started."""
    rooms.schedule.track(IDS)
    move(rooms, dict.fromkeys(IDS, JobStatus.RUNNING))
    return Cli(redis_url, fleet_name)


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The cursors of the next transitions that it prints."""
    assert process.stdout is not None
    return [json.loads(process.stdout.readline())["id"] for _ in range(count)]


def overtake(rooms: Rooms, process: subprocess.Popen[str]) -> list[str]:
    """Let a process stand still while more happens than the stream keeps. Returns the cursors that are left."""
    process.send_signal(signal.SIGSTOP)
    for status in (JobStatus.RUNNABLE, JobStatus.STARTING, JobStatus.RUNNING):
        move(rooms, dict.fromkeys(IDS, status))
    rooms.client.xtrim(rooms.keys.events, maxlen=KEPT, approximate=False)
    process.send_signal(signal.SIGCONT)
    return [event.cursor for event in rooms.events.recent(KEPT)][::-1]


def test_a_follower_that_is_overtaken_ends_and_names_the_gap(cli: Cli, rooms: Rooms) -> None:
    """Exit code 65; nothing from behind the gap is printed, and a new one can begin with what is left."""
    with cli.start("events", "--follow", "--since", "0", "--json") as process:
        seen = lines(process, len(IDS))
        left = overtake(rooms, process)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (65, "")
    assert f"came after {seen[-1]} are not kept any more; the oldest that is left is {left[0]}" in err
    assert [event["id"] for event in cli.objects("events", "--since", "0")] == left


def test_a_group_that_is_overtaken_says_so_once_and_goes_on(cli: Cli, rooms: Rooms) -> None:
    """With how many it has lost, where the server counts them."""
    with cli.start("events", "--group", "g", "--since", "0", "--json") as process:
        lines(process, len(IDS))
        wait_until(lambda: any(client["cmd"] == "xreadgroup" for client in clients(rooms)), "it waits for news")
        left = overtake(rooms, process)
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["id"]]
        while seen[-1] != left[-1]:
            seen += lines(process, 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert seen[-KEPT:] == left
    assert err.count("not kept any more") == 1
    assert len(set(seen)) == len(seen)


def clients(rooms: Rooms) -> list[dict[str, Any]]:
    """Who is connected."""
    found: Any = rooms.client.client_list()
    return list(found)


def test_followers_that_stand_still_hold_no_memory_of_the_server(cli: Cli, rooms: Rooms, redis_url: str) -> None:
    """Each is given at most the page that it has asked for, however much is published."""
    key = rooms.keys.events
    ask = ["XREAD", "COUNT", "1000", "BLOCK", "0", "STREAMS", key, "$"]
    words = f"*{len(ask)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in ask)
    with ExitStack() as stack:
        for _ in range(FOLLOWERS):
            stack.enter_context(stopped(redis_url)).sendall(words.encode())
        wait_until(lambda: sum(client["cmd"] == "xread" for client in clients(rooms)) == FOLLOWERS, "all of them wait")
        for status in (JobStatus.RUNNABLE, JobStatus.RUNNING) * 5:
            move(rooms, dict.fromkeys(IDS, status))
        still = [client for client in clients(rooms) if client["cmd"] == "xread"]

    assert len(still) == FOLLOWERS
    assert max(int(client["omem"]) for client in still) < 64 * 1024


def stopped(url: str) -> socket.socket:
    """A connection to the server that nobody will read from."""
    made = socket.socket(socket.AF_UNIX)
    made.connect(url.removeprefix("unix://").partition("?")[0])
    return made

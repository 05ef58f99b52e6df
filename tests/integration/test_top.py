"""`fleetpoll top` without a terminal, on a real server: what it shows as text, what its keys do, and a Redis that dies."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from fleetpoll.cli.later import load_extra
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts, OrderKind
from fleetpoll.state.troubles import Trouble
from fleetpoll.top.app import Top
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move
from tests.servers import DURABLE, server

PATIENCE_S = 20.0
EVERY_S = 0.1
Act = Callable[[Top, Pilot[None]], Coroutine[Any, Any, None]]


def screen(app: Top) -> str:
    """What is on the screen, as text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def shows(app: Top, pilot: Pilot[None], *words: str, gone: str = "") -> str:
    """Wait until the screen has all of these words, and not that one."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not all(word in screen(app) for word in words) or (gone and gone in screen(app)):
        assert asyncio.get_running_loop().time() < deadline, f"{words} not on\n{screen(app)}"
        await pilot.pause(0.02)
    return screen(app)


def watch(act: Act, *fleets: Settings, size: tuple[int, int] = (80, 24)) -> None:
    """Do something with the running application."""

    async def run() -> None:
        app = Top(fleets, EVERY_S)
        async with app.run_test(size=size) as pilot:
            await act(app, pilot)

    asyncio.run(run())


@pytest.fixture
def busy(rooms: Rooms) -> Rooms:
    """A fleet with jobs in three statuses, and two workers of which one fell silent."""
    ids, now_ms = make_ids(12), rooms.roster.now_ms()
    rooms.schedule.track(ids, now_ms=now_ms - 60_000)
    move(rooms, dict.fromkeys(ids[:8], JobStatus.RUNNING), job_name="align-\x1b[2J7")
    move(rooms, dict.fromkeys(ids[:2], JobStatus.SUCCEEDED), stopped_ms=now_ms - 3_000)
    rooms.roster.beat("w1", Facts("host-a", 7, now_ms, 60.0, calls=5, doing="asking AWS"))
    rooms.roster.beat("w2", Facts("host-b", 8, now_ms, 5.0), now_ms=now_ms - 60_000)
    return rooms


def test_all_at_a_glance(busy: Rooms, given: Settings) -> None:
    """On the smallest terminal there is: health, jobs, allowance, workers, and the feed, with nothing that commands it."""

    async def act(app: Top, pilot: Pilot[None]) -> None:
        text = await shows(app, pilot, "transitions, newest first", "SUCCEEDED", "granted", "q quit")
        lines = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", text).splitlines()
        assert lines[0].startswith(f" {given.fleet}  1 overview  2 jobs  3 workers  4 feed")
        assert lines[1] == " WARN  1 of 2 workers fell silent, on host-b."
        assert lines[2] == " → Others have their jobs. If they should run, see their logs and that host."
        assert re.match(r"12 jobs, 10 live, \d+ due +last 5 minutes", lines[3])
        assert [line.split()[:2] for line in lines[4:7]] == [["UNSEEN", "4"], ["RUNNING", "6"], ["SUCCEEDED", "2"]]
        assert "granted" in lines[4]
        assert lines[4].endswith("5 of 10/s")
        assert [line.split()[:2] for line in lines if line.startswith("host-")] == [["host-b", "8"], ["host-a", "7"]]
        assert "SILENT" in text
        assert text.count("asking AWS") == 1
        assert sum(line.startswith("HH:MM:SS   RUNNING → SUCCEEDED 0000000") for line in lines) == 2
        assert "late" in text
        assert "\x1b" not in text
        assert lines[-1].startswith("q quit")
        assert max(map(len, lines)) <= 80
        assert len(lines) == 24

    watch(act, given)


def test_the_tabs_and_the_filter(busy: Rooms, given: Settings) -> None:
    """Jobs, workers and the feed fill the screen; / leaves what has a word, Esc shows all again, ? says what is what."""

    async def act(app: Top, pilot: Pilot[None]) -> None:
        await shows(app, pilot, "SUCCEEDED")
        await pilot.press("2")
        text = await shows(app, pilot, "12 of 12 jobs", make_ids(1)[0])
        assert [line.split()[0] for line in text.splitlines()[4:16]] == ["UNSEEN"] * 4 + ["RUNNING"] * 6 + ["SUCCEEDED"] * 2
        await pilot.press("tab")
        await shows(app, pilot, "1 worker alive, 1 silent", gone="jobs,")
        await pilot.press("4", "slash", *"succ", "enter")
        text = await shows(app, pilot, "with 'succ': 2 of 10")
        assert "UNSEEN → RUNNING" not in text
        await pilot.press("escape")
        await shows(app, pilot, "UNSEEN → RUNNING", gone="with")
        await pilot.press("question_mark")
        await shows(app, pilot, "from a job's end to its detection")
        await pilot.press("x")
        await shows(app, pilot, "newest first", gone="from a job's end")
        assert app._asked.value == "succ"

    watch(act, given, size=(120, 40))


def test_what_happens_is_seen_unless_the_picture_is_held(busy: Rooms, given: Settings) -> None:
    """Live, within a look; p holds the picture and says so, p again shows what happened meanwhile."""

    async def act(app: Top, pilot: Pilot[None]) -> None:
        await shows(app, pilot, "RUNNING           6", "used")
        move(busy, {make_ids(12)[2]: JobStatus.FAILED}, reason="OutOfMemoryError")
        await shows(app, pilot, "FAILED            1", "OutOfMemoryError")
        await pilot.press("p")
        await shows(app, pilot, "PAUSED")
        move(busy, {make_ids(12)[3]: JobStatus.FAILED})
        await pilot.pause(4 * EVERY_S)
        assert "FAILED            1" in screen(app)
        await pilot.press("p")
        await shows(app, pilot, "FAILED            2", gone="PAUSED")

    watch(act, given)


def test_orders_are_asked_about_first(busy: Rooms, given: Settings) -> None:
    """N changes nothing; y does, and the fleet is seen to obey."""
    bucket = busy.buckets["DescribeJobs"]

    async def act(app: Top, pilot: Pilot[None]) -> None:
        await shows(app, pilot, "SUCCEEDED")
        await pilot.press("b")
        await shows(app, pilot, "Pause the budget?")
        await pilot.press("n")
        await shows(app, pilot, "SUCCEEDED", gone="Pause the budget?")
        assert not bucket.view().paused
        await pilot.press("b", "y")
        await shows(app, pilot, "The budget is paused: no calls are made")
        assert bucket.view().paused
        busy.roster.command(OrderKind.DRAIN)
        bucket.pause(False)
        await shows(app, pilot, "is being drained")
        await pilot.press("d", "y")
        await shows(app, pilot, "fell silent", gone="is being drained")
        assert busy.roster.order() is None

    watch(act, given)


def test_trouble_with_aws_and_the_next_fleet(busy: Rooms, given: Settings, redis_url: str) -> None:
    """What AWS says and what to do stand on the screen; f turns to the next fleet of the file, which has none."""
    trouble = Trouble("denied", "ExpiredTokenException", "The token is expired", "host-a", 1)
    busy.troubles.report("w1", trouble, 0.5, 1.0)
    other = msgspec.structs.replace(given, fleet=f"{given.fleet}-other")

    async def act(app: Top, pilot: Pilot[None]) -> None:
        text = await shows(
            app, pilot, "BAD", "AWS denies access to all workers: The token is expired.", "! denied: 1 worker"
        )
        assert "Renew the credentials" in text
        assert "(1 of 2)" in text
        await pilot.press("f")
        await shows(app, pilot, "(2 of 2)", "IDLE  No live jobs, and no workers.", "none yet", gone="denied")

    watch(act, given, other)


def test_a_redis_that_is_away_is_said_to_be_and_comes_back(tmp_path: Path, fleet_name: str) -> None:
    """What was seen stays on the screen, and all goes on by itself; one that is not there at the start is waited for."""
    with server(tmp_path, *DURABLE) as redis:
        given = Settings(redis_url=redis.url, fleet=fleet_name)
        redis.kill()

        async def act(app: Top, pilot: Pilot[None]) -> None:
            await shows(app, pilot, "BAD  Redis does not answer", "the workers go on by themselves")
            redis.start()
            rooms = open_rooms(redis.url, given)
            rooms.schedule.track(make_ids(3))
            await shows(app, pilot, "No worker is alive: nobody watches 3 live jobs.")
            redis.kill()
            await shows(app, pilot, "BAD  Redis does not answer", "3 jobs, 3 live")
            redis.start()
            await shows(app, pilot, "nobody watches 3 live jobs", gone="Redis")
            rooms.close()

        watch(act, given)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, not a traceback."""
    monkeypatch.setitem(sys.modules, "textual", None)
    for name in [name for name in sys.modules if name.startswith(("fleetpoll.top.", "textual."))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"needs textual, which is not installed: pip install 'fleetpoll\[top\]'"):
        load_extra("fleetpoll.top.app:Top", "top")


def test_on_a_pipe_it_names_what_is_made_for_pipes(redis_url: str, fleet_name: str) -> None:
    """It draws nothing there."""
    done = Cli(redis_url, fleet_name)("top")
    assert (done.returncode, done.stdout) == (2, "")
    assert "fleetpoll status --json" in done.stderr

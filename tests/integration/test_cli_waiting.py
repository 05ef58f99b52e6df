"""The console script and a real server: waiting for jobs and following the stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from fleetpoll.embedded.sharing import join
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BLOCK_S
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move, serves, wait_until

ONE, TWO, THREE = make_ids(3)


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for the test's own fleet."""
    return Cli(redis_url, fleet_name)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code and the words of a process."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_wait_ends_when_the_last_job_has(cli: Cli, rooms: Rooms) -> None:
    """Jobs that nobody tracked are tracked; a failed one is named and makes the exit code 1."""
    rooms.roster.beat("w", Facts("h", 1, 0, 5.0))
    with cli.start("wait", ONE, TWO) as process:
        wait_until(lambda: rooms.ledger.sizes() == (2, 2), "the jobs are tracked")
        move(rooms, {ONE: JobStatus.SUCCEEDED})
        move(rooms, {TWO: JobStatus.FAILED})
        assert end(process) == (1, f"2 jobs: 1 SUCCEEDED, 1 FAILED.\n  {TWO}  FAILED\n", "")


def test_wait_says_that_nobody_works(cli: Cli, rooms: Rooms) -> None:
    """Without a worker the wait goes on, but not in silence; what is over already needs no worker."""
    rooms.schedule.track([ONE])
    move(rooms, {ONE: JobStatus.SUCCEEDED})

    done = cli("wait", ONE)

    assert (done.returncode, done.stdout) == (0, "1 job: 1 SUCCEEDED.\n")
    assert "No worker is alive" in done.stderr


def test_wait_for_running_and_its_timeout(cli: Cli, rooms: Rooms) -> None:
    """A job that runs has got there; who did not in time is pending, with exit code 124 and one object."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.RUNNING})

    assert cli("wait", ONE, "--for", "running").returncode == 0
    done = cli("wait", ONE, TWO, "--for", "running", "--timeout", "0.2", "--json")

    assert done.returncode == 124
    assert json.loads(done.stdout) == {"reached": {ONE: "RUNNING"}, "pending": [TWO], "gone": [], "timed_out": True}


def test_wait_tells_lost_jobs_from_failed_ones(cli: Cli, rooms: Rooms) -> None:
    """Exit code 3: what became of a job is not known."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.LOST, TWO: JobStatus.FAILED})

    assert cli("wait", ONE, TWO).returncode == 3


def test_ctrl_c_ends_a_wait(cli: Cli, rooms: Rooms) -> None:
    """Exit code 130 and no traceback; the job stays tracked."""
    with cli.start("wait", ONE) as process:
        wait_until(lambda: rooms.ledger.sizes() == (1, 1), "the job is tracked")
        process.send_signal(signal.SIGINT)
        code, out, err = end(process)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert rooms.ledger.sizes() == (1, 1)


def test_events_ends_with_what_is_there(cli: Cli, rooms: Rooms) -> None:
    """Without --follow the past is printed, all of it or what comes after a cursor."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.RUNNING})
    move(rooms, {ONE: JobStatus.FAILED, TWO: JobStatus.SUCCEEDED}, exit_code=1)

    first, *rest = cli.objects("events")

    assert (first["job_id"], first["from"], first["to"]) == (ONE, "UNSEEN", "RUNNING")
    assert cli.objects("events", "--since", first["id"]) == rest
    assert cli.objects("events", "--limit", "1") == [first]
    assert "RUNNING   FAILED    exit 1" in cli("events").stdout


def test_follow_goes_on_after_a_restart_of_redis(tmp_path: Path, fleet_name: str) -> None:
    """The server is killed and comes back: every transition is printed once, until Ctrl-C."""
    with ExitStack() as stack:
        url = stack.enter_context(join(os.environ.get("TEST_REDIS_SERVER"), tmp_path, 0.0))
        rooms = open_rooms(url, Settings(fleet=fleet_name))
        stack.callback(rooms.close)
        rooms.schedule.track([ONE, TWO, THREE])
        move(rooms, {ONE: JobStatus.RUNNING})
        process = stack.enter_context(Cli(url, fleet_name).start("events", "--follow", "--since", "0-0", "--json"))
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["job_id"]]

        (pid_file,) = tmp_path.glob("fleetpoll/*/server.pid")
        killed = int(pid_file.read_text())
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: pid_file.read_text().strip() not in {"", str(killed)} and serves(rooms), "the server is back")
        for job_id in (TWO, THREE):
            move(rooms, {job_id: JobStatus.RUNNING})
            seen.append(json.loads(process.stdout.readline())["job_id"])
        process.send_signal(signal.SIGINT)
        assert (end(process), seen) == ((130, "", ""), [ONE, TWO, THREE])


def test_a_group_remembers_what_it_has_printed(cli: Cli, rooms: Rooms) -> None:
    """A new group begins where --since says; whoever comes next in it goes on from there."""
    rooms.schedule.track([ONE, TWO, THREE])
    for job_id in (ONE, TWO, THREE):
        move(rooms, {job_id: JobStatus.RUNNING})

    first = cli.objects("events", "--group", "g", "--since", "0", "--limit", "2")
    with cli.start("events", "--group", "g", "--consumer", "me", "--json") as process:
        assert process.stdout is not None
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        code, _, err = end(process)

    assert [one["job_id"] for one in [*first, second]] == [ONE, TWO, THREE]
    assert (code, err) == (130, "")
    assert cli("events", "--consumer", "me").returncode == 2


def test_a_cursor_that_is_not_kept_any_more_is_an_error(cli: Cli, rooms: Rooms) -> None:
    """Nothing is left out in silence: exit code 65, and what to do."""
    rooms.schedule.track([ONE, TWO])
    for status in (JobStatus.RUNNING, JobStatus.FAILED):
        move(rooms, {ONE: status, TWO: status})
    cursor = cli.objects("events", "--limit", "1")[0]["id"]
    rooms.client.xtrim(rooms.keys.events, maxlen=2, approximate=False)

    done = cli("events", "--since", cursor)

    assert (done.returncode, done.stdout) == (65, "")
    assert "fleetpoll jobs" in done.stderr


def test_follow_starts_from_now(cli: Cli, rooms: Rooms) -> None:
    """Without a cursor the past is left out, and --limit ends it."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.RUNNING})
    with cli.start("events", "--follow", "--limit", "1", "--json") as process:
        wait_until(lambda: any(c["cmd"] == "xread" for c in rooms.client.client_list()), "it listens")
        move(rooms, {TWO: JobStatus.RUNNING})
        code, out, err = end(process)
    assert (code, err, json.loads(out)["job_id"]) == (0, "", TWO)


def test_what_was_printed_does_not_wait_for_what_comes(cli: Cli, rooms: Rooms) -> None:
    """Through a pipe a transition comes at once, not when the next one does or the pause after it has passed."""
    rooms.schedule.track([ONE])
    late_s = list[float]()
    with cli.start("events", "--follow", "--limit", "3", "--json", PYTHONUNBUFFERED="") as process:
        assert process.stdout is not None
        wait_until(lambda: any(c["cmd"] == "xread" for c in rooms.client.client_list()), "it listens")
        for status in (JobStatus.RUNNABLE, JobStatus.RUNNING, JobStatus.FAILED):
            moved_at = time.monotonic()
            move(rooms, {ONE: status})
            assert json.loads(process.stdout.readline())["to"] == status
            late_s.append(time.monotonic() - moved_at)
    assert min(late_s[:-1]) < BLOCK_S / 2  # the last one ends the process, which sends on everything

"""The console script and a real server: what is watched, and what is known."""

from __future__ import annotations

import os
import subprocess

import pytest

from fleetpoll.jobs import Array, JobStatus
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import SCRIPT, Cli, move

ONE, TWO, THREE = make_ids(3)


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for the test's own fleet."""
    return Cli(redis_url, fleet_name)


def test_track_says_how_many_were_new(cli: Cli) -> None:
    """Arguments and standard input go together, and what was tracked before is told apart."""
    assert cli("track", ONE).stdout == "1 new, 0 already tracked.\n"

    done = cli("track", TWO, "-f", "-", stdin=f"# mine\n{ONE}\n{TWO}#1 # a node\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "2 new, 1 already tracked.\n", "")


def test_one_bad_id_keeps_all_from_being_tracked(cli: Cli, rooms: Rooms) -> None:
    """Nothing of the call is tracked, and the line is named."""
    done = cli("track", "-f", "-", stdin=f"{ONE}\nnonsense\n")

    assert done.returncode == 2
    assert "standard input, line 2: nonsense" in done.stderr
    assert done.stdout == ""
    assert rooms.ledger.sizes() == (0, 0)


def test_bad_ids_can_be_skipped(cli: Cli, rooms: Rooms) -> None:
    """With --skip-bad the good ids are tracked, and the bad ones are still named."""
    done = cli("track", "--skip-bad", "-f", "-", stdin=f"{ONE}\nnonsense\n")

    assert (done.returncode, done.stdout) == (0, "1 new, 0 already tracked.\n")
    assert "line 2: nonsense" in done.stderr
    assert rooms.ledger.sizes() == (1, 1)


def test_a_hundred_thousand_ids_are_one_list(cli: Cli, rooms: Rooms) -> None:
    """A long list from standard input is no reason to go for coffee, nor to cut it."""
    done = cli("track", "--json", "-f", "-", stdin="\n".join(make_ids(100_000)))

    assert done.stdout == '{"new": 100000, "already_tracked": 0, "skipped": 0}\n'
    assert rooms.ledger.sizes() == (100_000, 100_000)


def test_ids_that_no_disk_holds_are_not_tracked(cli: Cli, rooms: Rooms) -> None:
    """A list that is too long for the temporary folder is refused as a whole, with what to do."""
    small_files = ["sh", "-c", 'ulimit -f 1; exec "$0" track -f -', SCRIPT]
    ids = "\n".join(make_ids(40_000))
    done = subprocess.run(small_files, input=ids, env=os.environ | cli.env, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "do not fit into a temporary file: File too large. Make room, or name another folder in TMPDIR." in done.stderr
    assert rooms.ledger.sizes() == (0, 0)


def test_untrack_forgets(cli: Cli, rooms: Rooms) -> None:
    """Untracked jobs are gone, and those that were not tracked are counted."""
    rooms.schedule.track([ONE, TWO])

    assert cli("untrack", ONE, THREE).stdout == "1 untracked, 1 were not tracked.\n"
    assert rooms.ledger.sizes() == (1, 1)


def test_track_again_opens_what_is_over(cli: Cli, rooms: Rooms) -> None:
    """Jobs that are over count as new, and are watched again; others are tracked already."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.EXPIRED})

    assert cli("track", "--again", ONE, TWO).stdout == "1 new, 1 already tracked.\n"
    assert rooms.ledger.counts() == {JobStatus.UNSEEN: 2}


def test_track_children_follows_arrays(cli: Cli, rooms: Rooms) -> None:
    """The status shows how many children sleep; a child's id is refused, and nothing is done."""
    assert cli("track", "--children", ONE).stdout == "1 new, 0 already tracked.\n"
    rooms.broods.follow(ONE, Array(10_000, 0, 0))

    assert "1 followed, 10,000 children asleep until some have ended" in cli("status").stdout
    done = cli("track", "--children", TWO, f"{THREE}:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no children: to follow those of an array, give the array's own id" in done.stderr
    assert cli("untrack", ONE).stdout == "1 untracked, 0 were not tracked.\n"
    assert (rooms.ledger.sizes(), rooms.broods.sizes()) == ((0, 0), (0, 0))


def test_jobs_lists_by_status(cli: Cli, rooms: Rooms) -> None:
    """As lines for people and as objects for programs, all or those of a status."""
    rooms.schedule.track([ONE, TWO, THREE])
    move(rooms, {ONE: JobStatus.RUNNING, TWO: JobStatus.FAILED}, job_name="n", exit_code=137)

    assert [job["job_id"] for job in cli.objects("jobs", "--status", "failed", "--status", "RUNNING")] == sorted([ONE, TWO])
    assert len(cli.objects("jobs")) == 3
    assert len(cli.objects("jobs", "--limit", "2")) == 2
    line = cli("jobs", "--status", "FAILED").stdout
    assert line.split() == [TWO, "FAILED", *line.split()[2:4], "n"]
    assert cli("jobs", "--status", "LOST").stdout == ""


def test_show_tells_all_of_one_job(cli: Cli, rooms: Rooms) -> None:
    """What programs get is the snapshot's public form; what people get leaves out what is not known."""
    rooms.schedule.track([ONE])
    move(rooms, {ONE: JobStatus.FAILED}, job_name="align", exit_code=137, reason="OutOfMemory")

    assert cli.objects("show", ONE) == [rooms.ledger.get([ONE])[ONE].public(ONE) | {"expected_end_at": None}]
    shown = cli("show", ONE).stdout
    assert "137" in shown
    assert "OutOfMemory" in shown
    assert "log stream" not in shown


def test_an_id_is_known_in_either_case(cli: Cli, rooms: Rooms) -> None:
    """Ids are AWS's own spelling, which is in lower case; who types them in capitals means the same job."""
    (job_id,) = make_ids(1, start=0xABCDEF)
    rooms.schedule.track([job_id])

    (shown,) = cli.objects("show", job_id.upper())

    assert shown["job_id"] == job_id


def test_show_ends_with_3_for_a_job_that_is_not_tracked(cli: Cli) -> None:
    """Nothing on standard output, and a word on what to do."""
    done = cli("show", ONE, "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"fleetpoll track {ONE}" in done.stderr


def test_hostile_names_reach_no_terminal(cli: Cli, rooms: Rooms) -> None:
    """A job that is called like an escape sequence or like markup is shown as it is called."""
    rooms.schedule.track([ONE])
    move(rooms, {ONE: JobStatus.FAILED}, job_name="\x1b[2Jx [red]y[/red]\r", reason="a\nb\x07")

    for words in (("jobs",), ("show", ONE), ("events",)):
        shown = cli(*words).stdout
        assert not set(shown) & {"\x1b", "\r", "\x07"}
        assert ("a\\nb\\x07" if words == ("events",) else "\\x1b[2Jx [red]y[/red]\\r") in shown


def test_names_in_any_script_pass_an_old_locale(cli: Cli, rooms: Rooms) -> None:
    """An encoding that has no such letter is no reason to fail."""
    rooms.schedule.track([ONE])
    move(rooms, {ONE: JobStatus.RUNNING}, job_name="jöb-日本")

    done = cli("jobs", PYTHONIOENCODING="latin-1")

    assert (done.returncode, done.stderr) == (0, "")
    assert "b-\\u65e5\\u672c" in done.stdout


def test_a_reader_that_leaves_early_is_no_error(cli: Cli, rooms: Rooms) -> None:
    """`fleetpoll jobs | head` prints its lines and nothing on standard error."""
    rooms.schedule.track(make_ids(20_000))
    for flags in ("", "--json"):
        with cli.start("jobs", *flags.split()) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 141


def test_status_as_json_is_one_object(cli: Cli, rooms: Rooms) -> None:
    """The fleet at a glance, for programs."""
    rooms.schedule.track([ONE, TWO])
    move(rooms, {ONE: JobStatus.SUCCEEDED})

    (seen,) = cli.objects("status")

    assert (seen["jobs"], seen["live"], seen["tracked"]) == ({"SUCCEEDED": 1, "UNSEEN": 1}, 1, 2)
    rate = {"configured": 10.0, "granted": 5.0, "limit": None, "burst": 1.25, "pinned": None, "paused": False}
    assert seen["rate"] == rate
    assert seen["calls"] == {"total": 1, "throttled": 0, "failed": 0, "failures": {}, "ids": 2}
    assert seen["workers"] == []


def test_status_fits_80_columns_and_has_no_colour_on_a_pipe(cli: Cli, rooms: Rooms) -> None:
    """The fleet at a glance, for people, says what to do when nobody works."""
    rooms.schedule.track([ONE])

    shown = cli("status").stdout

    assert "1 tracked, 1 live" in shown
    assert "none (start some with fleetpoll worker)" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_a_server_that_is_not_there_is_one_sentence(cli: Cli) -> None:
    """No traceback, exit code 69."""
    done = cli("status", FLEETPOLL_REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 69
    assert done.stderr.startswith("fleetpoll: Redis does not answer")
    assert done.stderr.count("\n") == 1


def test_readers_do_not_wait_for_boto3() -> None:
    """The commands that people type all day do not load the slow half of the house."""
    done = subprocess.run(
        [SCRIPT, "status", "--help"],
        env={"PYTHONPROFILEIMPORTTIME": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "fleetpoll.client.fleet" in loaded
    assert not loaded & {"boto3", "botocore", "workers.supervisor", "fleetpoll.simulator.server"}


def test_commands_and_statuses_complete(cli: Cli) -> None:
    """The shell is told the commands, their options and the values of these."""

    def complete(words: str, number: int) -> str:
        return cli(_FLEETPOLL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(number)).stdout

    assert complete("fleetpoll st", 1) == "plain,status\n"
    assert "plain,pause\n" in complete("fleetpoll budget p", 2)
    assert complete("fleetpoll jobs --status SUB", 3) == "plain,submitted\n"
    assert "complete -o nosort" in cli(_FLEETPOLL_COMPLETE="bash_source").stdout

"""The console script and a real server: what is learnt, and what is foretold from it."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fleetpoll.cadence.dwell import Dwell, Group, groups_of
from fleetpoll.jobs import JobStatus
from fleetpoll.state.rooms import Rooms
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move

ONE, TWO, THREE = make_ids(3)
RUNNABLE, RUNNING = JobStatus.RUNNABLE, JobStatus.RUNNING
SECOND_MS = 1000


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for the test's own fleet."""
    return Cli(redis_url, fleet_name)


@pytest.fixture
def taught(rooms: Rooms) -> Rooms:
    """A fleet that knows two definitions well, and a third hardly."""
    rng, pages = Random(1), dict[Group, Dwell]()
    for name, median_s, count in (("align:1", 60.0, 200), ("sort:1", 600.0, 100), ("rare:1", 60.0, 2)):
        for status, middle_s in ((RUNNABLE, 10.0), (RUNNING, median_s)):
            for _ in range(count):
                dwell_s = rng.lognormvariate(math.log(middle_s), 0.2)
                for group in groups_of(status, f"queue-of-{name[:-2]}", name):
                    pages.setdefault(group, Dwell()).note(0.0, dwell_s, left=True)
    rooms.knowledge.put(pages)
    rooms.client.set(rooms.keys.price, str(math.log(1 / 240)))
    return rooms


def tracked(rooms: Rooms, job_id: str, status: JobStatus, definition: str, age_s: float = 0.0) -> None:
    """A job that is in its status for so long."""
    rooms.schedule.track([job_id])
    since_ms = rooms.roster.now_ms() - round(age_s * SECOND_MS)
    facts: dict[str, Any] = {"created_ms": since_ms} if status is RUNNABLE else {"started_ms": since_ms}
    move(rooms, {job_id: status}, job_definition=definition, job_queue=f"queue-of-{definition[:-2]}", job_name="n", **facts)


def test_all_definitions_are_listed_by_what_is_known(cli: Cli, taught: Rooms) -> None:
    """A line for each, with the quantiles of its runs and a picture of them; and what a look is worth."""
    done = cli("learn", "show")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    names = [words[0] for line in lines if (words := line.split()) and words[0] in {"align", "sort", "rare"}]
    assert names == ["align", "sort", "rare"]
    (align,) = (line for line in lines if " align " in line)
    assert align.split()[1] == "200"
    assert "█" in align
    (rare,) = (line for line in lines if " rare " in line)
    assert rare.split()[4:7] == ["-", "-", "-"]
    assert "jobs that stay for 120 s on average" in lines[-1]
    assert max(map(len, lines)) <= 100


def test_programs_get_the_counts_themselves(cli: Cli, taught: Rooms) -> None:
    """One object for the fleet and one a definition, with quantiles in seconds and counts by age."""
    fleet, *rows = cli.objects("learn", "show")
    assert fleet == {"groups": 14, "price": pytest.approx(1 / 240)}
    assert [(row["definition"], row["status"], row["known"]) for row in rows] == [
        ("align", "RUNNING", 200),
        ("sort", "RUNNING", 100),
        ("rare", "RUNNING", 2),
    ]
    align = rows[0]
    assert align["p50_s"] == pytest.approx(60, rel=0.1)
    assert align["p10_s"] == pytest.approx(60 * math.exp(-0.2 * 1.2816), rel=0.1)
    assert sum(count for _, _, count, _ in align["ages"]) == 200
    assert sum(at_risk_s for *_, at_risk_s in align["ages"]) == pytest.approx(align["at_risk_s"], abs=0.1)
    assert (rows[2]["p10_s"], rows[2]["p50_s"], rows[2]["p90_s"]) == (None, None, None)


def test_a_definition_is_shown_in_all_its_statuses(cli: Cli, taught: Rooms) -> None:
    """Whatever revision it is asked for by; one that is not known ends with 3, but the others are shown."""
    rows = cli.objects("learn", "show", "align:9", "align")
    assert [(row["definition"], row["status"]) for row in rows] == [("align", "RUNNABLE"), ("align", "RUNNING")]
    assert [row["status"] for row in cli.objects("learn", "show", "align", "--status", "runnable")] == ["RUNNABLE"]

    done = cli("learn", "show", "nobody", "align")
    assert done.returncode == 3
    assert "Nothing is learnt of nobody" in done.stderr
    assert "RUNNABLE" in done.stdout


def test_a_fleet_that_knows_nothing_says_what_to_do(cli: Cli) -> None:
    """No table without rows; nothing to foretell either."""
    done = cli("learn", "show")
    assert (done.returncode, done.stdout) == (0, "")
    assert "fleetpoll worker" in done.stderr
    assert json.loads(cli("learn", "show", "--json").stdout) == {"groups": 0, "price": None}
    assert cli("learn", "show", "align").returncode == 3


def test_what_is_learnt_is_forgotten_on_demand(cli: Cli, taught: Rooms) -> None:
    """By name, or all of it; without either nothing is."""
    for words in ((), ("align", "--all")):
        done = cli("learn", "reset", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--all" in done.stderr
    assert cli("learn", "reset", "align:3").stdout == "2 groups of jobs forgotten.\n"
    assert cli("learn", "show", "align").returncode == 3
    assert cli("learn", "reset", "--all").stdout == "12 groups of jobs forgotten.\n"
    assert taught.knowledge.pages() == {}


def test_an_export_is_read_by_another_fleet(cli: Cli, taught: Rooms, tmp_path: Path) -> None:
    """Through a file or a pipe, into a fleet that is empty or is not, and once more when it was forgotten."""
    file = str(tmp_path / "learnt.jsonl")
    done = cli("learn", "export", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "14 groups of jobs written.\n")
    before = cli.objects("learn", "show")
    piped = cli("learn", "export").stdout
    assert [json.loads(line)["version"] for line in piped.splitlines()] == [1] * 14

    assert cli("learn", "import", file).stdout == "14 groups of jobs taken in.\n"
    assert cli.objects("learn", "show", "sort")[0]["known"] == pytest.approx(200, abs=0.1)
    cli("learn", "import", "--replace", file)
    assert cli.objects("learn", "show", "sort")[0]["known"] == pytest.approx(100, abs=0.1)

    cli("learn", "reset", "--all")
    assert cli("learn", "import", "-", stdin=piped).returncode == 0
    after = cli.objects("learn", "show")
    assert after[0]["price"] is None
    assert [row["p50_s"] for row in after[1:3]] == pytest.approx([row["p50_s"] for row in before[1:3]], rel=1e-3)


def test_an_export_is_written_into_what_is_no_file(cli: Cli, taught: Rooms, tmp_path: Path) -> None:
    """A named pipe is still one afterwards, and whoever reads it has got all; so is a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = cli("learn", "export", str(pipe))

    assert done.returncode == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.read(reader, 1 << 20).count(b"\n") == 14
    os.close(reader)


def test_a_file_of_something_else_is_not_read_to_its_end(cli: Cli, rooms: Rooms, tmp_path: Path) -> None:
    """After a thousand bad lines it is plain what it is not."""
    log = tmp_path / "access.log"
    log.write_text("GET / HTTP/1.1\n" * 5_000)
    done = cli("learn", "import", str(log))

    assert done.returncode == 2
    assert "export: 1,000 or more. Nothing was taken in." in done.stderr
    assert rooms.knowledge.pages() == {}


def test_one_bad_line_keeps_all_from_being_taken_in(cli: Cli, rooms: Rooms) -> None:
    """It is named by its number with a reason; blank lines are none, and nothing in a line reaches the terminal."""
    good = '{"version":1,"status":"RUNNING","level":"all","name":"","counts":[[3,1.0,5.5]]}'
    done = cli("learn", "import", "-", stdin=f"{good}\n\n\x1b[2J\n{good.replace('1.0', '-1')}\n")

    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input, line 3: " in done.stderr
    assert "standard input, line 4: " in done.stderr
    assert "Nothing was taken in" in done.stderr
    assert "\x1b" not in done.stderr
    assert rooms.knowledge.pages() == {}


def test_files_that_will_not_do_are_named(cli: Cli, tmp_path: Path) -> None:
    """Exit code 2 and a sentence, for reading and for writing."""
    for words in (("import", "nowhere.jsonl"), ("export", str(tmp_path / "no" / "where"))):
        done = cli("learn", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "No such file or directory" in done.stderr


def test_jobs_tell_when_they_end(cli: Cli, taught: Rooms) -> None:
    """With --predict, the middle and the range at the end of the line, where such jobs are known; as epoch seconds too."""
    tracked(taught, ONE, RUNNING, "align:2", age_s=30)
    tracked(taught, TWO, RUNNABLE, "sort:2", age_s=5)
    tracked(taught, THREE, RUNNING, "new:1")
    now = taught.roster.now_ms() / 1000

    lines = {line.split()[0]: line for line in cli("jobs", "--predict").stdout.splitlines()}
    assert re.search(r"  n  ends in (2[6-9]|3[0-4]) s \(1\d s … [45]\d s\)$", lines[ONE])
    assert re.search(r"  n  ends in 10 m \([78] m … 1[234] m\)$", lines[TWO])
    assert "ends" not in lines[THREE]
    assert "ends" not in cli("jobs").stdout

    ends = {job["job_id"]: job["expected_end_at"] for job in cli.objects("jobs", "--predict")}
    assert ends[THREE] is None
    assert ends[ONE]["known"] == 200
    assert ends[ONE]["p10"] < ends[ONE]["p50"] < ends[ONE]["p90"]
    assert ends[TWO]["p50"] - now == pytest.approx(605, rel=0.1)
    assert "expected_end_at" not in cli.objects("jobs")[0]


def test_one_job_tells_when_it_ends(cli: Cli, taught: Rooms) -> None:
    """Without being asked, if it is alive and such jobs are known."""
    tracked(taught, ONE, RUNNING, "sort:2", age_s=30)
    tracked(taught, TWO, JobStatus.SUCCEEDED, "sort:2", age_s=700)

    shown = cli("show", ONE).stdout
    assert "expected end" in shown
    assert "by 100 jobs before" in shown
    (job,) = cli.objects("show", ONE)
    assert job["expected_end_at"]["p50"] == pytest.approx(job["started_at"] + 600, rel=0.1, abs=60)
    assert "expected end" not in cli("show", TWO).stdout
    assert cli.objects("show", TWO)[0]["expected_end_at"] is None


def test_a_job_that_takes_too_long_says_so(cli: Cli, taught: Rooms) -> None:
    """No date is made up for it."""
    tracked(taught, ONE, RUNNING, "align:2", age_s=3_000)

    assert "has taken longer than any of 200 jobs before" in cli("jobs", "--predict").stdout
    assert "has taken longer than any of 200 jobs before" in cli("show", ONE).stdout
    assert cli.objects("show", ONE)[0]["expected_end_at"] == {"p10": None, "p50": None, "p90": None, "known": 200}


def test_hostile_definitions_reach_no_terminal(cli: Cli, taught: Rooms) -> None:
    """A name from elsewhere is shown, not obeyed."""
    taught.knowledge.put({group: Dwell([1.0] * 66, [9.0] * 66) for group in groups_of(RUNNING, "q", "\x1b[2J[red]x\r")})
    for words in (("learn", "show"), ("learn", "show", "\x1b[2J[red]x\r")):
        shown = cli(*words).stdout
        assert not set(shown) & {"\x1b", "\r"}
        assert "\\x1b[2J[red]x\\r" in shown
    assert "\x1b" not in cli("learn", "show", "\x1b[3J").stderr


def test_a_plan_is_made_of_what_was_learnt(cli: Cli, taught: Rooms) -> None:
    """As many jobs as there are live, of the definitions that are known among them; a number that is given wins."""
    for job_id, status, definition in ((ONE, RUNNING, "align:1"), (TWO, RUNNABLE, "align:2"), (THREE, RUNNING, "rare:1")):
        tracked(taught, job_id, status, definition)
    (here,) = cli.objects("plan", "--learnt", "--freshness", "20")

    assert (here["jobs"], here["definitions"]) == (3, ["align"])
    assert here["lag_mean_s"] < here["freshness_s"] / 2
    given = cli("plan", "--learnt", "--jobs", "400", "--cadence", "even", "--freshness", "20").stdout
    assert "400 live, of 1 definition, running for as long as was learnt" in given


def test_a_plan_of_nothing_learnt_says_so(cli: Cli) -> None:
    """Then somebody has to say how long jobs run; and who says it does not ask what was learnt."""
    done = cli("plan", "--learnt")
    assert (done.returncode, done.stdout) == (2, "")
    assert "learnt nothing yet" in done.stderr
    assert "Give --life or --learnt" in cli("plan", "--learnt", "--life", "60:600").stderr

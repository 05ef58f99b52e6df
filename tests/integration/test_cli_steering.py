"""The console script, a real server and the pretend AWS: the allowance, orders, AWS's own calls, and the doctor."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from fleetpoll.simulator.config import Operation
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import SUBMIT, Rooms
from fleetpoll.state.roster import Facts, OrderKind
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, wait_until

NEVER = make_ids(1)[0]


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for the test's own fleet."""
    return Cli(redis_url, fleet_name)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A pretend AWS."""
    with Simulator() as running:
        yield running


@pytest.fixture
def aws(cli: Cli, simulator: Simulator) -> Cli:
    """The script, pointed at the pretend AWS."""
    cli.env["AWS_ENDPOINT_URL_BATCH"] = simulator.url
    return cli


def test_a_rate_is_pinned_paused_and_let_go(cli: Cli, rooms: Rooms) -> None:
    """Each change shows at once, and only in the bucket that it was made for."""
    assert cli("budget", "set", "3.5", "--operation", "submitjob").stdout == "SubmitJob is pinned to 3.5 calls/s.\n"
    assert cli("budget", "pause").returncode == 0
    views = {view["operation"]: view for view in cli.objects("budget", "show")}
    assert (views["SubmitJob"]["pinned"], views["SubmitJob"]["granted"], views["SubmitJob"]["paused"]) == (3.5, 3.5, False)
    assert (views["DescribeJobs"]["pinned"], views["DescribeJobs"]["paused"]) == (None, True)
    assert "pinned to 3.5/s" in cli("budget", "show").stdout

    assert cli("budget", "set", "--unpin", "--operation", SUBMIT).returncode == 0
    assert cli("budget", "resume").returncode == 0
    assert not rooms.buckets["DescribeJobs"].view().paused
    assert rooms.buckets[SUBMIT].view().pinned is None


def test_orders_stand_until_they_are_taken_back(cli: Cli, rooms: Rooms) -> None:
    """Drain, stop and resume are what the workers will find on the roster, and the status says so."""
    for word, kind in (("drain", OrderKind.DRAIN), ("stop", OrderKind.STOP)):
        assert cli("fleet", word).returncode == 0
        order = rooms.roster.order()
        assert order is not None
        assert order.kind is kind
        assert cli.objects("status")[0]["order"] == word
    assert cli("fleet", "resume").returncode == 0
    assert rooms.roster.order() is None


def test_workers_are_listed_with_their_last_beat(cli: Cli, rooms: Rooms) -> None:
    """Who has been silent for too long is told apart."""
    now_ms = rooms.roster.now_ms()
    rooms.roster.beat("here", Facts("alpha", 1, now_ms, 5.0, 7, "1", "asking AWS"))
    rooms.roster.beat("gone", Facts("beta", 2, now_ms + 1, 5.0), now_ms=now_ms - 60_000)

    here, gone = cli.objects("fleet", "workers")

    assert (here["id"], here["calls"], here["alive"], gone["alive"]) == ("here", 7, True, False)
    assert (here["doing"], gone["doing"]) == ("asking AWS", "")
    shown = cli("fleet", "workers").stdout
    assert re.search(r"alpha +1 .* asking AWS", shown)
    assert re.search(r"beta +2 .* silent", shown)


def test_submit_prints_ids_and_tracks(aws: Cli, rooms: Rooms) -> None:
    """One id a line on standard output, AWS's request as it was asked for, and the jobs are watched."""
    words = ("--name", "a", "--queue", "q", "--definition", "d:1", "--parameters", "k=v=w", "--attempts", "2")
    done = aws("submit", *words, "-n", "3", "--track")

    assert (done.returncode, done.stderr) == (0, "3 jobs submitted, 3 tracked.\n")
    assert set(rooms.ledger.get(done.stdout.split())) == set(done.stdout.split())
    assert rooms.ledger.sizes() == (3, 3)
    assert rooms.buckets[SUBMIT].view().tokens_granted == 3


def test_terminate_goes_on_after_a_refusal(aws: Cli, simulator: Simulator) -> None:
    """A job that AWS does not know is named; the others are ended, and the exit code is 1."""
    (job_id,) = simulator.populate(1)

    done = aws("terminate", NEVER, job_id, "--reason", "wrong input")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{NEVER}: ClientException")
    assert "1 job terminated, 1 failed.\n" in done.stderr
    assert simulator.truth([job_id])[job_id][0] == "FAILED"


def test_cancel_needs_a_reason(aws: Cli, simulator: Simulator) -> None:
    """Without --reason nothing is asked of AWS; with it the job ends."""
    (job_id,) = simulator.populate(1, life_min_s=600, life_max_s=600)

    assert aws("cancel", job_id).returncode == 2
    assert aws("cancel", job_id, "--reason", "no need").returncode == 0


def test_simulate_submit_feeds_track(aws: Cli, rooms: Rooms) -> None:
    """The ids that the simulator gives are lines that `track -f -` takes."""
    ids = aws("simulate", "submit", "-n", "25").stdout

    assert aws("track", "-f", "-", stdin=ids).stdout == "25 new, 0 already tracked.\n"
    assert aws("simulate", "submit", "-n", "5", "--track").stderr == "5 jobs tracked.\n"
    assert rooms.ledger.sizes() == (30, 30)


def test_simulate_submit_gives_jobs_a_definition_and_times(aws: Cli, simulator: Simulator) -> None:
    """With or without run times the definition is the one that was named; jobs that run for 50 ms are soon over."""
    named = aws("simulate", "submit", "--definition", "mine:3").stdout.split()
    timed = aws(
        "simulate", "submit", "-n", "2", "--definition", "mine", "--run", "0.05", "--wait", "0.05:0.5"
    ).stdout.split()
    with closing(HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)) as connection:
        connection.request("POST", Operation.DESCRIBE.path, json.dumps({"jobs": [*named, *timed]}))
        jobs = json.loads(connection.getresponse().read())["jobs"]
    assert [job["jobDefinition"].rpartition("/")[2] for job in jobs] == ["mine:3", "mine:1", "mine:1"]
    wait_until(lambda: all(stopped_ms for _, stopped_ms in simulator.truth(timed).values()), "the short jobs' ends")
    assert simulator.truth(named)[named[0]][1] == 0


def test_simulate_submit_names_a_simulator_that_is_not_there(cli: Cli) -> None:
    """Nobody at that address: exit code 69; no address at all: 2."""
    assert cli("simulate", "submit", "--url", "http://127.0.0.1:1").returncode == 69
    assert cli("simulate", "submit").returncode == 2


def test_the_whole_way_by_hand(cli: Cli) -> None:
    """serve, worker, submit and wait, each as its own command, see jobs through; the orders end the worker."""
    with cli.start("simulate", "serve", "--limit", "describe=20") as serve:
        assert serve.stdout is not None
        cli.env["AWS_ENDPOINT_URL_BATCH"] = serve.stdout.readline().strip()
        with cli.start("worker", "-n", "1", "--freshness", "0.3", "--log-format", "json") as worker:
            ids = cli("simulate", "submit", "-n", "20", "--life", "0.5:1.5").stdout.split()
            done = cli("wait", *ids, "--timeout", "20", "--json")
            ends = json.loads(done.stdout)["reached"]
            assert set(ends) == set(ids)
            assert done.returncode == (1 if "FAILED" in ends.values() else 0)
            assert cli("fleet", "stop").returncode == 0
            worker.communicate(timeout=30)
            assert worker.returncode == 0
        serve.send_signal(signal.SIGINT)
        serve.communicate(timeout=30)
        assert serve.returncode == 0


def test_the_doctor_is_content(aws: Cli, rooms: Rooms) -> None:
    """With a good server, an AWS that answers and a worker, no check fails."""
    rooms.roster.beat("w", Facts("h", 1, 0, 5.0))

    findings = {finding["check"]: finding["grade"] for finding in aws.objects("doctor")}

    of_redis = {"redis", "topology", "durability", "eviction", "memory", "latency", "clock", "access"}
    of_settings = {"freshness", "reach", "kept"}
    assert set(findings) == of_redis | of_settings | {
        "workers",
        "releases",
        "order",
        "budget",
        "throttles",
        "credentials",
        "aws",
    }
    assert set(findings.values()) <= {"ok", "warn"}
    assert findings["aws"] == findings["workers"] == "ok"
    assert rooms.buckets["DescribeJobs"].view().tokens_granted == 1


def test_the_doctor_says_what_to_do(cli: Cli, rooms: Rooms) -> None:
    """No worker, a drain and a pause are warnings with advice; an AWS that does not answer is a failure."""
    rooms.roster.command(OrderKind.DRAIN)
    rooms.buckets["DescribeJobs"].pause(True)

    done = cli("doctor", "--endpoint-url", "http://127.0.0.1:1")

    assert done.returncode == 0
    assert "-> Start some: fleetpoll worker." in done.stdout
    assert "told to drain" in done.stdout
    assert "not asked: the budget is paused" in done.stdout
    rooms.buckets["DescribeJobs"].pause(False)
    done = cli("doctor", "--endpoint-url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "fail  aws" in done.stdout


def test_the_doctor_reports_a_server_that_is_not_there(cli: Cli) -> None:
    """Even then it prints a finding, not an error."""
    done = cli("doctor", "--json", FLEETPOLL_REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 1
    assert json.loads(done.stdout)["grade"] == "fail"


def test_ctrl_c_ends_a_worker_that_just_began(cli: Cli, rooms: Rooms) -> None:
    """Ctrl-C is a drain: the worker takes leave of the roster and ends with 0."""
    with cli.start("worker", "-n", "1", AWS_ENDPOINT_URL_BATCH="http://127.0.0.1:1") as worker:
        wait_until(lambda: len(rooms.roster.workers()) == 1, "the worker is on the roster")
        worker.send_signal(signal.SIGINT)
        worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert rooms.roster.workers() == []

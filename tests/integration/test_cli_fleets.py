"""The console script with a file of several fleets: one by its name, all at a glance, and workers with a role."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fleetpoll.client.troubles import shared
from fleetpoll.client.twins import check_twins
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.access import Role, rules
from fleetpoll.state.keys import Keys
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.roster import Facts, OrderKind
from tests.ids import make_ids
from tests.integration.bad_server import serving
from tests.integration.cli_helpers import SCRIPT, Cli, wait_until
from tests.integration.sts_server import Aws, Sts, refusal

PAGE = Path(__file__).parents[2] / "docs" / "many-fleets.md"
ROLE = "arn:aws:iam::111122223333:role/fleetpoll"


@pytest.fixture
def file(tmp_path: Path, fleet_name: str) -> Path:
    """Two fleets: the test's own, and one that is called the same and `-us`."""
    path = tmp_path / "fleets.toml"
    path.write_text(
        f'rate = 6\nfreshness = 0.3\n[fleets.{fleet_name}]\nregion = "eu-west-1"\n'
        f'[fleets."{fleet_name}-us"]\nregion = "us-east-1"\nrate = 20\n'
    )
    return path


@pytest.fixture
def us(rooms: Rooms, redis_url: str, fleet_name: str) -> Iterator[Rooms]:
    """The rooms of the second fleet, which are empty afterwards."""
    opened = open_rooms(redis_url, Settings(fleet=f"{fleet_name}-us"))
    yield opened
    for key in opened.client.scan_iter(match=Keys(f"{fleet_name}-us").pattern, count=1000):
        opened.client.delete(key)
    opened.close()


@pytest.fixture
def cli(redis_url: str, rooms: Rooms, us: Rooms, file: Path) -> Cli:
    """The script, for the file."""
    made = Cli(redis_url, "")
    made.env["FLEETPOLL_CONFIG"] = str(file)
    return made


def test_a_fleet_of_the_file_is_named(cli: Cli, us: Rooms, fleet_name: str) -> None:
    """Its settings are those of its section; without a name a command that is for one fleet says which there are."""
    (job,) = make_ids(1)

    assert cli("--fleet", f"{fleet_name}-us", "track", job).returncode == 0
    assert us.ledger.sizes() == (1, 1)
    refused = cli("status")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"has {fleet_name}, {fleet_name}-us." in refused.stderr


def test_all_fleets_at_a_glance(cli: Cli, rooms: Rooms, us: Rooms, fleet_name: str) -> None:
    """One row a fleet, in the order of the file, with what is its own."""
    rooms.schedule.track(make_ids(3))
    us.roster.command(OrderKind.DRAIN)

    eu, away = cli.objects("status", "--all")
    rows = [line.split() for line in cli("status", "--all").stdout.splitlines() if fleet_name in line]

    assert [(at["fleet"], at["region"], at["live"], at["due"]) for at in (eu, away)] == [
        (fleet_name, "eu-west-1", 3, 3),
        (f"{fleet_name}-us", "us-east-1", 0, 0),
    ]
    assert rows[0][:6] == [fleet_name, "eu-west-1", "3", "3", "5", "6"]
    assert rows[1][:6] == [f"{fleet_name}-us", "us-east-1", "0", "0", "5", "20"]
    assert rows[1][-3:] == ["told", "to", "drain"]


def test_a_fleet_that_does_not_answer_is_a_row_that_says_so(cli: Cli, rooms: Rooms, redis_url: str, fleet_name: str) -> None:
    """Here for want of rights to its keys: the others are shown, and the exit code is that of the failure."""
    name, password = f"{fleet_name}.reader", "open"
    made = [f">{password}" if rule.startswith("#") else rule for rule in rules(Role.READER, fleet_name)]
    rooms.client.execute_command("ACL", "SETUSER", name, *made)
    url = urlsplit(redis_url)
    cli.env["FLEETPOLL_REDIS_URL"] = url._replace(netloc=f"{name}:{password}@{url.netloc}").geturl()
    try:
        done, budget = cli("status", "--all"), cli("budget", "show", "--all")
    finally:
        rooms.client.execute_command("ACL", "DELUSER", name)

    here, away = [line for line in done.stdout.splitlines() if fleet_name in line]
    assert (done.returncode, done.stderr) == (77, "")
    assert here.split()[2:4] == ["0", "0"]
    assert "Redis denies" in away
    assert (budget.returncode, budget.stdout.count("DescribeJobs")) == (77, 1)
    assert budget.stderr.startswith(f"{fleet_name}-us: Redis")


def test_all_budgets(cli: Cli, us: Rooms, fleet_name: str) -> None:
    """Those of each fleet, by its name; what is set for one by --fleet is not for the other."""
    assert cli("--fleet", f"{fleet_name}-us", "budget", "set", "3").returncode == 0

    found = {(at["fleet"], at["operation"]): at["pinned"] for at in cli.objects("budget", "show", "--all")}

    assert len(found) == 10
    assert found[fleet_name, "DescribeJobs"] is None
    assert found[f"{fleet_name}-us", "DescribeJobs"] == 3.0


def test_orders_to_all_fleets(cli: Cli, rooms: Rooms, us: Rooms, fleet_name: str) -> None:
    """Each has what it is told, and it is said of each."""
    for words, told in (("drain", OrderKind.DRAIN), ("resume", None)):
        done = cli("fleet", words, "--all")
        standing = [each.roster.order() for each in (rooms, us)]

        assert (done.returncode, done.stderr) == (0, "")
        assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [fleet_name, f"{fleet_name}-us"]
        assert [order and order.kind for order in standing] == [told, told]

    assert cli("budget", "pause", "--all").stdout.count("DescribeJobs is paused") == 2
    assert cli("budget", "set", "3", "--all").returncode == 0
    views = [each.buckets["DescribeJobs"].view() for each in (rooms, us)]
    assert [(view.paused, view.pinned) for view in views] == [(True, 3.0), (True, 3.0)]


def test_the_workers_of_all_fleets(cli: Cli, rooms: Rooms, us: Rooms, fleet_name: str) -> None:
    """A process that serves two fleets stands on the roster of each."""
    assert (nobody := cli("fleet", "workers", "--all")).returncode == 0
    assert "No workers" in nobody.stderr
    for each in (rooms, us):
        each.roster.beat("w1", Facts(host="here", pid=7, started_ms=each.roster.now_ms(), beat_s=60.0))

    found = [(at["fleet"], at["id"], at["alive"]) for at in cli.objects("fleet", "workers", "--all")]
    rows = [line.split()[:3] for line in cli("fleet", "workers", "--all").stdout.splitlines() if fleet_name in line]

    assert found == [(fleet_name, "w1", True), (f"{fleet_name}-us", "w1", True)]
    assert rows == [[fleet_name, "here", "7"], [f"{fleet_name}-us", "here", "7"]]


def test_the_doctor_sees_all_fleets_and_those_that_are_one_to_aws(cli: Cli, file: Path, fleet_name: str) -> None:
    """Each has its credentials tried; two of one account and Region are warned of, be they named ever so differently."""
    with serving(Sts()) as sts, serving(Aws()) as aws:
        assert isinstance(sts, Sts)
        file.write_text(
            f'region = "eu-west-1"\nendpoint_url = "{aws.url}"\n[fleets.{fleet_name}]\n'
            f'[fleets."{fleet_name}-us"]\nrole_arn = "{ROLE}"\n'
        )
        done = cli.objects("doctor", "--all", AWS_ENDPOINT_URL_STS=sts.url)
        sts.account = "999999999999"
        other = cli("doctor", "--all", AWS_ENDPOINT_URL_STS=sts.url)

    of_aws = [(at["fleet"], at["grade"]) for at in done if at["check"] == "aws"]
    assert of_aws == [(fleet_name, "ok"), (f"{fleet_name}-us", "ok")]
    assert done[-1]["check"] == "allowance"
    assert "111122223333 in eu-west-1" in done[-1]["found"]
    assert (other.returncode, "allowance" in other.stdout) == (0, False)
    assert other.stdout.count("checks passed") == 2


def test_two_roles_of_one_account_are_seen_without_asking_aws() -> None:
    """Their ARNs have its number; another Region is another allowance."""
    one, two = (Settings(fleet=name, region="eu-west-1", role_arn=f"{ROLE}/{name}") for name in ("one", "two"))
    far = Settings(fleet="far", region="us-east-1", role_arn=ROLE)

    (found,) = check_twins([one, two, far], aws=False)

    assert found.found == "one, two share one: they are all of 111122223333 in eu-west-1"


def test_a_user_for_all_fleets_has_the_keys_of_each(cli: Cli, fleet_name: str) -> None:
    """One worker that serves several fleets is one user of Redis."""
    words = cli("acl", "worker", "--all").stdout.split()

    assert words[:2] == ["user", "fleets.worker"]
    assert {f"~fleetpoll:{{{fleet_name}}}:*", f"&fleetpoll:{{{fleet_name}-us}}:doorbell"} <= set(words)


def test_programs_name_a_fleet_as_the_page_says(
    cli: Cli, file: Path, us: Rooms, fleet_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of docs/many-fleets.md, with the names of this test."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", cli.env["FLEETPOLL_REDIS_URL"])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    example = example.replace("/etc/fleetpoll/fleets.toml", str(file)).replace("imaging", f"{fleet_name}-us")

    exec(compile(example, PAGE.name, "exec", dont_inherit=True), {"job_ids": make_ids(2)})  # noqa: S102 - that is the test

    assert us.ledger.sizes() == (2, 2)
    assert capsys.readouterr().out.split() == [fleet_name, "0", f"{fleet_name}-us", "2"]


def test_a_shell_completes_the_name_of_a_fleet(cli: Cli, fleet_name: str) -> None:
    """From the file; without a file, and with one that will not do, there is nothing to complete."""
    asked = {"_FLEETPOLL_COMPLETE": "bash_complete", "COMP_WORDS": f"fleetpoll --fleet {fleet_name}-", "COMP_CWORD": "2"}

    def completed(**more: str) -> list[str]:
        done = subprocess.run([SCRIPT], env=os.environ | cli.env | asked | more, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    assert completed() == [f"plain,{fleet_name}-us"]
    assert completed(FLEETPOLL_CONFIG="/nowhere") == []


def test_a_simulator_has_an_account_for_each_role(cli: Cli, file: Path, us: Rooms, fleet_name: str) -> None:
    """Jobs are made in the account and Region of the fleet that is named, and a call by its role sees them there."""
    name = f"{fleet_name}-us"
    with Simulator(SimulatorConfig(external_id="agreed")) as aws:
        cli.env["AWS_ENDPOINT_URL_STS"] = aws.url
        file.write_text(file.read_text() + f'endpoint_url = "{aws.url}"\nrole_arn = "{ROLE}"\nexternal_id = "agreed"\n')
        (job,) = cli("--fleet", name, "simulate", "submit", "--track").stdout.split()
        done = cli("--fleet", name, "terminate", job, "--reason", "it is enough")
        own = aws.account("111122223333", "us-east-1")

        assert (done.returncode, own.truth([job])[job][0]) == (0, "FAILED")
        assert own.stats()["operations"]["terminate"]["calls"] == 1
        assert aws.stats()["operations"]["terminate"]["calls"] == 0
    assert us.ledger.sizes() == (1, 1)


def test_a_worker_serves_a_fleet_of_the_file_by_its_role(cli: Cli, file: Path, us: Rooms, fleet_name: str) -> None:
    """Real processes that are denied the role say so, go on when they may have it, and see a job to its end."""
    name = f"{fleet_name}-us"
    with Simulator(SimulatorConfig(life_min_s=0.5, life_max_s=0.6)) as aws, serving(Sts()) as sts:
        assert isinstance(sts, Sts)
        file.write_text(file.read_text() + f'endpoint_url = "{aws.url}"\nrole_arn = "{ROLE}"\n')
        (job,) = aws.populate(1)
        words = ("--fleet", name, "worker", "-n", "1", "--log-format", "json")
        sts.failing = refusal("AccessDenied", "not authorized to perform: sts:AssumeRole")
        with cli.start(*words, AWS_ENDPOINT_URL_STS=sts.url) as worker:
            us.schedule.track([job])
            wait_until(lambda: us.troubles.count() == 1, "the worker is denied the role")
            (trouble,) = shared(us.troubles.all())
            sts.failing = None
            done = cli("--fleet", name, "wait", job, "--timeout", "20")
            worker.terminate()
            worker.communicate(timeout=30)

    assert (done.returncode in {0, 1}, worker.returncode) == (True, 0)
    assert us.ledger.get([job])[job].status.terminal
    assert "trust policy" in trouble.advice
    assert sts.given == 1
    assert sts.request()["RoleSessionName"] == f"fleetpoll-{name}"

"""Relays as processes: killed in the middle of a delivery, told to leave, and steered from the command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleetpoll.cli.root import root
from fleetpoll.client.fleet import Fleet
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.letters import Letter, Letters
from fleetpoll.state.rooms import Rooms
from fleetpoll.webhook import new_secret, verify
from tests.ids import make_ids
from tests.integration.cli_helpers import Cli, move, wait_until
from tests.integration.receivers import Receiver, receiver

IDS = make_ids(8)
SECRET = new_secret()
SIGNED = {"FLEETPOLL_RELAY_SECRET": f"{new_secret()} {SECRET}"}


@pytest.fixture
def cli(redis_url: str, fleet_name: str, rooms: Rooms) -> Cli:
    """The script, for a fleet whose jobs have just failed."""
    rooms.schedule.track(IDS)
    move(rooms, dict.fromkeys(IDS, JobStatus.RUNNING))
    return Cli(redis_url, fleet_name)


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """A receiver that answers nothing until it is told to."""
    with receiver(held=True) as one:
        yield one


@contextmanager
def running(cli: Cli, *words: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A relay that reads from the beginning."""
    process = cli.start("relay", "--since", "0", "--takeover", "1", "--log-format", "json", *words, **env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    """Tell it to leave; its exit code, and what it logged."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    return process.returncode, [json.loads(line) for line in err.splitlines()]


def test_what_a_killed_relay_had_under_way_is_delivered_by_another(cli: Cli, rooms: Rooms, inbox: Receiver) -> None:
    """With the same id, so that the receiver can drop what it had already; nothing is left pending."""
    with running(cli, "--to", inbox.url, "--parallel", "4", **SIGNED) as first:
        wait_until(lambda: len(inbox.came) == 4, "four deliveries are under way")
        first.kill()
        first.wait()
    inbox.hold.set()
    with running(cli, "--to", inbox.url, **SIGNED) as second:
        wait_until(lambda: len(set(inbox.jobs)) == len(IDS), "all have arrived")
        wait_until(lambda: Fleet(rooms, Settings()).groups()[0].pending == 0, "all are acknowledged")
        code, logged = leave(second)

    assert {verify(message.headers, message.body, [SECRET]) for message in inbox.came} == ids_of(inbox)
    assert len(ids_of(inbox)) == len(IDS)
    assert (code, logged[-1]["event"], logged[-1]["delivered"]) == (0, "relay left", len(IDS))


def ids_of(inbox: Receiver) -> set[str]:
    """The ids of all messages that came."""
    return {message.message_id for message in inbox.came}


def test_a_relay_that_is_told_to_leave_finishes_and_gives_the_rest_back(cli: Cli, inbox: Receiver, tmp_path: Path) -> None:
    """What is under way is delivered once; what was not begun with goes to the next one at once.

    The first has URL and secrets from its environment, the other secrets from a file, of which one is known.
    """
    (tmp_path / "secrets").write_text(f"{new_secret()}\n{SECRET}\n")
    with running(cli, "--parallel", "1", FLEETPOLL_RELAY_TO=inbox.url, **SIGNED) as first:
        wait_until(lambda: len(inbox.came) == 1, "one delivery is under way")
        first.send_signal(signal.SIGTERM)
        inbox.hold.set()
        code, logged = leave(first)
    given_back = logged[-1]["given_back"]
    with running(cli, "--to", inbox.url, "--takeover", "600", "--secret-file", str(tmp_path / "secrets")):
        wait_until(lambda: len(inbox.done) == len(IDS), "all have arrived")

    assert (code, given_back + logged[-1]["delivered"]) == (0, len(IDS))
    assert {verify(message.headers, message.body, [SECRET]) for message in inbox.came} == ids_of(inbox)
    assert len(ids_of(inbox)) == len(inbox.came) == len(IDS)


def here(cli: Cli, *words: str) -> str:
    """What a command says, run in this process."""
    return CliRunner(env=cli.env).invoke(root, words).output


def test_dead_letters_are_listed_sent_again_and_dropped(cli: Cli, rooms: Rooms, inbox: Receiver, tmp_path: Path) -> None:
    """All of it from the command line."""
    script = tmp_path / "take"
    script.write_text(f"#!{sys.executable}\nimport os\nprint('never', os.environ['FLEETPOLL_TO'])\nexit(65)\n")
    script.chmod(0o755)
    with running(cli, "--exec", str(script), "--parallel", "1") as process:
        wait_until(lambda: Letters(rooms.client, rooms.keys).count() == len(IDS), "all are refused")
        leave(process)
    inbox.hold.set()
    first, *rest = map(json.loads, here(cli, "relay", "dead", "--json").splitlines())
    one = first["transition"]

    assert (one["job_id"], first["error"], first["sink"]) == (IDS[0], "exit code 65: never RUNNING", str(script))
    assert here(cli, "relay", "dead").count("exit code 65") == len(IDS)
    assert cli("relay", "retry", first["letter"], "--to", inbox.url, **SIGNED).stderr == "1 letter delivered.\n"
    assert here(cli, "relay", "drop", rest[0]["letter"]) == "1 letter dropped.\n"
    assert "There is no dead letter" in here(cli, "relay", "drop", rest[0]["letter"])
    assert here(cli, "relay", "drop", "--all") == f"{len(IDS) - 2} letters dropped.\n"
    assert here(cli, "relay", "dead") == "There are no dead letters.\n"
    assert inbox.jobs == [IDS[0]]


def test_letters_of_several_groups_do_not_all_go_to_one_place(cli: Cli, rooms: Rooms, inbox: Receiver) -> None:
    """Each group has its own: which is meant has to be said."""
    letters, (first, second) = Letters(rooms.client, rooms.keys), rooms.events.read(BEGINNING)[:2]
    letters.bury("relay", [Letter(first, "relay", "there", 1, "no")])
    letters.bury("book", [Letter(second, "book", "./book", 1, "no")])
    inbox.hold.set()

    assert "several groups (book, relay): name one by --group" in here(cli, "relay", "retry", "--all", "--to", inbox.url)
    assert "1 letter delivered." in here(cli, "relay", "retry", "--all", "--group", "relay", "--to", inbox.url)
    assert [json.loads(line)["group"] for line in here(cli, "relay", "dead", "--json").splitlines()] == ["book"]
    assert here(cli, "relay", "dead", "--group", "relay") == "There are no dead letters.\n"
    assert here(cli, "relay", "drop", "--all", "--group", "relay") == "0 letters dropped.\n"
    assert inbox.jobs == [first.job_id]


def test_the_receiver_of_the_docs_takes_each_transition_once(cli: Cli) -> None:
    """It runs as it stands there: signed messages are handled, repeats and strangers are not."""
    page = (Path(__file__).parents[2] / "docs" / "consumers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    handled = list[tuple[str, str]]()
    names: dict[str, Any] = {"secrets": [SECRET], "port": 0, "handle": lambda *job: handled.append(job)}
    exec(compile(example, "docs/consumers.md", "exec", dont_inherit=True), names)  # noqa: S102 - that is the test
    server = names["server"]
    names["Hook"].log_message = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        stranger = cli.start("relay", "--group", "a", "--since", "0", "--to", url, "--log-format", "json")
        for group in ("b", "c"):
            with running(cli, "--group", group, "--to", url, "--batch", "3", **SIGNED):
                wait_until(lambda: len(handled) == len(IDS), "all are handled")
        leave(stranger)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert sorted(handled) == [(job_id, "RUNNING") for job_id in IDS]

"""What a relay delivers to: a command with all that it may do wrong, and a URL that is no good."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import alive
from fleetpoll.errors import SettingsError
from fleetpoll.relay.command import OUTPUT_MAX, Command, environment
from fleetpoll.relay.parcels import Answer, Verdict
from fleetpoll.relay.webhook import ANSWER_MAX, Webhook
from fleetpoll.sources import NOT_SETTINGS
from fleetpoll.webhook import new_secret
from tests.integration.cli_helpers import wait_until
from tests.integration.receivers import receiver
from tests.servers import free_port

ITEM: dict[str, Any] = {
    "fleet": "prod",
    "id": "7-0",
    "job_id": "j",
    "job_name": "n'; rm -rf *\0",
    "from": "RUNNING",
    "to": "FAILED",
    "exit_code": None,
    "reason": "r" * 9000,
}


def command(tmp_path: Path, program: str, timeout_s: float = 10.0, said: list[str] | None = None) -> Command:
    """A sink that runs a Python program."""
    script = tmp_path / "do it.py"
    script.write_text(program)
    return Command(f"{sys.executable} '{script}'", timeout_s, lambda _, words: None if said is None else said.append(words))


def test_a_command_is_given_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON lines on its input; of a single one the facts in its environment, no secret of ours, and no shell between."""
    monkeypatch.setenv("FLEETPOLL_RELAY_SECRET", new_secret())
    program = "import os, sys, json\nprint(json.dumps([dict(os.environ), sys.stdin.read()]), file=open('out', 'w'))"
    monkeypatch.chdir(tmp_path)

    assert command(tmp_path, program).send("prod:7-0", [ITEM]) == Answer(Verdict.DELIVERED)
    env, stdin = json.loads((tmp_path / "out").read_text())
    assert json.loads(stdin) == ITEM
    assert (env["FLEETPOLL_EVENT"], env["FLEETPOLL_FLEET"]) == ("prod:7-0", "prod")
    assert (env["FLEETPOLL_JOB_NAME"], env["FLEETPOLL_TO"], env["FLEETPOLL_EXIT_CODE"]) == ("n'; rm -rf *", "FAILED", "")
    assert len(env["FLEETPOLL_REASON"]) < 5000
    assert "FLEETPOLL_RELAY_SECRET" not in env

    assert command(tmp_path, program).send("prod:7-0:8-0", [ITEM, ITEM]) == Answer(Verdict.DELIVERED)
    env, stdin = json.loads((tmp_path / "out").read_text())
    assert [json.loads(line) for line in stdin.splitlines()] == [ITEM, ITEM]
    assert "FLEETPOLL_JOB_ID" not in env


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, Verdict.DELIVERED), (65, Verdict.REFUSED), (1, Verdict.FAILED), (127, Verdict.FAILED)]
)
def test_an_exit_code_says_how_it_went(tmp_path: Path, code: int, verdict: Verdict) -> None:
    """And the last line of what it wrote says why."""
    said = list[str]()
    answer = command(tmp_path, f"import sys; print('first'); print('why', file=sys.stderr); exit({code})", said=said).send(
        "i", [ITEM]
    )

    assert (answer.verdict, said and set(said[0].split())) == (verdict, {"first", "why"})
    assert not answer.words or answer.words.startswith(f"exit code {code}: ")


def test_a_command_that_does_not_read_or_says_too_much_does_no_harm(tmp_path: Path) -> None:
    """Input of any size is left unread, and of what is written the beginning is kept."""
    said = list[str]()
    sink = command(tmp_path, "import sys; sys.stdout.write('x ' * 5_000_000)", said=said)

    assert sink.send("i", [ITEM] * 200).verdict is Verdict.DELIVERED
    assert len(said[0]) <= OUTPUT_MAX


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """When its time is up; that is a failure."""
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, sys, threading\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "threading.Event().wait(60)\n"
    )
    began = time.monotonic()
    answer = command(tmp_path, program, timeout_s=1.0).send("i", [ITEM])

    assert (answer.verdict, answer.words) == (Verdict.FAILED, "took longer than 1 s")
    assert time.monotonic() - began < 5
    wait_until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), "both are gone")


def test_a_command_that_hangs_with_its_output_closed_is_killed_and_heard(tmp_path: Path) -> None:
    """What it has said before is told."""
    said = list[str]()
    program = "import os, threading\nprint('why', flush=True)\nos.close(1), os.close(2)\nthreading.Event().wait(60)"
    answer = command(tmp_path, program, timeout_s=0.5, said=said).send("i", [ITEM])

    assert (answer.verdict, answer.words, said) == (Verdict.FAILED, "took longer than 0.5 s: why", ["why"])


def test_a_child_that_is_left_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Although it holds the output open; it may go on."""
    program = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait(2)'])\n"
        "print('done')\n"
    )
    began = time.monotonic()
    assert command(tmp_path, program).send("i", [ITEM]).verdict is Verdict.DELIVERED
    assert time.monotonic() - began < 1.5


def test_a_command_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    """One that was never there, and a line that cannot be split, are refused before anything is sent."""
    script = tmp_path / "script"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    sink = Command(str(script), 5.0)
    script.unlink()

    assert sink.send("i", [ITEM]).verdict is Verdict.FAILED
    for line in (str(script), "", "'open"):
        with pytest.raises(SettingsError, match="--exec"):
            Command(line, 5.0)


def test_the_environment_names_what_settings_do_not_refuse() -> None:
    """A command may be fleetpoll itself."""
    from_us = {name for name in environment({}, "i", [ITEM]) if name != "FLEETPOLL_FLEET"}
    assert from_us <= NOT_SETTINGS


def test_nobody_there_is_a_failure_that_does_not_name_the_url() -> None:
    """Its path may be a secret; so may the user's name and password, which go into a header."""
    sink = Webhook(f"http://me:hush@127.0.0.1:{(port := free_port())}/hush?token=hush", [], 1.0, 1)
    answer = sink.send("i", [ITEM])

    assert (answer.verdict, answer.words) == (Verdict.FAILED, "127.0.0.1 does not answer: Connection refused")
    assert sink.name == f"http://127.0.0.1:{port}/…"


def test_a_user_is_sent_in_a_header_and_a_path_that_is_repeated_is_not_told() -> None:
    """What a URL has to escape is what it stands for; many servers name the path that they do not have."""
    with answering(b"HTTP/1.1 404 No\r\ncontent-length: 22\r\n\r\nno POST /hush/7?t=hush") as (port, came):
        answer = Webhook(f"http://m%40e:p%3A%E2%82%AC@127.0.0.1:{port}/hush/7?t=hush", [], 1.0, 1).send("i", [ITEM])

    assert answer.words == "HTTP 404: no POST ***?***"
    assert base64.b64encode("m@e:p:€".encode()) in b"".join(came)


def test_who_does_not_answer_in_time_has_failed() -> None:
    """The relay does not wait for ever."""
    with receiver(held=True) as silent:
        answer = Webhook(silent.url, [], 0.3, 1).send("i", [ITEM])
        silent.hold.set()

    assert (answer.verdict, answer.words) == (Verdict.FAILED, "127.0.0.1 does not answer: timed out")


@pytest.mark.parametrize(
    ("begin", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\nx-pad: ", Verdict.FAILED),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", Verdict.DELIVERED),
    ],
)
def test_an_answer_in_drops_does_not_hold_a_delivery(begin: bytes, verdict: Verdict) -> None:
    """The time is for all of it; a status that has come counts, whatever becomes of the body."""
    with answering(begin, drops=True) as (port, _):
        began = time.monotonic()
        assert Webhook(f"http://127.0.0.1:{port}/", [], 0.4, 1).send("i", [ITEM]).verdict is verdict
        assert time.monotonic() - began < 2.0


@contextmanager
def answering(words: bytes, *, drops: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server on a port that says this to the first who comes, `drops`: and then a byte now and then, for ever."""
    over, came = threading.Event(), list[bytes]()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            came.append(connection.recv(65_536))
            connection.sendall(words)
            while drops and not over.wait(0.05):
                connection.sendall(b"x")
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            over.set()
            thread.join()


def test_an_answer_without_end_is_not_read_to_the_end() -> None:
    """The status counts; the connection is closed, and the next delivery has one of its own."""
    with receiver() as endless:
        endless.reply = lambda _: (200, {"content-length": str(10 * ANSWER_MAX), "x-pad": "p"})
        sink = Webhook(endless.url, [], 0.5, 1)
        answers = [sink.send("i", [ITEM]).verdict for _ in range(2)]

    assert answers == [Verdict.DELIVERED, Verdict.DELIVERED]  # the body that was promised never came
    assert len(endless.came) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org", "begins with https"),
        ("example.org/hook", "begins with https"),
        ("http://example.org/hush", "add --insecure"),
        ("http://[::1", "cannot be read"),
        ("https://example.org:x/hush", "cannot be read"),
    ],
)
def test_a_url_that_will_not_do_is_refused(url: str, words: str) -> None:
    """With what to do, and without the URL."""
    with pytest.raises(SettingsError, match=words) as caught:
        Webhook(url, [], 1.0, 1)
    assert "hush" not in str(caught.value)

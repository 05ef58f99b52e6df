"""Every command with words that nobody gives on purpose: a sentence, a documented exit code, and nothing half done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fleetpoll.cli import exits
from fleetpoll.cli.later import Later
from fleetpoll.cli.root import root
from fleetpoll.jobs import JobStatus
from fleetpoll.state.rooms import Rooms
from tests.fuzz.profiles import junk, long, quick
from tests.ids import make_ids
from tests.integration.cli_helpers import SCRIPT, move

DOCUMENTED = {number for name, number in vars(exits).items() if name.isupper() and isinstance(number, int)} - {
    exits.SOFTWARE
}
CLOSED = "http://127.0.0.1:1"
LAST: dict[str, list[str]] = {
    "worker": ["-n", "0"],
    "demo": ["--jobs", "0"],
    "simulate serve": ["--limit", "nonsense"],
    "wait": ["--timeout", "0"],
    "plan": ["--jobs", "0", "--life", "1:2"],
    "relay": ["--to", "ftp://nowhere"],
    "metrics": ["--once"],
    "dashboard": ["--port", "-1"],
    "top": ["--interval", "0"],
}
"""What comes after the junk, for commands that would go on for ever or for long, were all of it good."""
NOT_GIVEN = {"--follow", "--group", "--help", "--learnt", "--exec"}
"""Options that make a command go on for ever, end it, take seconds, or run whatever they name."""


def commands(group: click.Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command there is, by its words."""
    for name, found in group.commands.items():
        command = found.load() if isinstance(found, Later) else found
        if isinstance(command, click.Group) and command.invoke_without_command:
            yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())


def words_for(command: click.Command) -> st.SearchStrategy[list[str]]:
    """Some of a command's options with junk, and some arguments of junk."""
    options = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not NOT_GIVEN.intersection(parameter.opts):
            flag = st.just([max(parameter.opts, key=len)])
            options.append(flag if parameter.is_flag else st.builds(list.__add__, flag, junk.map(lambda word: [word])))
    option = st.one_of(options) if options else st.just(["--nonsense"])
    argument = junk.map(lambda word: [word])
    return st.lists(st.one_of(option, option, argument), max_size=4).map(
        lambda parts: [word for part in parts for word in part]
    )


def dump(rooms: Rooms) -> dict[str, Any]:
    """All that is kept of the fleet, by key."""
    keys = rooms.client.scan_iter(match=rooms.keys.pattern)
    return {str(key): rooms.client.execute_command("DUMP", key, NEVER_DECODE=True) for key in keys}


@pytest.fixture
def fleet(rooms: Rooms, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rooms:
    """A fleet with some jobs, in the environment of a command; no AWS answers."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", redis_url)
    monkeypatch.setenv("FLEETPOLL_FLEET", rooms.keys.fleet)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", CLOSED)
    monkeypatch.chdir(tmp_path)  # a command that writes a file writes it there
    ids = make_ids(3)
    rooms.schedule.track(ids)
    move(rooms, dict.fromkeys(ids, JobStatus.RUNNING), job_definition="d:1")
    return rooms


def check(rooms: Rooms, words: list[str], stdin: str = "") -> None:
    """Run a command in this process. A refusal must have changed nothing."""
    before = dump(rooms)
    done = CliRunner().invoke(root, words, input=stdin.encode("utf-8", "surrogatepass"), prog_name="fleetpoll")
    assert "Traceback" not in done.output, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code in DOCUMENTED, (done.exit_code, done.output)
    if done.exit_code == exits.USAGE:
        assert done.stderr.strip()
        assert dump(rooms) == before


@pytest.mark.parametrize("name", COMMANDS)
@quick(4)
@given(data=st.data())
def test_a_command(name: str, data: st.DataObject, fleet: Rooms) -> None:
    """A few dozen words, the same each time."""
    words = data.draw(words_for(COMMANDS[name]), label="words")
    check(fleet, [*name.split(), *words, *LAST.get(name, [])], data.draw(junk, label="stdin"))


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", COMMANDS)
@long(150)
@given(data=st.data())
def test_a_command_at_length(name: str, data: st.DataObject, fleet: Rooms) -> None:
    """Thousands of words."""
    words = data.draw(words_for(COMMANDS[name]), label="words")
    check(fleet, [*name.split(), *words, *LAST.get(name, [])], data.draw(junk, label="stdin"))


URLS = [
    "",
    "redis:",
    "redis://",
    "redis://127.0.0.1:1",
    "unix:///nowhere",
    "unix://",
    "rediss://127.0.0.1:1",
    "redis://[",
    "x://",
]
URLS += ["redis://127.0.0.1:1/x?db=\x00", "redis://127.0.0.1:0", "redis://127.0.0.1:70000", "redis://127.0.0.1:1?protocol=3"]


@quick(40)
@given(url=st.sampled_from(URLS), name=junk, config=junk)
def test_the_global_options(url: str, name: str, config: str, fleet: Rooms) -> None:
    """Of every command alike."""
    check(fleet, ["--redis-url", url, "status"])
    check(fleet, ["--fleet", name, "--redis-url", "redis://127.0.0.1:1", "status"])
    check(fleet, ["--config", config, "status"])


REFUSED = [
    *("events --group=", "events --follow --since x", "events --group x --limit 0"),
    *(
        "simulate serve --port 70000",
        "simulate serve --port -1",
        "simulate serve --host =",
        "metrics --port 70000",
        "metrics --host =",
        "plan --jobs 99999999999999999999",
    ),
]
REFUSED_AS_WELL = [
    *("events --consumer x", "wait", "track -f .", "learn export /nowhere/at/all", "simulate serve --host nonsense.invalid"),
    *("simulate serve --reject-share nan", "simulate serve --latency-ms -1", "plan --jobs 0", "plan --jobs 10 --lag nan"),
    *(
        "plan --jobs 10 --life nan:nan",
        "plan --jobs 10 --lag -1",
        "plan --jobs 10 --rate 1e-300",
        "plan --jobs 10 --life 0:1e308",
    ),
]


@pytest.mark.parametrize("words", [*REFUSED, *(pytest.param(words, marks=pytest.mark.soak) for words in REFUSED_AS_WELL)])
def test_what_would_go_on_for_ever_is_refused_first(fleet: Rooms, words: str) -> None:
    """By a process of its own, for these would hold this one up."""
    done = subprocess.run(
        [SCRIPT, *words.split()], capture_output=True, text=True, timeout=30, check=False, env=os.environ, input=""
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == exits.USAGE, done.stderr
    assert fleet.ledger.sizes() == (3, 3)

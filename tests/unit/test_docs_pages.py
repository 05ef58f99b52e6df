"""The pages agree with the code and with each other: commands, links, generated pages, tables of fields, signatures."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from benchmarks import tables
from benchmarks.blocks import blocks as tables_of
from docs.making.commands import loaded
from docs.making.pages import DOCS as MADE_IN
from docs.making.pages import PAGES as MADE
from fleetpoll import aio, fleets, settings, webhook
from fleetpoll.cli import exits
from fleetpoll.cli.root import root
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from tests.pages import DOCS, LINK, PAGES, ROOT, SHELL, SPAN, anchors, blocks, lines, name_of, ours, prose

BENCH = re.compile(r"<!-- bench (\S+) -->")
ALERTS = ROOT / "workers" / "deploy" / "prometheus" / "alerts.yml"
RUNBOOK = {
    *("LagBurn", "Throttled", "NoWorkers", "AccessDenied", "WorkerSilent", "Backlog"),
    *("RedisDown", "ExporterDown", "Paused", "DeadLetters", "LeasesExpire", "AwsFails"),
}
EACH_SAYS = ("**Means.**", "**Users feel**", "**See**", "**Do**", "**Do not**")


def shown(page: Path) -> list[list[str]]:
    """Every command of ours that a page shows, in blocks and in its text."""
    typed = [
        words for block in blocks(page) if block.language in SHELL for line in lines(block.text) for words in ours(line)
    ]
    return typed + [words for span in SPAN.findall(prose(page)) for words in ours(span.replace("'", ""))]


def wrong(words: list[str]) -> str:
    """What is wrong with a command of ours; "" if it is one."""
    command: click.Command = root
    left = [word.strip("[]") for word in words[1:]]
    while left:
        word = left.pop(0)
        if word.startswith("-"):
            option = next((p for p in command.params if word in p.opts or word in p.secondary_opts), None)
            if option is None and word not in {"-h", "--help"}:
                return f"{command.name} has no option {word}"
            if isinstance(option, click.Option) and not option.is_flag and left:
                left.pop(0)
        elif isinstance(command, click.Group) and word in command.commands:
            command = loaded(command.commands[word])
        elif isinstance(command, click.Group):
            return "" if word in {"COMMAND", "…"} else f"{command.name} has no command {word}"
        elif not any(isinstance(p, click.Argument) for p in command.params):
            return f"{command.name} takes no {word}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_is_one(page: Path) -> None:
    """Its options as well, in blocks and in the text."""
    assert [(shlex.join(words), why) for words in shown(page) if (why := wrong(words))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    """None is hidden in an indented block, or in one of a language that nobody runs."""
    assert re.findall(r"^ {4,}fleetpoll .*", prose(page), re.MULTILINE) == []
    assert {block.language for block in blocks(page)} <= {"sh", "bash", "python", "toml", "yaml", "promql", "text", ""}


def test_what_is_no_command_is_found() -> None:
    """The check itself: a word, an option and an argument too many."""
    assert wrong(["fleetpoll", "stauts"]) == "root has no command stauts"
    assert wrong(["fleetpoll", "--fleet", "a", "wait", "--timeuot", "3"]) == "wait has no option --timeuot"
    assert wrong(["fleetpoll", "status", "all"]) == "status takes no all"
    assert wrong(["fleetpoll", "--fleet", "a", "budget", "set", "--unpin"]) == ""
    assert list(ours("a | fleetpoll track -f - > b; fleetpoll status &&x")) == [
        ["fleetpoll", "track", "-f", "-"],
        ["fleetpoll", "status"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading of a page."""
    dead = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if ":" in path:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_in_the_navigation() -> None:
    """Who reads the site finds it."""
    listed = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert {page.relative_to(DOCS).as_posix() for page in PAGES[1:]} == {
        name for name in listed if not name.startswith("repository/")
    }


@pytest.mark.parametrize("name", MADE)
def test_generated_pages_follow_from_the_code(name: str) -> None:
    """`python3 dev.py docs` would change nothing."""
    assert (MADE_IN / name).read_text(encoding="utf-8") == MADE[name]()


def test_every_setting_and_exit_code_is_explained() -> None:
    """The comments that the pages are made of are there, and no float is without a unit."""
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    sections = [part.partition("\n## ")[0] for part in page.split("\n### ")[1:]]
    parts = {part.partition("\n")[0]: part.strip().splitlines()[-1] for part in sections}
    assert set(parts) == set(settings.NAMES)
    assert {name for name, said in parts.items() if len(said) < 15} == set()
    rows = re.findall(r"^\| (\d+) \| \w+ \| (.+?) \|", (DOCS / "reference" / "exit-codes.md").read_text(), re.MULTILINE)
    assert {int(code) for code, said in rows if said} == {
        c for n, c in vars(exits).items() if n.isupper() and isinstance(c, int)
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tables_of_benchmarks_are_those_of_the_results(page: Path) -> None:
    """Rendered again from the committed results, they are what stands there."""
    text = page.read_text(encoding="utf-8")
    if BENCH.search(text):
        assert tables.filled(text, rendered()) == text


@cache
def rendered() -> dict[str, str]:
    """All tables, of the committed results."""
    return tables_of(ROOT / "benchmarks" / "results")


def fields_of(part: str) -> set[str]:
    """The fields that a part of the page on JSON has in its table."""
    text = (DOCS / "reference" / "json.md").read_text(encoding="utf-8").partition(f"\n## {part}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


def test_the_fields_of_json_are_in_the_tables() -> None:
    """What readers print of a transition, a job and a status."""
    transition = Transition.between("id", Snapshot(), Snapshot(changed_ms=1))
    assert fields_of("Transition") == set(transition.public())
    assert fields_of("Job") == {*Snapshot().public("id"), "expected_end_at"}
    assert fields_of("Statuses") == set(JobStatus)


SIGNED: dict[str, Callable[..., Any]] = {
    "open_fleet": open_fleet,
    "fleetpoll.settings.load": settings.load,
    "fleetpoll.fleets.load_fleets": fleets.load_fleets,
    "fleetpoll.aio.open_fleet": aio.open_fleet,
    "fleetpoll.webhook.verify": webhook.verify,
    "fleetpoll.webhook.new_secret": webhook.new_secret,
}


def test_signatures_are_those_of_the_code() -> None:
    """Names and order of parameters of all that the page on Python shows; optional ones of keywords may be left out."""
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)\((.*?)\)` \|", text, re.MULTILINE))
    assert {*SIGNED} <= {*rows}
    for name, arguments in rows.items():
        if name == "Settings":
            continue
        function = SIGNED.get(name) or getattr(Fleet, name)
        told = [part.split("=")[0] for part in re.split(r", ", arguments) if part and part != "*"]
        real = [p for p in inspect.signature(function).parameters if p != "self"]
        assert told == real[: len(told)], name
        assert name in SIGNED or told == real, name


def test_the_runbook_has_a_section_for_each_alarm() -> None:
    """By the alarm's name, with all that one wants to know at night."""
    page = DOCS / "operations.md"
    sections = page.read_text(encoding="utf-8").split("\n### ")[1:]
    told = {section.partition("\n")[0]: section.partition("\n## ")[0] for section in sections}
    assert set(told) == {f"Fleetpoll{name}" for name in RUNBOOK}
    assert [name for name, text in told.items() if any(words not in text for words in EACH_SAYS)] == []
    if ALERTS.is_file():
        rules = ALERTS.read_text(encoding="utf-8")
        assert {*re.findall(r"alert: (\w+)", rules)} == set(told)
        assert {*re.findall(r"runbook_url: \S*#(\w+)", rules)} <= anchors(page)


def test_the_layers_are_those_that_the_linter_holds() -> None:
    """From the top to the bottom, with all modules of each."""
    told = next(block.text for block in blocks(DOCS / "explanation.md") if block.text.startswith("cli →"))
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [layer.replace("fleetpoll.", "").split(" | ") for layer in contracts[0]["layers"]]
    assert [sorted(part.strip() for part in layer.split(",")) for layer in told.split("→")] == [
        sorted(one) for one in layers
    ]


def test_the_readme_is_short() -> None:
    """A stranger reads it in a minute."""
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 150

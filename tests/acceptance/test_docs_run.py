"""Every command and every example that the README and the pages under docs/ show is run, page by page, in order.

Each page has a home, a server and a simulated AWS of its own, and real processes. The tutorial has nothing: it must bring
everything that it needs. `python3 dev.py test-docs` runs all pages, `-s` shows how long each command takes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.settings import Settings
from fleetpoll.simulator.surroundings import NO_AWS
from tests.pages import DOCS, PAGES, ROOT, SHELL, Block, blocks, name_of
from tests.sandbox import Sandbox, sandbox

NOT_HERE = {
    r"\baws (batch|sts) ": "there is no AWS account here",
    r"^(docker|kubectl|systemctl|sudo|journalctl|dmesg)\b": "of the machine that it runs on",
    r"^redis-cli ": "the server of the test is on a socket",
    r"\bpip install\b": "takes packages from the network; CI installs the wheel",
    r"^python3 dev\.py": "makes a virtual environment; test_demo.py and CI run it",
    r"https://example\.org": "sends to the outside; test_relay.py has a receiver",
    r"\bLETTER\b": "takes a dead letter; test_relay.py makes some",
    r"^fleetpoll top\b": "takes a terminal",
}
"""Lines that cannot be run here: a pattern, and why."""
ELSEWHERE = {
    "docs/coming-from-airflow.md": "test_docs.py runs its examples",
    "docs/consumers.md": "test_relay.py runs its example",
}
"""Pages whose examples in Python are run by another test."""
QUICK = {"docs/reference/python.md"}
"""Pages that take some seconds; the others are of the long runs."""
TUTORIAL, OPERATIONS = DOCS / "tutorial.md", DOCS / "operations.md"
PORTS = ("8642", "8080", "9464")
ID = "11111111-2222-4333-8444-555555555555"


def runnable(page: Path) -> list[Block]:
    """The blocks of a page that are run, and the files that it shows."""
    python = {"python"} if name_of(page) not in ELSEWHERE else set()
    shown = [block for block in blocks(page) if block.language in {*SHELL, *python, "toml"}]
    return [block for block in shown if not block.text.startswith("# before")]


WITH_CODE = [page for page in PAGES if any(block.language != "toml" for block in runnable(page))]


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@contextmanager
def stage(page: Path, home: Path) -> Iterator[Sandbox]:
    """Where a page is run: nothing for the tutorial, else a fleet at work on jobs of a second or two."""
    instead = {port: free_port() for port in PORTS}
    if page == TUTORIAL:
        with sandbox(home, {}, instead, NOT_HERE) as place:
            yield place
        return
    settings = Settings(rate=20, workers=1, freshness=0.5, log_format="json", fleet="default")
    with ExitStack() as stack:
        fleet = stack.enter_context(rig(settings, limited(20, life_min_s=1, life_max_s=3, fail_share=0)))
        stack.enter_context(fleet.workers())
        place = stack.enter_context(sandbox(home, surroundings(fleet), instead, NOT_HERE))
        prepare(fleet, place)
        if page == OPERATIONS:
            grow_old(fleet)
        yield place


def surroundings(fleet: Rig) -> dict[str, str]:
    """The variables that a reader of a how-to has set already."""
    return NO_AWS | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FLEETPOLL_REDIS_URL": fleet.url,
        "AWS_ENDPOINT_URL_BATCH": fleet.simulator.url,
        "AWS_ENDPOINT_URL_STS": fleet.simulator.url,
        "PYTHONPATH": str(ROOT),
    }


def prepare(fleet: Rig, place: Sandbox) -> None:
    """Jobs, a program that takes deliveries, and what stands on the page for what is here."""
    ids = fleet.submit(20)
    place.env["JOB_ID"] = ids[0]
    (place.home / "ids.txt").write_text("\n".join(ids))
    (place.home / "book").write_text("#!/bin/sh\nexec cat\n")
    (place.home / "book").chmod(0o755)
    place.instead |= {
        ID: ids[1],
        "redis://localhost:6379/0": fleet.url,
        "Settings()": f"Settings(redis_url={fleet.url!r})",
        "redis+cluster://redis-1,redis-2,redis-3": fleet.url,
        "/etc/fleetpoll/": f"{place.home}/",
    }


def grow_old(fleet: Rig) -> None:
    """Let the fleet see enough ends to know how long jobs take, and have some that live."""
    fleet.submit(60)
    wait_until(lambda: fleet.rooms.ledger.sizes()[0] == 0, 60.0, "all jobs have ended")
    fleet.submit(10, life_min_s=300.0, life_max_s=400.0)


def perform(place: Sandbox, block: Block) -> None:
    """Run one block: type it, write it to the file that the page speaks of, or run it as a program."""
    if block.language in SHELL:
        place.run(block)
    elif block.language == "toml":
        (place.home / "fleets.toml").write_text(place.typed(block.text))
    else:
        ids = (place.home / "ids.txt").read_text().split()
        given = f"job_ids, job_id = {ids!r}, {ids[0]!r}\n"
        (place.home / "example.py").write_text(given + place.typed(block.text))
        place.do("", "python -W error example.py")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[] if name_of(page) in QUICK else [pytest.mark.soak]) for page in WITH_CODE],
    ids=name_of,
)
def test_a_page_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    """Each command ends with the exit code that the page says, 0 if it says nothing, and no example fails."""
    with stage(page, tmp_path) as place:
        for block in runnable(page):
            perform(place, block)
    for line, took_s in place.took_s:
        print(f"{took_s:6.1f} s  {line.splitlines()[0]}")  # noqa: T201 - pytest shows it with -s


def test_what_cannot_be_run_here_is_shown_somewhere() -> None:
    """The list of what is left out has nothing in it that no page shows; and each has its reason."""
    text = "\n".join(block.text for page in WITH_CODE for block in runnable(page))
    unused = {pattern for pattern in NOT_HERE if not re.search(pattern, text, re.MULTILINE)}
    assert unused <= {r"^(docker|kubectl|systemctl|sudo|journalctl|dmesg)\b"}
    assert all(NOT_HERE.values())


@pytest.mark.soak
def test_the_fields_of_a_status_are_in_its_table(tmp_path: Path) -> None:
    """What `status --json` prints has a row each on the page on JSON."""
    page = DOCS / "reference" / "json.md"
    table = page.read_text(encoding="utf-8").partition("\n## Status\n")[2].partition("\n## ")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    with stage(page, tmp_path) as place:
        place.do("", f"fleetpoll status --json > {shlex.quote(str(tmp_path / 'status.json'))}")
    assert told == set(json.loads((tmp_path / "status.json").read_text()))

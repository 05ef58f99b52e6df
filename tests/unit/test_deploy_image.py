"""What the Dockerfile promises, as far as it can be told by reading it; tests/acceptance/test_image.py runs its steps."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.deploying import parsed
from tests.dockerfiles import DOCKERFILE, ROOT, context, ignored, instructions, stages

STAGES = stages()
LAST = STAGES[-1]


def test_both_stages_stand_on_one_pinned_base() -> None:
    """The base is named by a tag that says release and distribution, once; and no tag moves with every release."""
    assert {stage.base for stage in STAGES} == {"python:3.13-slim-trixie"}
    assert "latest" not in DOCKERFILE.read_text()


def test_it_runs_as_nobody_special_by_number() -> None:
    """The last stage ends as a user who is not root, by number, so that Kubernetes can check it."""
    assert LAST.all("USER") == ["10001:10001"]
    assert "--uid 10001 --gid 10001" in LAST.last("RUN")
    names = [name for name, _ in LAST.steps]
    assert names.index("USER") > max(names.index("RUN"), names.index("COPY"))


def test_signals_reach_the_supervisor() -> None:
    """The command is no shell's child: exec form, SIGTERM, and nothing in front of it."""
    assert LAST.command() == ["fleetpoll", "worker"]
    assert LAST.last("STOPSIGNAL") == "SIGTERM"


def test_its_commands_are_ours() -> None:
    """What it runs, and what it asks when it is asked for its health, are commands that exist, with options that exist."""
    options, _, health = LAST.last("HEALTHCHECK").partition("CMD ")
    program, *words = json.loads(health)
    assert program == "fleetpoll"
    assert parsed(words)["question"] == "ready"
    assert dict(option.lstrip("-").split("=") for option in shlex.split(options)).keys() >= {"timeout", "retries"}
    parsed(LAST.command()[1:])


def test_all_that_is_installed_is_pinned() -> None:
    """No package comes in a version that nobody has chosen, and no tool that installs stays behind."""
    text = DOCKERFILE.read_text()
    assert len(re.findall(r"pip install", text)) == text.count("--constraint constraints.txt") == 3
    assert "/opt/fleetpoll/bin/pip uninstall --yes pip" in text


def test_no_secret_is_in_a_layer() -> None:
    """Neither arguments nor variables hold what must stay secret: both can be read from the image."""
    words = [words for name, words in instructions(DOCKERFILE.read_text()) if name in {"ARG", "ENV", "LABEL"}]
    assert not re.search(r"TOKEN|SECRET|PASSWORD|AWS_|REDIS_URL", " ".join(words), re.IGNORECASE)


def test_it_says_what_it_is() -> None:
    """The labels are those of OCI."""
    labels = dict(word.split("=", 1) for word in shlex.split(LAST.last("LABEL")))
    kinds = {"title", "description", "licenses", "version", "revision"}
    assert labels.keys() == {f"org.opencontainers.image.{kind}" for kind in kinds}
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def copied() -> set[str]:
    """What the Dockerfile takes from the context."""
    words = [shlex.split(words) for stage in STAGES for words in stage.all("COPY") if not words.startswith("--from=")]
    return {source for line in words for source in line[:-1]}


def test_it_gets_all_that_it_copies_and_no_more() -> None:
    """What the Dockerfile copies exists and is in the context, and nothing is in the context that it does not copy."""
    names = context()
    assert all(any(name == source or name.startswith(f"{source}/") for name in names) for source in copied())
    assert all(any(name == source or name.startswith(f"{source}/") for source in copied()) for name in names)


@pytest.mark.parametrize(
    ("path", "kept_out"),
    [
        ("fleetpoll/cycle.py", False),
        ("fleetpoll/state/lua/claim.lua", False),
        ("fleetpoll/state/__pycache__/keys.cpython-313.pyc", True),
        ("workers/supervisor.py", False),
        ("workers/deploy/Dockerfile", True),
        ("tests/conftest.py", True),
        (".git/config", True),
        (".env", True),
    ],
)
def test_the_context_is_what_the_image_needs(path: str, kept_out: bool) -> None:  # noqa: FBT001 - a table
    """Code is let in; tests, secrets that lie about, and what the machine made of the code are not."""
    assert ignored(path) is kept_out


def test_the_context_is_small() -> None:
    """The engine is sent a few MB."""
    assert sum((ROOT / name).stat().st_size for name in context()) < 5_000_000

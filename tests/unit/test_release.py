"""A release is one thing: its version, its changelog and its tag agree, and the workflows do only what they must."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from fleetpoll.cli.root import root
from tests.deploying import faults
from tests.dockerfiles import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BOUNDS = {"contents: read", "contents: write", "packages: write", "id-token: write"}


def load(path: Path) -> dict[str, Any]:
    """A workflow, with every word as it stands: `on` is no truth value."""
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes text alone
    return found


def dev() -> ModuleType:
    """The developer's entrance, as a module."""
    spec = spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


DEV = dev()


def test_there_is_one_version() -> None:
    """pyproject.toml has it, and everything that tells it asks there."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert version("fleetpoll") == said
    assert CliRunner().invoke(root, ["--version"], prog_name="fleetpoll").output.split() == ["fleetpoll", said]
    assert re.fullmatch(r"\d+\.\d+\.\d+", said)


def test_the_changelog_is_of_this_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with what is not released yet, or with this version and its day."""
    monkeypatch.chdir(ROOT)
    assert DEV.COMMANDS["release-check"]([]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("heading", "tag", "wrong"),
    [
        ("1.2.3 — 2026-11-26", ["v1.2.3"], ""),
        ("1.2.3 — 2026-11-26", [], ""),
        ("Unreleased", [], ""),
        ("Unreleased", ["v1.2.3"], "begins with 'Unreleased'"),
        ("1.2.2 — 2026-11-26", [], "begins with '1.2.2 — 2026-11-26'"),
        ("1.2.3 — 2026-11-26", ["1.2.3"], "hence the tag v1.2.3"),
        ("1.2.3 — 2026-11-26", ["v1.2.4"], "hence the tag v1.2.3"),
    ],
)
def test_a_release_that_is_none_is_refused(
    heading: str,
    tag: list[str],
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A tag needs its version and its changelog; what is new is printed, for the release's page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\nWords.\n\n## {heading}\n\n- This.\n\n## 1.0.0 — 2025-01-01\n\n- That.\n"
    )

    code = DEV.COMMANDS["release-check"](tag)

    said = capsys.readouterr()
    assert (code == 0) is (wrong == "")
    assert wrong in said.err
    assert said.out.strip() == ("" if wrong else "- This.")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_what_github_reads(path: Path) -> None:
    """Each is valid after GitHub's own schema."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["on"] = document.pop(True)  # YAML 1.1 takes that word for a truth value
    assert faults("github-workflows", document) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_do_little(path: Path) -> None:
    """Actions are pinned to a commit, jobs end, rights are few, no secret is stored, no foreign words reach a shell."""
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text(encoding="utf-8")
    for job in workflow["jobs"].values():
        assert int(job["timeout-minutes"]) <= 120
        assert {f"{name}: {right}" for name, right in job.get("permissions", {}).items()} <= BOUNDS
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]) if "uses" in step else "${{" not in step["run"]
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] == "false"


def test_a_release_is_tested_checked_and_built_before_it_is_published() -> None:
    """The package goes out by a trusted publisher, after all tests, and so does the image; what they run is there."""
    jobs = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    steps = " ".join(step.get("run", "") for step in jobs["build"]["steps"])
    for part in ("release-check", ".ci/run", "hatchling build"):
        assert part in steps
    assert jobs["package"]["needs"] == jobs["image"]["needs"] == "build"
    assert jobs["package"]["permissions"] == {"id-token": "write"}
    assert "workers/deploy/Dockerfile" in " ".join(step.get("run", "") for step in jobs["image"]["steps"])
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111

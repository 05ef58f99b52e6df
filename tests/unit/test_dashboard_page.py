"""The rules of the dashboard's page that no linter knows: short files, no markup made of data, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "fleetpoll" / "dashboard" / "static"
OURS = sorted(file for file in STATIC.rglob("*") if file.is_file() and "vendor" not in file.parts)
SCRIPTS = [file for file in OURS if file.suffix == ".js"]
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
LINES_MAX = 300
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setAttribute\(.style"
)
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:")
ELSEWHERE = re.compile(r"""(?:src|href|url|import|fetch)\W{1,3}(?:https?:)?//""")
IMPORT = re.compile(r'from "\./([a-z_]+\.js)"')


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_are_short_and_make_no_markup(file: Path) -> None:
    """A module fits into a reader's head, and what comes from the fleet can only ever be text."""
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_MAX
    assert MARKUP.findall(text) == []


def test_the_page_holds_no_script_and_no_style() -> None:
    """The policy that it is served with would not let them run."""
    assert INLINE.findall(PAGE) == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    """All that the page loads is beside it."""
    assert ELSEWHERE.findall(file.read_text(encoding="utf-8")) == []


def test_every_element_that_a_script_asks_for_is_there() -> None:
    """Ids in scripts are ids of the page, and each is there once."""
    ids = re.findall(r'\sid="([^"]+)"', PAGE)
    asked = {name for file in SCRIPTS for name in re.findall(r'byId\("([^"]+)"\)', file.read_text(encoding="utf-8"))}
    assert len(ids) == len(set(ids))
    assert asked - set(ids) == set()


def test_every_script_is_used() -> None:
    """What is not imported, nor in the page, would be carried along for nothing."""
    texts = [PAGE, *(file.read_text(encoding="utf-8") for file in SCRIPTS)]
    used = {name for text in texts for name in IMPORT.findall(text)} | set(re.findall(r"static/js/([a-z_]+\.js)", PAGE))
    assert used == {file.name for file in SCRIPTS}


def test_what_is_vendored_says_what_it_is() -> None:
    """The release, where it comes from, and its licence."""
    vendor = STATIC / "vendor"
    assert "uPlot 1.6.32" in (vendor / "README.md").read_text(encoding="utf-8")
    assert "MIT" in (vendor / "LICENSE").read_text(encoding="utf-8")
    assert "v1.6.32" in (vendor / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200]

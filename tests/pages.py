"""What stands on the README and the pages of docs/: blocks of code, commands of ours, links and anchors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

FENCE = re.compile(r"^ *```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`(fleetpoll [^`]*)`")
LINK = re.compile(r"(?:\]\(|\b(?:src|srcset|href)=\")([^)\s\"]+)")
HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)
SHELL = ("sh",)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the terminal that it is typed into, and its text."""

    language: str
    title: str
    text: str


def name_of(page: Path) -> str:
    """A page's name in messages."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]*)"', rest)
        found.append(Block(language, title[1] if title else "", match["text"]))
    return found


def lines(text: str) -> list[str]:
    """The commands of a script: lines that go on are joined, a here-document stays with its command."""
    found: list[str] = []
    end = ""
    for line in text.splitlines():
        if end or (found and found[-1].endswith("\\")):
            found[-1] += f"\n{line}"
            end = "" if line == end else end
        elif line.strip() and not line.startswith("#"):
            found.append(line)
            here = re.search(r"<<'(\w+)'", line)
            end = here[1] if here else ""
    return found


def ours(line: str) -> Iterator[list[str]]:
    """The words of each command of ours in a line of a shell."""
    typed = line.split("\n", maxsplit=1)[0] if "<<" in line else line.replace("\\\n", " ")
    lexer = shlex.shlex(typed, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;()<>"):
            if words[:1] == ["fleetpoll"]:
                yield words
            words = ["redirected"] if set(word) <= set("<>") else []
        else:
            words.append(word)


def prose(page: Path) -> str:
    """A page without its blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link to a part of the page may end with, as GitHub makes it of headings."""
    return {slug(heading) for heading in HEADING.findall(prose(page))}


def slug(heading: str) -> str:
    """A heading as an anchor."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")

"""Reads Dockerfile and .dockerignore as far as ours go, for tests where there is no engine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "workers" / "deploy" / "Dockerfile"


@dataclass
class Stage:
    """What follows a FROM: instructions with their words, in order."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The words of each such instruction."""
        return [words for name, words in self.steps if name == instruction]

    def last(self, instruction: str) -> str:
        """The words of the one that counts."""
        return self.all(instruction)[-1]

    def command(self) -> list[str]:
        """What a container runs when it is told nothing; refuses the form that would run in a shell."""
        words: list[str] = json.loads(self.last("ENTRYPOINT")) + json.loads(self.last("CMD"))
        return words


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions, with lines that are continued joined as an engine joins them."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", "", lines)
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name.upper(), words.strip()) for name, _, words in found]


def stages(path: Path = DOCKERFILE) -> list[Stage]:
    """The stages, with the defaults of arguments that stand before them put in."""
    defaults, found = dict[str, str](), list[Stage]()
    for name, words in instructions(path.read_text(encoding="utf-8")):
        if name == "FROM":
            base, _, alias = words.partition(" AS ")
            found.append(Stage(alias, re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], base)))
        elif found:
            found[-1].steps.append((name, words))
        elif name == "ARG":
            key, _, value = words.partition("=")
            defaults[key] = value
    return found


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file out of the context: the last line that fits counts."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#") and _fits(path, line.lstrip("!")):
            verdict = not line.startswith("!")
    return verdict


def _fits(path: str, pattern: str) -> bool:
    """Whether a pattern is for this path or a folder above it."""
    marks = {"**/": "(?:.*/)?", "*": "[^/]*"}
    body = re.sub(r"\*\*/|\*|[.]", lambda match: marks.get(match[0], re.escape(match[0])), pattern)
    return re.match(rf"{body}(/|\Z)", path) is not None


def context() -> list[str]:
    """The files that an engine would get, by their paths from the top."""
    tops = sorted({line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")})
    files = (file for top in tops for file in ([ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*")))
    names = (file.relative_to(ROOT).as_posix() for file in files if file.is_file())
    return [name for name in names if not ignored(name)]

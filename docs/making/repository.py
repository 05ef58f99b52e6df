"""A hook of mkdocs: what pages link to outside docs/ comes along, under repository/, so that the site has no dead link.

Pages are written for readers of the repository: `../SECURITY.md`, `../fleetpoll/cycle.py`. A page there becomes a page
here, any other file a copy, a folder a list of its files.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?P<before>\]\(|\b(?:src|srcset|href)=\")(?P<path>[^)\s:#\"]+)(?P<rest>(?:#[^)\"]*)?[)\"])")
PLACE = "repository/"


def on_files(files: Files, config: Any) -> Files:
    """Add what the pages link to, and what those pages link to."""
    waiting = [file.src_uri for file in files if file.src_uri.endswith(".md")]
    known = {file.src_uri for file in files}
    while waiting:
        uri = waiting.pop()
        content = text_of(uri)
        for found in LINK.finditer(content):
            target = placed(resolved(uri, found["path"]))
            if target.startswith(PLACE) and target not in known and (ROOT / own(target).removesuffix("/index.md")).exists():
                known.add(target)
                files.append(brought(target, config))
                waiting += [target] if target.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to where their targets are in the site."""
    uri = page.file.src_uri

    def moved(found: re.Match[str]) -> str:
        target = placed(resolved(uri, found["path"]))
        return found["before"] + posixpath.relpath(target, posixpath.dirname(uri) or ".") + found["rest"]

    return LINK.sub(moved, markdown)


def resolved(uri: str, link: str) -> str:
    """The path in the repository that a link on a page means."""
    page = uri.removeprefix(PLACE).removesuffix("/index.md") + "/index.md" if is_list(uri) else own(uri)
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def own(uri: str) -> str:
    """The path in the repository of a file of the site."""
    return uri.removeprefix(PLACE) if uri.startswith(PLACE) else f"docs/{uri}"


def placed(path: str) -> str:
    """Where a file of the repository is in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PLACE + (f"{path}/index.md" if (ROOT / path).is_dir() else path)


def is_list(uri: str) -> bool:
    """Whether a page of the site lists a folder."""
    return uri.startswith(PLACE) and uri.endswith("/index.md") and not (ROOT / own(uri)).is_file()


def text_of(uri: str) -> str:
    """What stands on a page."""
    if not is_list(uri):
        return (ROOT / own(uri)).read_text(encoding="utf-8")
    folder = ROOT / posixpath.dirname(own(uri))
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return f"# {folder.relative_to(ROOT)}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)


def brought(uri: str, config: Any) -> File:
    """A file of the site from the repository. One that is not there is left to mkdocs to complain of."""
    if is_list(uri):
        return File.generated(config, uri, content=text_of(uri))
    return File.generated(config, uri, abs_src_path=str(ROOT / own(uri)))

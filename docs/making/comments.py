"""The comments that stand beside assignments: what the code says of a setting or of an exit code is what the pages say."""

from __future__ import annotations

import ast
import io
import tokenize


def beside(source: str, within: str = "") -> dict[str, str]:
    """Name -> comment, of each assignment of a module, or of its class `within`; "" where there is none.

    It stands at the ends of the assignment's lines, and goes on in the lines below; or else in the lines above.
    """
    ends, lines = comments_of(source)
    body = ast.parse(source).body
    if within:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == within).body
    return {name: said(node, ends, lines) for node in body for name in names_of(node)}


def comments_of(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """The comments by line number: those at the ends of lines, and those that are lines."""
    ends: dict[int, str] = {}
    lines: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            (lines if token.line.lstrip().startswith("#") else ends)[token.start[0]] = token.string.lstrip("# ")
    return ends, lines


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def said(node: ast.stmt, ends: dict[int, str], lines: dict[int, str]) -> str:
    """The comment of one statement."""
    last = node.end_lineno or node.lineno
    inside = [ends[at] for at in range(node.lineno, last + 1) if at in ends]
    return " ".join([*inside, *run(lines, last + 1, 1)] if inside else reversed(run(lines, node.lineno - 1, -1)))


def run(lines: dict[int, str], at: int, step: int) -> list[str]:
    """The comments that are lines, one after the other from `at`."""
    found = []
    while at in lines:
        found.append(lines[at])
        at += step
    return found

"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 45  # without its docstring

# Imports inside functions that are meant: (file, module). Only optional extras belong here.
LAZY_IMPORTS: frozenset[tuple[str, str]] = frozenset({("workers/tracing.py", "fleetpoll.tracing")})

PACKAGES = ("fleetpoll", "workers")
HOUSE = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+$")

REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.]org|deb[.]debian[.]org")
PRIVATE_PATHS = re.compile(r"(?<![\w.~}])/(?:home/\w|Users/\w|root/|work/\w)")


def name_of(file: Path) -> str:
    """The file's name in messages and lists."""
    return file.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a module, nested ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of the function's body, without its docstring."""
    first = function.body[1 if ast.get_docstring(function) is not None and len(function.body) > 1 else 0]
    return (function.body[-1].end_lineno or 0) - first.lineno + 1


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names; none for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return ["." * node.level + (node.module or "")] if isinstance(node, ast.ImportFrom) else []


def is_module(dotted: str) -> bool:
    """Whether this is a module or a package of ours."""
    place = ROOT.joinpath(*dotted.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def roots_imported(tree: ast.AST) -> Iterator[str]:
    """Imports of a package's root where a module was meant: `import fleetpoll`, `from fleetpoll.state import NAME`."""
    for node in ast.walk(tree):
        for dotted in imported(node):
            if dotted.startswith(".") or (isinstance(node, ast.Import) and dotted in PACKAGES):
                yield dotted
            elif isinstance(node, ast.ImportFrom) and dotted.split(".")[0] in PACKAGES:
                is_package = ROOT.joinpath(*dotted.split(".")).is_dir()
                yield from (
                    f"{dotted}:{alias.name}"
                    for alias in node.names
                    if is_package and not is_module(f"{dotted}.{alias.name}")
                )


def project_files() -> list[Path]:
    """The files that are or will be committed."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("file", HOUSE, ids=name_of)
def test_files_and_functions_are_short(file: Path) -> None:
    """A file fits into a reader's head, and a function onto the screen."""
    text = file.read_text()
    lengths = {function.name: body_lines(function) for function in functions(ast.parse(text))}
    assert text.count("\n") <= FILE_LINES_MAX
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES_MAX} == {}


@pytest.mark.parametrize("file", HOUSE, ids=name_of)
def test_imports_stand_at_the_top(file: Path) -> None:
    """No function hides an import, so that the top of a file tells all that it depends on."""
    hidden = {
        (name_of(file), module)
        for function in functions(ast.parse(file.read_text()))
        for node in ast.walk(function)
        for module in imported(node)
    }
    assert hidden <= LAZY_IMPORTS


@pytest.mark.parametrize("file", HOUSE, ids=name_of)
def test_modules_import_modules(file: Path) -> None:
    """Inside the house nobody goes through a package's front door: that way lie import cycles."""
    assert list(roots_imported(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize("file", TESTS, ids=name_of)
def test_tests_wait_for_conditions(file: Path) -> None:
    """No test sleeps: it waits for what it expects, with a deadline."""
    calls = (node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    names = [getattr(called, "attr", getattr(called, "id", "")) for called in calls]
    assert "sleep" not in names


def test_constraints_are_plain_pins() -> None:
    """Every line of constraints.txt is name==version, once and in order: an index or a URL belongs to the machine."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not PIN.match(line)] == []
    names = [line.partition("==")[0].lower() for line in lines]
    assert all(before < after for before, after in pairwise(names))


def test_everything_that_is_installed_is_pinned() -> None:
    """No dependency of ours, of the runtime or of developers, is left to the day's newest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(need for extra in project["project"]["optional-dependencies"].values() for need in extra),
        *(need for group in project["dependency-groups"].values() for need in group),
    ]
    names = {re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0].lower() for need in wanted} - {"fleetpoll"}
    lists = [ROOT / "constraints.txt", ROOT / "benchmarks" / "contenders" / "requirements-airflow.txt"]
    pinned = {line.partition("==")[0].lower() for pins in lists for line in pins.read_text().splitlines()}
    assert names - pinned == set()


def test_no_file_names_a_machine_or_a_registry() -> None:
    """The project works wherever it is checked out and whichever registry pip is set up for."""
    found = []
    for file in project_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        found += [f"{name_of(file)}: {hit[0]}" for hit in REGISTRIES.finditer(text)]
        found += [f"{name_of(file)}: {hit[0]}" for hit in PRIVATE_PATHS.finditer(text)]
    assert found == []

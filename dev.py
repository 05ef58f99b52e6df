"""The developer's entrance: one file, the standard library, and nothing to install before.

    python3 dev.py demo  [options of `fleetpoll demo`]     see the fleet work, in the terminal
    python3 dev.py test  [options of pytest] [--soak]      run the tests; --soak: the minutes-long ones instead
    python3 dev.py test-airflow  [the same]                run those that need Airflow, in a venv of their own
    python3 dev.py test-browser  [options of pytest]       run those of the dashboard's page, in the system's own Chromium
    python3 dev.py screenshots                             take the pictures of the dashboard in docs/images anew
    python3 dev.py lint                                    ruff, mypy, import-linter, the house rules
    python3 dev.py bench [options of the benchmarks]       measure
    python3 dev.py docs                                    write the generated pages, and build the site into site/
    python3 dev.py test-docs                               run every command that the docs show, page by page
    python3 dev.py chaos [--minutes M] [--seed S] …        break everything at random, and hold the fleet to its promises
    python3 dev.py release-check [TAG]                     do version, CHANGELOG.md and tag agree? Prints what is new

Each but the last makes or refreshes .venv first, from constraints.txt, if that or pyproject.toml changed; test-airflow
does so with .venv-airflow, where Airflow's own pins come first. DEV_VENV and DEV_VENV_AIRFLOW name other places.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("DEV_VENV") or ROOT / ".venv").absolute()
VENV_AIRFLOW = Path(os.environ.get("DEV_VENV_AIRFLOW") or ROOT / ".venv-airflow").absolute()
BIN = VENV / "bin"
PYTHON_MIN = (3, 11)
USAGE = 2
BESIDE = ["tests/unit", "tests/integration", "tests/security", "tests/fuzz"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PINS = "constraints.txt"
PINS_AIRFLOW = "benchmarks/contenders/requirements-airflow.txt"

# What pip installs at each level. `demo` does not wait for the linters and the pretend AWS of the tests, nor these for
# the plots and peers of the benchmarks.
TOOLS = ["pip", "hatchling", "editables"]  # this pip knows --group; the others build us without isolation
LEVELS = {
    "runtime": ["--no-build-isolation", "--editable", ".[embedded]"],
    "dev": ["--no-build-isolation", "--editable", ".[embedded]", "--group", "dev"],
    "docs": ["--no-build-isolation", "--editable", ".[embedded]", "--group", "dev", "--group", "docs"],
    "bench": ["--no-build-isolation", "--editable", ".[embedded]", "--group", "dev", "--group", "bench"],
    "airflow": ["--no-build-isolation", "--editable", ".[embedded,airflow]", "pytest", "pytest-timeout"],
}
ORDER = ["runtime", "dev", "bench"]  # each holds those before it


def main(arguments: list[str]) -> int:
    """Run one command; its exit code is ours."""
    if sys.version_info < PYTHON_MIN:
        wanted, found = ".".join(map(str, PYTHON_MIN)), sys.version.split()[0]
        print(f"dev.py: fleetpoll needs Python {wanted} or newer; this is Python {found} ({sys.executable}).")
        return USAGE
    name, *rest = arguments or ["--help"]
    command = COMMANDS.get(name)
    if command is None:
        print(__doc__)
        return 0 if name in {"-h", "--help"} else USAGE
    os.chdir(ROOT)
    try:
        return command(rest)
    except subprocess.CalledProcessError as error:
        print(f"dev.py: this failed with exit code {error.returncode}: {shlex.join(map(str, error.cmd))}", flush=True)
        return max(error.returncode, 1)  # negative: it was killed


def demo(rest: list[str]) -> int:
    """See the fleet work."""
    ensure("runtime")
    return become(BIN / "fleetpoll", "demo", *rest)


def test(rest: list[str]) -> int:
    """Run the tests. A -m among the arguments wins over ours, because it comes later.

    All of them are run in two goes: what keeps the processors busy, then whole fleets, which spend their time on waiting but
    must not wait long for the processors. In both there is one test more than processors, for some always wait.
    """
    ensure("dev")
    if "--soak" in rest or any(word.startswith("tests") for word in rest):
        return become(BIN / "python", *pytest_words(rest))
    cores = os.cpu_count() or 1
    goes = [
        ["--numprocesses", str(min(4, cores + 1)), "--dist", "loadfile", *BESIDE],
        ["--numprocesses", str(min(3, cores + 1)), "--dist", "load", "tests/acceptance"],
    ]
    return run_all([[BIN / "python", *pytest_words(rest), *words] for words in goes])


def test_airflow(rest: list[str]) -> int:
    """Run the tests that need Airflow. Its own modules warn at import, so a warning is no error here."""
    ensure("airflow", VENV_AIRFLOW)
    where = [] if any(word.startswith("tests/") for word in rest) else ["tests/airflow"]
    return become(VENV_AIRFLOW / "bin" / "python", *pytest_words(rest), "-W", "default", *where)


def test_browser(rest: list[str]) -> int:
    """Run the tests of the dashboard's page, unless there is no browser to run them in."""
    if not any(shutil.which(name) for name in BROWSERS):
        print(
            "dev.py: no Chromium is on the PATH, so the page is not tested. On Debian and Ubuntu: apt-get install chromium"
        )
        return 0
    ensure("dev")
    where = [] if any(word.startswith("tests/") for word in rest) else ["tests/browser"]
    return become(BIN / "python", *pytest_words(rest), *where)


def screenshots(rest: list[str]) -> int:
    """Take the pictures of the dashboard, from a fleet at work."""
    ensure("dev")
    return become(BIN / "python", "-m", "tests.browser.screenshots", *rest)


def pytest_words(rest: list[str]) -> list[str]:
    """How to call pytest: --soak is a word of ours."""
    marks = "soak" if "--soak" in rest else "not soak"
    return ["-m", "pytest", "-m", marks, *(word for word in rest if word != "--soak")]


def bench(rest: list[str]) -> int:
    """Measure."""
    ensure("bench")
    if rest[:1] == ["model"]:
        return become(BIN / "python", "-m", "benchmarks.model", *rest[1:])
    return become(BIN / "python", "-m", "benchmarks", *rest)


def chaos(rest: list[str]) -> int:
    """Break everything."""
    ensure("dev")
    return become(BIN / "python", "-m", "tests.chaos", *rest)


def docs(rest: list[str]) -> int:
    """Write the pages that follow from the code, then build the site; a link that leads nowhere fails."""
    if rest:
        print("dev.py: docs takes no arguments.")
        return USAGE
    ensure("docs")
    os.environ["NO_MKDOCS_2_WARNING"] = "1"  # its advertisement for another program is no warning of ours
    return run_all([[BIN / "python", "-m", "docs.making"], [BIN / "mkdocs", "build", "--strict", "--quiet"]])


def test_docs(rest: list[str]) -> int:
    """Run every command that the docs show."""
    ensure("dev")
    return become(BIN / "python", "-m", "pytest", "-m", "soak or not soak", "tests/acceptance/test_docs_run.py", *rest)


def release_check(rest: list[str]) -> int:
    """See whether the version, the changelog and the tag are of one release; with a tag, nothing may be unreleased."""
    version: str = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    heading, _, rest_of_it = Path("CHANGELOG.md").read_text(encoding="utf-8").partition("\n## ")[2].partition("\n")
    wrong = []
    if not (heading == "Unreleased" and not rest) and not re.fullmatch(
        rf"{re.escape(version)} — \d{{4}}-\d\d-\d\d", heading
    ):
        wrong.append(f"CHANGELOG.md begins with {heading!r}; a release of {version} begins with '{version} — YYYY-MM-DD'")
    if rest and rest != [f"v{version}"]:
        wrong.append(f"the tag is {' '.join(rest)}; pyproject.toml says version {version}, hence the tag v{version}")
    for sentence in wrong:
        print(f"dev.py: {sentence}.", file=sys.stderr)
    if not wrong:
        print(rest_of_it.partition("\n## ")[0].strip())
    return 1 if wrong else 0


def lint(rest: list[str]) -> int:
    """Run all the linters, even after one has failed: who fixes things wants to see everything. The first failure counts."""
    if rest:
        print("dev.py: lint takes no arguments.")
        return USAGE
    ensure("dev")
    checks: list[list[str | Path]] = [
        [BIN / "ruff", "check"],
        [BIN / "ruff", "format", "--check"],
        [BIN / "mypy"],
        [BIN / "lint-imports"],
        [BIN / "python", "-m", "pytest", "-q", "tests/unit/test_house.py"],
    ]
    return run_all(checks)


def run_all(commands: Sequence[Sequence[str | Path]]) -> int:
    """Run each, even after one has failed. The exit code of the first failure, 0 without one."""
    codes = []
    for command in commands:
        say(shlex.join([Path(command[0]).name, *map(str, command[1:])]))
        codes.append(subprocess.run(command, check=False).returncode)
    return next((max(code, 1) for code in codes if code != 0), 0)


def ensure(level: str, venv: Path = VENV) -> None:
    """Make the venv hold this level of what the lists of pins and pyproject.toml say."""
    stamp, python = venv / f".dev-py-{level}", venv / "bin" / "python"
    wanted = fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return
    make_venv(venv)
    pins = venv / ".dev-py-pins"
    pins.write_text("".join(f"{line}\n" for line in pinned(level)))
    say("installing the build tools")
    pip(python, pins, *TOOLS)
    say(f"installing fleetpoll ({level})")
    if level == "airflow":
        pip(python, pins, "--no-deps", "--requirement", PINS_AIRFLOW)  # whole, so pip need not search it for what fits
    pip(python, pins, *LEVELS[level])
    for done in ORDER[: ORDER.index(level) + 1] if level in ORDER else [level]:
        (venv / f".dev-py-{done}").write_text(wanted)  # last: an install that was cut off is done again


def pinned(level: str) -> list[str]:
    """The pins of a venv. In Airflow's its own list goes before ours, because it was resolved as a whole."""
    ours = Path(PINS).read_text().split()
    if level != "airflow":
        return ours
    theirs = Path(PINS_AIRFLOW).read_text().split()
    taken = {package(line) for line in theirs}
    return theirs + [line for line in ours if package(line) not in taken]


def package(line: str) -> str:
    """The package that a pin is for, in one spelling."""
    return line.partition("==")[0].lower().replace("_", "-").replace(".", "-")


def fingerprint() -> str:
    """Changes when a venv must be refreshed."""
    contents = [(ROOT / name).read_bytes() for name in (PINS, PINS_AIRFLOW, "pyproject.toml", "dev.py")]
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def make_venv(venv: Path) -> None:
    """Make the venv if there is none, or if its Python is gone."""
    python = venv / "bin" / "python"
    works = python.exists() and subprocess.run([python, "-c", ""], check=False).returncode == 0
    if works:
        return
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        print("dev.py: this Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv")
        raise SystemExit(1)
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)


def pip(python: Path, pins: Path, *words: str) -> None:
    """Install with a venv's pip under these pins."""
    options: list[str | Path] = ["-qq", "--disable-pip-version-check", "--constraint", pins]
    subprocess.run([python, "-m", "pip", "install", *options, *words], check=True)


def become(program: Path, *words: str) -> int:
    """Turn into this program: its signals, its terminal and its exit code are then its own."""
    say(shlex.join([program.name, *words]))
    os.execv(program, [str(program), *words])  # noqa: S606 - no shell is wanted


def say(step: str) -> None:
    """One short line about what comes next; on stderr, because stdout is the command's."""
    print(f"dev.py: {step}", file=sys.stderr, flush=True)


COMMANDS = {
    "demo": demo,
    "test": test,
    "test-airflow": test_airflow,
    "test-browser": test_browser,
    "screenshots": screenshots,
    "lint": lint,
    "bench": bench,
    "docs": docs,
    "test-docs": test_docs,
    "chaos": chaos,
    "release-check": release_check,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What docs/many-fleets.md shows is read: its file by us, its policies as JSON, its names against the code."""

from __future__ import annotations

import re
from pathlib import Path

from fleetpoll.cli.root import root
from fleetpoll.fleets import load_fleets
from fleetpoll.settings import SHARED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "many-fleets.md").read_text(encoding="utf-8")


def test_the_file_is_three_fleets(tmp_path: Path) -> None:
    """As the page says of it, roles and all."""
    file = tmp_path / "fleets.toml"
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file.write_text(example)

    fleets = load_fleets({}, file)

    assert [(f.fleet, f.region, f.rate, f.share) for f in fleets] == [
        ("genomics", "eu-west-1", 20.0, 2.0),
        ("imaging", "eu-west-1", 10.0, 1.0),
        ("imaging/us", "us-east-1", 5.0, 1.0),
    ]
    assert {(f.external_id, f.workers) for f in fleets} == {("fleetpoll-4f1c9a", 8)}


def test_what_all_have_in_common_is_in_its_table() -> None:
    """Who wonders why a section may not have a setting finds it there."""
    table = PAGE.partition("| common to all")[2].partition("\n\n")[0]

    assert {name for name in re.findall(r"`(\w+)`", table) if name in SHARED} == SHARED


def test_every_command_that_it_shows_is_one() -> None:
    """The options between `fleetpoll` and the command are the root's."""
    shown = re.findall(r"(?:^|`)fleetpoll (?:--fleet \w+ )?([a-z]+)\b", PAGE, re.MULTILINE)

    assert {"worker", "status", "budget", "doctor", "acl"} <= {*shown} <= {*root.commands}


def test_the_policies_that_it_names_are_there() -> None:
    """What is in them is held against the code in tests/security/test_iam.py."""
    named = re.findall(r"\((\.\./[\w./-]+)\)", PAGE)

    assert {Path(name).stem for name in named} >= {"poller", "trust", "assume"}
    assert all((ROOT / "docs" / name).resolve().is_file() for name in named)

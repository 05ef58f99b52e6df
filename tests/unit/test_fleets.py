"""Many fleets in one file: which setting wins, what a section may have, and how a fleet is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.fleets import load_fleets, names_of
from fleetpoll.settings import NAMES, SHARED, Settings, load

ROLE = "arn:aws:iam::123456789012:role/poller"
TWO = f"""
rate = 8
freshness = 3
redis_url = "redis://all"

[fleets.eu]
region = "eu-west-1"
rate = 20

[fleets."prod/us.1"]
region = "us-east-1"
role_arn = "{ROLE}"
external_id = "xid"
share = 2.5
[fleets."prod/us.1".weights]
RUNNABLE = 1.0
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of settings."""

    def file(text: str) -> Path:
        path = tmp_path / "fleets.toml"
        path.write_text(text)
        return path

    return file


def refusal(config: Path, environ: dict[str, str] | None = None, **flags: Any) -> str:
    """The sentence with which the fleets of a file are refused, without the file's folder."""
    with pytest.raises(SettingsError) as caught:
        load_fleets(environ or {}, config, flags)
    return str(caught.value).replace(f"{config.parent}/", "")


def test_each_section_is_a_fleet(write: Write) -> None:
    """In the order of the file, each with what is its own on top of what all have in common."""
    eu, us = load_fleets({}, write(TWO))

    common: dict[str, Any] = {"redis_url": "redis://all", "freshness": 3.0}
    assert eu == Settings(fleet="eu", region="eu-west-1", rate=20.0, **common)
    role: dict[str, Any] = {"role_arn": ROLE, "external_id": "xid", "share": 2.5, "weights": {"RUNNABLE": 1.0}}
    assert us == Settings(fleet="prod/us.1", region="us-east-1", rate=8.0, **role, **common)


@pytest.mark.parametrize("text", ["", "rate = 3\n", 'fleet = "mine"\n'])
def test_a_file_without_sections_is_one_fleet(write: Write, text: str) -> None:
    """All is as it is without this module."""
    config = write(text)

    assert load_fleets({}, config, {"workers": 2}) == (load({}, config, {"workers": 2}),)
    assert load_fleets({}) == (Settings(),)


def test_a_section_wins_over_the_environment_and_flags_over_a_section(write: Write) -> None:
    """A variable is for the whole process: it moves no fleet elsewhere, but holds for those that say nothing themselves."""
    config, environ = write(TWO), {"FLEETPOLL_REGION": "ap-south-1", "FLEETPOLL_RATE": "5", "FLEETPOLL_FRESHNESS": "4"}

    assert [(f.region, f.rate, f.freshness) for f in load_fleets(environ, config)] == [
        ("eu-west-1", 20.0, 4.0),
        ("us-east-1", 5.0, 4.0),
    ]
    assert [f.rate for f in load_fleets(environ, config, {"rate": "2"})] == [2.0, 2.0]


@pytest.mark.parametrize("sources", [{"environ": {"FLEETPOLL_FLEET": "eu"}}, {"environ": {}, "flags": {"fleet": "eu"}}])
def test_a_fleet_is_named_by_a_flag_or_by_the_environment(write: Write, sources: dict[str, Any]) -> None:
    """Then there is no other, and its flags may say what they like."""
    config = write(TWO)

    (eu,) = load_fleets(config=config, **sources)
    assert eu == load(config=config, **sources)
    assert (eu.fleet, eu.region, eu.rate) == ("eu", "eu-west-1", 20.0)
    flags = sources.get("flags", {}) | {"region": "eu-west-2"}
    assert load(sources["environ"], config, flags).region == "eu-west-2"


def test_the_only_fleet_need_not_be_named(write: Write) -> None:
    """One section, one fleet."""
    assert load({}, write('[fleets.eu]\nregion = "eu-west-1"\n')).fleet == "eu"


def test_of_several_one_must_be_named(write: Write) -> None:
    """The refusal says how, and which there are; a name that there is not has its neighbour."""
    config = write(TWO)

    with pytest.raises(
        SettingsError, match=r"Which fleet\? Name one by --fleet, FLEETPOLL_FLEET or the schema .*: .* has eu, prod/us\.1\."
    ):
        load({}, config)
    said = "fleets.toml has no [fleets.prod/us]; did you mean prod/us.1? It has eu, prod/us.1."
    assert refusal(config, fleet="prod/us") == said


@pytest.mark.parametrize(
    "flags",
    [{"region": "eu-west-1"}, {"role_arn": ROLE + "2"}, {"external_id": "other"}],
    ids=lambda flags: next(iter(flags)),
)
def test_flags_do_not_make_one_fleet_of_several(write: Write, flags: dict[str, Any]) -> None:
    """What says whose account and Region it is cannot be overruled for all at once."""
    said = refusal(write(TWO), **flags)

    assert said.startswith(f"the command line: {next(iter(flags))} would be that of all 2 fleets, and [fleets.prod/us.1]")
    assert said.endswith("Name one fleet by --fleet, or set it in the sections.")


def test_flags_may_say_for_all_what_no_section_does(write: Write) -> None:
    """A trial of all fleets against a simulator, by one profile."""
    fleets = load_fleets({}, write(TWO), {"endpoint_url": "http://localhost", "profile": "mine"})

    assert {(f.endpoint_url, f.profile) for f in fleets} == {("http://localhost", "mine")}


@pytest.mark.parametrize("name", sorted(SHARED))
def test_what_all_have_in_common_is_no_setting_of_a_section(write: Write, name: str) -> None:
    """The refusal says where it belongs."""
    said = refusal(write(f'[fleets.eu]\n{name} = "1"\n'))

    where = "what the section is called" if name == "fleet" else "at the top of the file, above the sections"
    assert said.startswith(f"fleets.toml [fleets.eu]: {name} is ")
    assert where in said


def test_all_else_may_stand_in_a_section(write: Write) -> None:
    """Every setting is either a process' or a fleet's."""
    own = [name for name in NAMES if name not in SHARED]
    fleet = Settings(
        role_arn=ROLE, region="r", profile="p", endpoint_url="u", external_id="xid", rate_min=1, rate_start=2, burst=3
    )
    lines = [f"{name} = {getattr(fleet, name)!r}" for name in own if not isinstance(getattr(fleet, name), dict)]

    (loaded,) = load_fleets({}, write("[fleets.default]\n" + "\n".join(lines)))

    assert loaded == fleet


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fleets.eu]\nregoin = 'x'\n", "[fleets.eu]: there is no setting 'regoin'; did you mean region?"),
        ("[fleets.eu]\nrate = 'x'\n", "[fleets.eu]: rate = 'x' will not do"),
        ("[fleets.eu]\nrate_min = 11\n", "[fleets.eu]: rate_min (11) is above rate (10)"),
        ("rate_min = 6\n[fleets.eu]\nrate = 5\n", "[fleets.eu]: rate_min (6) is above rate (5)"),
        ("[fleets.eu]\nshare = 0\n", "[fleets.eu]: share = 0 will not do"),
        ("[fleets.eu]\nexternal_id = 'xid'\n", "[fleets.eu]: external_id goes with role_arn"),
        (
            "[fleets.eu]\nrole_arn = 'poller'\n",
            "role_arn = 'poller' will not do: give the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME.",
        ),
        (
            "[fleets.eu]\nrole_arn = 'arn:aws:iam::123456789012:user/me'\n",
            "role_arn = 'arn:aws:iam::123456789012:user/me' will",
        ),
        (
            "[fleets.prod.eu]\nrate = 5\n",
            "there is no setting 'eu'. The name of a fleet that has one of . / @ + in it needs",
        ),
        ("[fleets.prod/eu]\nrate = 5\n", 'needs quotes: [fleets."prod/eu"].'),
        ("[fleets.'no spaces']\n", "[fleets.no spaces]: fleet = 'no spaces' will not do"),
        ("[fleets]\nrate = 5\n", "[fleets.rate] is no section with settings"),
        (
            "fleets = ['eu', 'us']\n",
            "fleets.toml: fleets is no list of fleets: give each a section of its own, [fleets.NAME].",
        ),
        ("[[fleets]]\nname = 'eu'\n", "fleets is no list of fleets"),
        ("[fleet.eu]\nrate = 5\n", "fleets.toml: [fleet.NAME] is no section; did you mean [fleets.NAME]?"),
        ("[fleetss.eu]\nrate = 5\n", "fleets.toml: there is no setting 'fleetss'; did you mean fleets?"),
    ],
)
def test_nonsense_in_a_section_is_refused_by_its_place(write: Write, text: str, said: str) -> None:
    """Where it stands, what it is, and what to do."""
    assert said in refusal(write(text))


def test_a_bad_section_is_found_whichever_fleet_is_meant(write: Write) -> None:
    """A misspelt word is not passed over because somebody asked for another fleet."""
    assert "did you mean rate?" in refusal(write("[fleets.eu]\n[fleets.us]\nrat = 3\n"), fleet="eu")


def test_no_sections_are_no_fleets(write: Write) -> None:
    """An empty table says nothing."""
    assert load_fleets({}, write("[fleets]\n")) == (Settings(),)


def test_the_names_of_a_file_are_told_to_who_completes_them(write: Write) -> None:
    """In its order; none without a file."""
    assert names_of(write(TWO)) == ["eu", "prod/us.1"]
    assert names_of(None) == []

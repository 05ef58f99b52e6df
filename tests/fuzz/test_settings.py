"""Every setting with junk, from each of its sources: refused with a sentence that names it, or good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetpoll.errors import SettingsError
from fleetpoll.fleets import load_fleets
from fleetpoll.settings import NAMES, Settings, load
from tests.fuzz.profiles import junk, long, quick

values = (
    junk
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.lists(junk, max_size=2)
    | st.dictionaries(junk, st.floats() | junk, max_size=2)
    | st.binary(max_size=5)
)


def check(name: str, **sources: Any) -> None:
    """Load settings with something in one of its sources."""
    try:
        loaded = load(**{"environ": {}} | sources)
    except SettingsError as error:
        assert name in str(error) or "is not TOML" in str(error)
        assert len(str(error)) < 1000
    else:
        assert isinstance(loaded, Settings)
        assert load({}, flags={name: getattr(loaded, name)}) == loaded


def check_all(name: str, text: str, value: Any, tmp_path: Path) -> None:
    """One setting from the environment, from the command line, from Python, and from a file."""
    check(name, environ={f"FLEETPOLL_{name.upper()}": text})
    check(name, flags={name: text})
    check(name, flags={name: value})
    file = tmp_path / "settings.toml"
    file.write_bytes(f"{name} = {json.dumps(text, ensure_ascii=False)}\n".encode("utf-8", "surrogatepass"))
    check(name, config=file)


@pytest.mark.parametrize("name", NAMES)
@quick(8)
@given(text=junk, value=values)
@example(text="\x00", value=float("nan"))
def test_a_setting(name: str, text: str, value: Any, tmp_path: Path) -> None:
    """A few dozen of them, the same each time."""
    check_all(name, text, value, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
@long(500)
@given(text=junk, value=values)
def test_a_setting_at_length(name: str, text: str, value: Any, tmp_path: Path) -> None:
    """Thousands."""
    check_all(name, text, value, tmp_path)


@quick(100)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_a_file_of_anything(content: bytes, tmp_path: Path) -> None:
    """It is read, or named as what cannot be."""
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    try:
        load({}, config=file)
    except SettingsError as error:
        assert str(file) in str(error)


@quick(60)
@given(
    name=junk,
    key=junk | st.sampled_from(NAMES),
    value=junk | st.integers() | st.dictionaries(junk, st.integers(), max_size=1),
)
@example(name="eu", key="rate", value={"eu": 1})
@example(name="x" * 5000, key="rate", value=1)
@example(name="eu", key="x" * 5000, value={"eu": 1})
def test_a_section_of_anything(name: str, key: str, value: Any, tmp_path: Path) -> None:
    """It is a fleet, or refused by its place in words of bounded length."""
    said = json.dumps(value) if not isinstance(value, dict) else "{" + ", ".join(f"{json.dumps(k)} = 1" for k in value) + "}"
    file = tmp_path / "sections.toml"
    text = f"[fleets.{json.dumps(name)}]\n{json.dumps(key)} = {said}\n[fleets.other]\n"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = load_fleets({}, file)
    except SettingsError as error:
        assert "[fleets." in str(error) or "is not TOML" in str(error)
        assert len(str(error)) < 1000
    else:
        assert {fleet.fleet for fleet in found} == {name, "other"}


@quick(60)
@given(name=junk, value=junk)
def test_a_setting_that_there_is_not(name: str, value: str) -> None:
    """From the environment: refused by name, unless somebody else's variable; a path that is none is named, too."""
    for sources in ({"environ": {f"FLEETPOLL_{name}": value}}, {"environ": {}, "config": name}):
        try:
            load(**sources)
        except SettingsError as error:
            assert str(error)

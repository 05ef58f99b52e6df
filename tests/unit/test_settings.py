"""Settings: where they come from, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.settings import NAMES, Settings, load


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration file with a few settings."""
    path = tmp_path / "fleetpoll.toml"
    path.write_text('fleet = "from-file"\nrate = 20\nworkers = 7\nburst = 3.5\n')
    return path


def refusal(environ: dict[str, str], config: Path | None = None, flags: dict[str, Any] | None = None) -> str:
    """The sentence with which settings are refused."""
    with pytest.raises(SettingsError) as caught:
        load(environ, config, flags)
    return str(caught.value)


def test_without_any_source_the_defaults_hold() -> None:
    """Nothing needs to be set."""
    assert load({}) == Settings()
    assert load({"HOME": "/nowhere", "fleetpoll_rate": "3"}, None, {}) == Settings()


def test_a_file_wins_over_the_defaults(config: Path) -> None:
    """What the file does not name stays as it is by default."""
    assert load({}, config) == Settings(fleet="from-file", rate=20.0, workers=7, burst=3.5)


def test_the_environment_wins_over_the_file(config: Path) -> None:
    """A variable is the setting's name in capitals behind the prefix, and its text is read as the setting's type."""
    loaded = load({"FLEETPOLL_RATE": "30.5", "FLEETPOLL_LOG_LEVEL": "debug"}, config)

    assert (loaded.rate, loaded.log_level, loaded.fleet, loaded.workers) == (30.5, "debug", "from-file", 7)


def test_flags_win_over_the_environment(config: Path) -> None:
    """A flag is the last word; one that was not given (None) says nothing."""
    loaded = load({"FLEETPOLL_RATE": "30", "FLEETPOLL_WORKERS": "8"}, config, {"rate": 40.0, "workers": None})

    assert (loaded.rate, loaded.workers, loaded.fleet) == (40.0, 8, "from-file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "fast"),
        ("rate", "0"),
        ("rate", "-1"),
        ("rate", "nan"),
        ("rate", "inf"),
        ("burst", "0.5"),
        ("workers", "0"),
        ("workers", "1.5"),
        ("missing_grace", "-1"),
        ("missing_checks", "0"),
        ("fleet", "no spaces"),
        ("fleet", "no{tags}"),
        ("fleet", "line\n"),
        ("fleet", "x" * 65),
        ("log_format", "xml"),
        ("log_level", "INFO"),
    ],
)
def test_a_bad_value_is_refused_with_its_source_and_its_name(tmp_path: Path, name: str, value: str) -> None:
    """Wherever a value comes from, the refusal says where from, for which setting, and what was given."""
    path = tmp_path / "bad.toml"
    path.write_text(f"{name} = {json.dumps(value)}\n")

    sentences = {
        "the environment": refusal({f"FLEETPOLL_{name.upper()}": value}),
        str(path): refusal({}, path),
        "the command line": refusal({}, None, {name: value}),
    }

    for source, sentence in sentences.items():
        assert sentence.startswith(f"{source}: {name} = {value!r} will not do: ")


def test_one_of_a_few_words_is_asked_for_by_all_of_them() -> None:
    """And what was given in place of one is told once, and not at length."""
    sentence = refusal({"FLEETPOLL_CADENCE": "x" * 250})
    assert sentence.endswith("xxx… will not do: give learned, elastic, even.")
    assert sentence.count("x") < 100


def test_an_endless_number_of_the_file_is_refused(tmp_path: Path) -> None:
    """TOML has a word for infinity; no setting has a use for it."""
    path = tmp_path / "endless.toml"
    path.write_text("visibility = inf\n")

    assert refusal({}, path) == f"{path}: visibility = inf will not do: give a finite number."


def test_an_unknown_variable_is_refused_with_the_nearest_known() -> None:
    """A misspelt variable is not passed over in silence."""
    assert refusal({"FLEETPOLL_RAET": "3"}).endswith("FLEETPOLL_RAET, which is no setting; did you mean FLEETPOLL_RATE?")
    assert refusal({"FLEETPOLL_CONFIGG": "3"}).endswith("did you mean FLEETPOLL_CONFIG?")


def test_an_unknown_key_is_refused_with_the_nearest_known(tmp_path: Path) -> None:
    """A misspelt key of the file, or a flag, is refused by its name."""
    path = tmp_path / "typo.toml"
    path.write_text("visibilty = 3\n")

    assert refusal({}, path) == f"{path}: there is no setting 'visibilty'; did you mean visibility?"
    assert refusal({}, None, {"qqqq": 1}) == "the command line: there is no setting 'qqqq'."


def test_the_variable_that_names_the_file_is_no_setting(config: Path) -> None:
    """FLEETPOLL_CONFIG belongs to the command line: it is neither refused nor read here."""
    assert load({"FLEETPOLL_CONFIG": str(config)}) == Settings()
    assert "config" not in NAMES


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"visibility": 48.0}, "visibility (48 s) must be longer than token_wait + connect_timeout + read_timeout"),
        ({"token_wait": 40.0}, "(68 s)"),
        ({"rate_min": 11.0}, "rate_min (11) is above rate (10)"),
        ({"rate_start": 11.0}, "rate_start (11) is above rate (10)"),
        ({"freshness_by_status": {"RUNABLE": 30.0}}, "'RUNABLE' is no status; did you mean RUNNABLE?"),
        ({"freshness_by_status": {"SUCCEEDED": 30.0}}, "'SUCCEEDED' is no status"),
        ({"stuck_after": 23.0}, "stuck_after (23 s) must be longer than one call may take"),
        ({"read_timeout": 57.0, "visibility": 600.0}, "read_timeout = 60 s), else healthy workers are replaced"),
    ],
)
def test_values_that_make_no_sense_beside_each_other_are_refused(flags: dict[str, Any], words: str) -> None:
    """Each value alone would do; the refusal says how they relate and what to change."""
    assert words in refusal({}, None, flags)


def test_relations_hold_over_all_sources(config: Path) -> None:
    """What the file allows may be refused because of the environment, but a flag may mend it."""
    assert "rate_min (25) is above rate (20)" in refusal({"FLEETPOLL_RATE_MIN": "25"}, config)
    assert load({"FLEETPOLL_RATE_MIN": "25"}, config, {"rate": 25.0}).rate_min == 25.0


def test_relations_hold_at_their_edges() -> None:
    """A lease may end any moment after its call; the floor may be the ceiling."""
    assert Settings(visibility=48.1, stuck_after=23.1, rate=0.5).visibility == 48.1


@pytest.mark.parametrize(("rate", "rate_min", "floor"), [(0.25, None, 0.25), (10.0, None, 0.5), (10.0, 2.0, 2.0)])
def test_the_floor_is_half_a_call_a_second_unless_it_is_set(rate: float, rate_min: float | None, floor: float) -> None:
    """By default min(0.5, rate), so that a slow ceiling needs no second setting."""
    assert Settings(rate=rate, rate_min=rate_min).floor_rate == floor


@pytest.mark.parametrize(
    "given",
    [
        {"fleet": "x} y"},
        {"missing_checks": 0},
        {"rate": -1.0},
        {"rate": float("nan")},
        {"workers": "4"},
        {"log_level": ""},
    ],
)
def test_settings_made_by_a_program_are_held_to_the_same_rules(given: dict[str, Any]) -> None:
    """What the command line refuses is refused of Python, too."""
    with pytest.raises(SettingsError, match=next(iter(given))):
        Settings(**given)


def test_a_variable_that_is_empty_is_not_set() -> None:
    """Compose files and units write NAME= for what they do not know."""
    assert load({"FLEETPOLL_BURST": "", "FLEETPOLL_RATE": ""}) == Settings()


def test_what_kubernetes_says_of_a_service_is_no_setting() -> None:
    """A Service named fleetpoll-redis puts its addresses into the environment of every container."""
    links = ["REDIS_SERVICE_HOST", "REDIS_SERVICE_PORT", "REDIS_PORT", "REDIS_PORT_6379_TCP", "REDIS_PORT_6379_TCP_ADDR"]

    assert load({f"FLEETPOLL_{link}": "tcp://10.0.0.1:6379" for link in links}) == Settings()


def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    """A missing file and a directory are no files of settings."""
    missing = tmp_path / "missing.toml"

    assert refusal({}, missing) == f"The configuration file {missing} cannot be read: No such file or directory."
    assert refusal({}, tmp_path) == f"The configuration file {tmp_path} cannot be read: Is a directory."


@pytest.mark.parametrize("content", [b"rate = ", b"rate 10\n", b'fleet = "\xff"\n', b"rate = 1\nrate = 2\n"])
def test_a_file_that_is_not_toml_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    """The refusal names the file, and where it goes wrong."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    assert refusal({}, path).startswith(f"The configuration file {path} is not TOML: ")


def test_settings_cannot_be_changed() -> None:
    """They are one frozen value, safe to hand to every process."""
    with pytest.raises(AttributeError):
        setattr(Settings(), "rate", 3.0)  # noqa: B010 - mypy knows that it is frozen


@pytest.mark.parametrize(("rate", "rate_start", "start"), [(2.0, None, 2.0), (40.0, None, 5.0), (40.0, 20.0, 20.0)])
def test_the_search_for_the_limit_begins_low_unless_it_is_set(rate: float, rate_start: float | None, start: float) -> None:
    """Where nobody knows AWS's limit, a fleet that is told 40 begins with 5."""
    assert Settings(rate=rate, rate_start=rate_start).start_rate == start


def test_a_table_can_be_written_in_one_line(tmp_path: Path) -> None:
    """In the environment and on the command line as NAME=VALUE, in a file as TOML's own table."""
    file = tmp_path / "fleetpoll.toml"
    file.write_text("[freshness_by_status]\nRUNNABLE = 60\nSTARTING = 2.5\n")

    for found in (
        load({"FLEETPOLL_FRESHNESS_BY_STATUS": "RUNNABLE=60, STARTING=2.5"}),
        load({}, flags={"freshness_by_status": "RUNNABLE=60 STARTING=2.5"}),
        load({}, file),
    ):
        assert found.freshness_by_status == {"RUNNABLE": 60.0, "STARTING": 2.5}


@pytest.mark.parametrize("text", ["RUNNABLE", "RUNNABLE=", "RUNNABLE=soon", "RUNNABLE=-1", "=5"])
def test_a_table_that_cannot_be_read_is_refused_by_its_name(text: str) -> None:
    """A word that is no NAME=VALUE does not pass in silence."""
    assert "freshness_by_status" in refusal({"FLEETPOLL_FRESHNESS_BY_STATUS": text})

"""What the command line makes of words, files and settings, before anything is asked of anybody."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from click.testing import Result as Done

from fleetpoll import errors
from fleetpoll.cadence.prediction import Prediction
from fleetpoll.cli import exits
from fleetpoll.cli.jobs import ending
from fleetpoll.cli.reading import read_ids
from fleetpoll.cli.render import span
from fleetpoll.cli.root import COMMANDS, root
from fleetpoll.cli.wait import exit_code
from fleetpoll.client.waiting import Waited
from fleetpoll.errors import FleetpollError, SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.text import safe

ID = "4f0c1b5e-6c1d-4a55-9a25-0f7f6a2d8b11"


def run(*words: str, **env: str) -> Done:
    """A command in this process."""
    return CliRunner(env=env).invoke(root, words)


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    """The short help that is shown without loading a command is the first sentence of its own help."""
    for later in COMMANDS:
        command = later.load()
        assert command.name == later.name
        assert later.short_help == inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " ")


def all_commands(group: click.Group) -> list[click.Command]:
    """Every command that can be called, groups included."""
    found: list[click.Command] = []
    for command in group.commands.values():
        found += [command, *(all_commands(command) if isinstance(command, click.Group) else [])]
    return found


def test_every_option_and_command_explains_itself() -> None:
    """There is no command and no option without a help text, and every command answers to --help."""
    groups = [later.load() for later in COMMANDS]
    nested = [inner for group in groups if isinstance(group, click.Group) for inner in all_commands(group)]
    for command in [*groups, *nested]:
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))
    for later in COMMANDS:
        assert run(str(later.name), "--help").exit_code == 0


def test_every_error_has_an_exit_code() -> None:
    """Each class of the error tree ends with a code that is not that of another kind of end."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FleetpollError)]
    codes = {kind.__name__: exits.of(kind("x")) for kind in kinds}
    assert codes["SettingsError"] == exits.USAGE
    assert codes["RedisUnavailable"] == codes["EmbeddedError"] == codes["Unreachable"] == exits.UNAVAILABLE
    assert codes["Throttled"] == codes["TokenRefused"] == exits.TRY_AGAIN
    assert codes["AccessDenied"] == exits.DENIED
    assert codes["BadRequest"] == exits.REFUSED
    assert not set(codes.values()) & {exits.OK, exits.SOME_FAILED, exits.UNKNOWN, exits.TIMED_OUT, exits.INTERRUPTED}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--run", "5", "--life", "3"), "give one of them"),
        (("--wait", "3"), "Give --run"),
        (("--run", "x"), "'x' is not MEDIAN:SIGMA"),
        (("--run", "5:0.2", "--wait", "1:y"), "'1:y' is not MEDIAN:SIGMA"),
        (("--run", "0"), "run_s is 0: give a median above 0"),
    ],
)
def test_times_that_make_no_sense_are_refused_before_anybody_is_asked(words: tuple[str, ...], sentence: str) -> None:
    """`simulate submit` says what is wrong with --life, --run and --wait, whether or not there is a simulator."""
    done = run("simulate", "submit", "--url", "http://127.0.0.1:1", *words)
    assert done.exit_code == exits.USAGE or isinstance(done.exception, SettingsError)
    assert sentence in done.output + str(done.exception)


def test_ids_come_from_arguments_and_files(tmp_path: Path) -> None:
    """Blank lines and comments are skipped, a node's # is no comment, and an id that is given twice counts once."""
    listed = tmp_path / "ids"
    listed.write_text(f"\ufeff# all of them\n\n  {ID}:1 # the second\n{ID}#3\t# a node\r\n{ID}\n   # end")
    assert read_ids([ID], [str(listed)]).good == [ID, f"{ID}:1", f"{ID}#3"]


def test_bad_ids_are_named_by_line(tmp_path: Path) -> None:
    """The first ten bad ids are named with their lines, the others are counted, and nothing in them reaches the terminal."""
    listed = tmp_path / "ids"
    listed.write_text(f"{ID}\n" + "bad\x1b[31m\n" * 15)
    with pytest.raises(SettingsError) as caught:
        read_ids(["worse"], [str(listed)])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("Not a job id (a UUID, UUID:index or UUID#node): 16.")
    assert lines[1] == "  argument 1: worse"
    assert lines[2] == f"  {listed}, line 2: bad\\x1b[31m"
    assert lines[-1] == "  and 6 more"
    assert len(lines) == 12


def test_no_ids_are_an_error_but_an_empty_file_is_not(tmp_path: Path) -> None:
    """Forgotten arguments are told apart from a list that happens to be empty."""
    empty = tmp_path / "ids"
    empty.touch()
    assert read_ids([], [str(empty)]).good == []
    assert "No ids are given" in run("track").stderr
    assert run("track").exit_code == exits.USAGE


def test_a_file_that_is_not_there_is_named() -> None:
    """A wrong -f ends with one sentence."""
    done = run("track", "-f", "nowhere.txt")
    assert (done.exit_code, done.stderr) == (2, "fleetpoll: nowhere.txt cannot be read: No such file or directory.\n")
    assert run("track", "-f", "no\0where").stderr == "fleetpoll: no\\x00where cannot be read: that is no path.\n"


def test_an_unknown_setting_in_the_environment_is_refused() -> None:
    """A misspelt variable is not passed over in silence: the command says which one was meant."""
    done = run("status", FLEETPOLL_RAET="3")
    assert done.exit_code == exits.USAGE
    assert "FLEETPOLL_RAET" in done.stderr
    assert "did you mean FLEETPOLL_RATE?" in done.stderr


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Which source counts shows in who is blamed for a value that will not do."""
    config = tmp_path / "fleet.toml"
    config.write_text("rate = -1\n")
    env = {"FLEETPOLL_CONFIG": str(config)}
    assert f"{config}: rate" in run("worker", **env).stderr
    assert "the environment: rate" in run("worker", **env | {"FLEETPOLL_CONFIG": "", "FLEETPOLL_RATE": "-2"}).stderr
    assert "the command line: rate" in run("worker", "--rate", "-3").stderr
    assert "the command line: workers" in run("worker", "-n", "0").stderr


def test_a_cursor_must_look_like_one() -> None:
    """A word that is no cursor is refused with an example of one."""
    done = run("events", "--since", "yesterday")
    assert done.exit_code == exits.USAGE
    assert "1732276800000-0" in done.stderr


def test_a_rate_and_unpin_exclude_each_other() -> None:
    """`budget set` wants exactly one of the two."""
    assert run("budget", "set").exit_code == exits.USAGE
    assert run("budget", "set", "3", "--unpin").exit_code == exits.USAGE


def test_text_from_elsewhere_is_made_harmless() -> None:
    """Control characters, escape sequences and bidi overrides are shown, not obeyed; other letters stay."""
    assert safe("jöb 日本 [bold]") == "jöb 日本 [bold]"
    assert safe("a\x1b]0;x\x07\nb\x9b\u202e\x7f") == "a\\x1b]0;x\\x07\\nb\\x9b\\u202e\\x7f"


def test_durations_are_short() -> None:
    """Two figures are enough for a glance."""
    assert [span(s) for s in (None, 0.04, 9.94, 61, 120, 7200, 400_000)] == [
        "-",
        "0.0 s",
        "9.9 s",
        "61 s",
        "2 m",
        "2 h",
        "5 d",
    ]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Prediction(70_000, 280_000, 430_000, 9), "ends in 4 m (60 s … 7 m)"),
        (Prediction(70_000, 280_000, None, 9), "ends in 4 m (60 s or more)"),
        (Prediction(70_000, None, None, 9), "ends in 60 s or more"),
        (Prediction(None, None, None, 9), "has taken longer than any of 9 jobs before"),
        (Prediction(9_990, 9_995, 10_500, 9), "ends in 0.0 s (0.0 s … 0.5 s)"),
    ],
)
def test_an_expected_end_in_words(end: Prediction, words: str) -> None:
    """As far as it is known, and never in the past: ten seconds after the epoch here."""
    assert ending(end, 10_000) == words


@pytest.mark.parametrize(
    ("reached", "pending", "gone", "code"),
    [
        ([JobStatus.SUCCEEDED, JobStatus.RUNNING], [], [], 0),
        ([JobStatus.SUCCEEDED, JobStatus.FAILED], [], [], 1),
        ([JobStatus.FAILED, JobStatus.LOST], [], [], 3),
        ([JobStatus.REJECTED], [], [], 3),
        ([JobStatus.FAILED, JobStatus.EXPIRED], [], [], 3),
        ([JobStatus.SUCCEEDED], [], ["x"], 3),
        ([JobStatus.LOST], ["x"], [], 124),
    ],
)
def test_the_exit_code_of_a_wait(reached: list[JobStatus], pending: list[str], gone: list[str], code: int) -> None:
    """Timed out before lost or gone, these before failed: who sees 1 knows that nothing worse happened."""
    waited = Waited({str(n): status for n, status in enumerate(reached)}, pending, gone)
    assert exit_code(waited) == code


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Give --to URL or --exec CMD"),
        (("--to", "https://example.org", "--exec", "true"), "two places"),
        (("--to", "http://example.org"), "add --insecure"),
        (("--exec", "no-such-command"), "no command that can be run"),
        (("--exec", "true", "--only", "DONE"), "'DONE' is no status"),
        (("retry", "--all"), "Give --to URL or --exec CMD"),
    ],
)
def test_a_relay_that_will_not_do_is_refused_before_anything_is_read(words: tuple[str, ...], sentence: str) -> None:
    """One place to send to, that can be reached as it should."""
    done = run("relay", *words)
    assert done.exit_code == exits.USAGE
    assert sentence in " ".join(done.output.split())


def test_a_wrong_secret_is_not_repeated() -> None:
    """Not even to who has given it."""
    done = run("relay", "--to", "https://example.org", FLEETPOLL_RELAY_SECRET="hush-hush")
    assert (done.exit_code, "hush" in done.output) == (exits.USAGE, False)

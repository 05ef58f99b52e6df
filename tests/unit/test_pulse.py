"""A supervisor's pulse, felt through the file system alone."""

from __future__ import annotations

import os
from pathlib import Path
from shutil import rmtree

import pytest

from fleetpoll.client import pulse as pulse_module
from fleetpoll.client.pulse import STALE_S, Pulse, directories, feel, living, namespace

FLEETS = ["pulse/of-a-test", "another"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's pulses go."""
    monkeypatch.setattr(pulse_module, "BASES", (tmp_path, *pulse_module.BASES))
    return directories()[0]


def test_a_supervisor_that_turns_is_felt_by_those_who_ask_for_its_fleets(folder: Path) -> None:
    """As long as it stamps; not by others, and not after it left."""
    now = [1000.0]
    pulse = Pulse(FLEETS, lambda: now[0])
    assert not living(FLEETS).good
    pulse.beat()

    assert [(felt.pid, felt.age_s) for felt in feel(["another"], lambda: 1010.0)] == [(os.getpid(), 10.0)]
    assert feel(["a third"], lambda: 1010.0) == []
    assert not feel(FLEETS, lambda: 1001.0 + STALE_S)[0].alive
    assert not feel(FLEETS, lambda: 999.0)[0].alive  # a stamp of before the last boot
    now[0] = 1002.0 + STALE_S
    pulse.beat()
    assert feel(FLEETS, lambda: 1001.0 + STALE_S + 2)[0].alive
    pulse.end()
    assert list(folder.iterdir()) == []


def test_a_supervisor_that_stands_still_is_told_from_none(folder: Path) -> None:
    """By its process id, for whoever wants to see what it does."""
    Pulse(FLEETS, lambda: 1.0).beat()
    verdict = living(FLEETS)
    assert not verdict.good
    assert f"pid {os.getpid()} stands still" in verdict.words


def test_what_the_dead_left_is_removed(folder: Path) -> None:
    """By the next that begins; an entry that is no pulse stays."""
    folder.mkdir(mode=0o700)
    gone, other = folder / f"{2**22 + 1}-{namespace()}.pulse", folder / "mine.txt"
    gone.write_text("1.0 another\n")
    other.write_text("1.0 another\n")
    assert feel(FLEETS) == []
    Pulse(FLEETS).beat()
    assert {file.name for file in folder.iterdir()} == {f"{os.getpid()}-{namespace()}.pulse", "mine.txt"}


def test_containers_that_share_a_directory_are_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a number 1: that of the one does not speak for that of the other, and nobody's file grows old there."""
    Pulse(FLEETS).beat()
    forgotten = folder / "1-4.pulse"
    forgotten.write_text("1.0 another\n")
    os.utime(forgotten, (1.0, 1.0))
    monkeypatch.setattr(pulse_module, "namespace", lambda: 7)
    assert not living(FLEETS).good
    Pulse(FLEETS).beat()
    assert living(FLEETS).good
    assert len(list(folder.iterdir())) == 2  # theirs, and ours


def test_a_directory_that_goes_or_fills_takes_no_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a logout the directory of the session is removed: the supervisor goes on in the next one."""
    now = [1000.0]
    pulse, second = Pulse(FLEETS, lambda: now[0]), folder.parent / "second"
    second.mkdir(mode=0o700)
    pulse.beat()

    rmtree(folder)
    folder.touch()  # nothing can be made there any more
    monkeypatch.setattr("fleetpoll.client.pulse.directories", lambda: [folder, second])
    for _ in range(2):
        now[0] += 60.0
        pulse.beat()
        assert [felt.age_s for felt in feel(FLEETS, lambda: now[0])] == [0.0]


def test_a_directory_of_others_is_not_used(folder: Path) -> None:
    """Whoever can write there could say that somebody lives."""
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    pulse = Pulse(FLEETS)
    pulse.beat()
    assert list(folder.iterdir()) == []
    assert feel(FLEETS)[0].alive  # it is in the next directory
    pulse.end()

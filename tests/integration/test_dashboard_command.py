"""`fleetpoll dashboard` as a process: what it says, what it refuses, how it leaves."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from fleetpoll.cli.root import root
from fleetpoll.settings import Settings
from fleetpoll.state.rooms import Rooms
from tests.integration.cli_helpers import Cli
from tests.integration.dashboards import TOKEN, Browser

LEAVE_S = 5.0
"""It takes 0.4 s, and two at most where there is a processor to be had."""


def test_it_says_where_it_is_and_leaves_in_time(redis_url: str, settings: Settings, rooms: Rooms) -> None:
    """With streams open, one of which reads nothing; the token is in no line of its."""
    with Cli(redis_url, settings.fleet).start("dashboard", "--port", "0", FLEETPOLL_DASHBOARD_TOKEN=TOKEN) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("The dashboard is at http://127.0.0.1:")
        browser = Browser(urlsplit(line.split()[-1]).port or 0, {"Authorization": f"Bearer {TOKEN}"})
        with closing(http.client.HTTPConnection("127.0.0.1", browser.port)) as stuck, browser.stream() as stream:
            stuck.request("GET", "/api/stream", headers=browser.headers)
            stream.next("status")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert time.monotonic() - began < LEAVE_S
            with pytest.raises(EOFError):
                stream.next("nothing")
        assert process.stderr.read() == ""


def test_it_refuses_what_would_be_unsafe(redis_url: str, tmp_path: Path) -> None:
    """With a sentence that says what to do, before it listens to anybody."""
    (empty := tmp_path / "empty").write_text("", encoding="utf-8")
    (short := tmp_path / "short").write_text("secret\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = {
            ("--host", "0.0.0.0"): "need a token",  # noqa: S104 - to be refused
            ("--controls",): "Controls need a token",
            ("--token-file", str(short)): "too short",
            ("--token-file", str(empty), "--controls"): "Controls need a token",
            ("--token-file", str(tmp_path / "none")): "cannot be read",
            ("--port", port): "cannot be listened on",
        }
        for words, sentence in refused.items():
            done = CliRunner().invoke(root, ["--redis-url", redis_url, "dashboard", "--port", "0", *words])
            assert (done.exit_code, sentence in done.output) == (2, True), (words, done.output)

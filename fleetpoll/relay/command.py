"""The sink that is a command: run once for each delivery, without a shell, in a process group of its own."""

from __future__ import annotations

import json
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from fleetpoll.clock import Mono, system_mono
from fleetpoll.errors import SettingsError
from fleetpoll.relay.parcels import Answer, Verdict
from fleetpoll.text import bounded, masked

REFUSED = 65
"""The exit code (EX_DATAERR) that says: I am well, and will never take this."""
OUTPUT_MAX = 2000
"""Bytes of what a command writes that are kept."""
LOOK_S = 0.05
"""How often it is looked whether a command is over whose children keep its output open."""
VALUE_MAX = 4096
SECRETS = frozenset({"FLEETPOLL_DASHBOARD_TOKEN", "FLEETPOLL_RELAY_SECRET", "FLEETPOLL_RELAY_TO"})
VARIABLES = {
    "FLEETPOLL_JOB_ID": "job_id",
    "FLEETPOLL_JOB_NAME": "job_name",
    "FLEETPOLL_FROM": "from",
    "FLEETPOLL_TO": "to",
    "FLEETPOLL_EXIT_CODE": "exit_code",
    "FLEETPOLL_REASON": "reason",
}
"""What a command finds of a transition in its environment, if it is given one at a time."""


class Command:
    """Runs `line`, split as a shell would, with the transitions as JSON lines on its standard input.

    Exit code 0 is taken for delivered, 65 for refused, anything else for failed; after `timeout_s` it is killed with its
    children. `heard` is given what it writes.
    """

    def __init__(
        self, line: str, timeout_s: float, heard: Callable[[str, str], None] = lambda *_: None, mono: Mono = system_mono
    ) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise SettingsError(f"--exec: {error}: put quotes around what belongs together.") from None
        if not self._words or shutil.which(self._words[0]) is None:
            raise SettingsError(f"--exec: {self._words[0] if self._words else line!r} is no command that can be run.")
        self.name = bounded(self._words[0], VALUE_MAX)
        self._timeout_s, self._heard, self._mono = timeout_s, heard, mono

    def send(self, message_id: str, items: Sequence[dict[str, Any]]) -> Answer:
        """Run the command once."""
        try:
            with tempfile.TemporaryFile() as stdin:  # a pipe would fill up before a command that does not read
                stdin.writelines(json.dumps(item).encode() + b"\n" for item in items)
                stdin.seek(0)
                code, said = self._run(stdin, environment(os.environ, message_id, items))
        except (OSError, ValueError) as error:
            return Answer(Verdict.FAILED, f"The command cannot be run: {error}")
        words = bounded(masked(said.decode("utf-8", "replace").strip()), OUTPUT_MAX)
        if words:
            self._heard(message_id, words)
        if code == 0:
            return Answer(Verdict.DELIVERED)
        told = f"took longer than {self._timeout_s:g} s" if code is None else f"exit code {code}"
        last = bounded(words.rpartition("\n")[2], 200)
        verdict = Verdict.REFUSED if code == REFUSED else Verdict.FAILED
        return Answer(verdict, f"{told}{': ' if last else ''}{last}")

    def _run(self, stdin: IO[bytes], env: Mapping[str, str]) -> tuple[int | None, bytes]:
        """The exit code, None if it was killed because it took too long; and the beginning of what it wrote."""
        with subprocess.Popen(  # noqa: S603 - to run this command is what we are told
            self._words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True
        ) as process:
            deadline, said = self._mono() + self._timeout_s, b""
            try:
                said = self._listen(process, deadline)
                return process.wait(max(0.0, deadline - self._mono())), said
            except subprocess.TimeoutExpired as late:
                return None, late.output or said
            finally:
                if process.returncode is None:  # else its number may be somebody else's by now
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)

    def _listen(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        """What the process writes until it is over, whoever may keep its output open."""
        assert process.stdout is not None  # noqa: S101 - it was asked for
        said = b""
        os.set_blocking(process.stdout.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                over, left_s = process.poll() is not None, deadline - self._mono()
                if left_s <= 0 and not over:
                    raise subprocess.TimeoutExpired(self._words, self._timeout_s, said)
                if selector.select(0 if over else min(LOOK_S, left_s)):
                    piece = process.stdout.read(65_536)
                    if not piece:
                        return said
                    said = (said + piece)[:OUTPUT_MAX]
                elif over:
                    return said


def environment(own: Mapping[str, str], message_id: str, items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Our own environment without secrets of the relay, and what is delivered in words."""
    env = {name: value for name, value in own.items() if name not in SECRETS and name not in VARIABLES}
    env |= {"FLEETPOLL_EVENT": message_id, "FLEETPOLL_FLEET": str(items[0]["fleet"])}
    if len(items) == 1:
        env |= {name: word(items[0][key]) for name, key in VARIABLES.items()}
    return env


def word(value: Any) -> str:
    """A value as an environment takes it."""
    return "" if value is None else bounded(str(value).replace("\0", ""), VALUE_MAX)

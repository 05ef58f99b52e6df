"""The simulator as a child process, for as long as a `with` block lasts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Self

import msgspec

from fleetpoll.errors import FleetpollError
from fleetpoll.simulator.config import SimulatorConfig
from fleetpoll.simulator.control import ControlClient
from fleetpoll.simulator.flags import to_arguments

if TYPE_CHECKING:
    from types import TracebackType

STOP_S = 10.0


class Simulator(ControlClient):
    """Runs a simulator in a process of its own and speaks to it; it dies with us, however we die.

    A process of its own because it must not share the interpreter lock with what it measures.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        config = msgspec.structs.replace(config or SimulatorConfig(), exit_with_parent=True)
        command = [sys.executable, "-m", "fleetpoll.simulator", *to_arguments(config)]
        # The child finds fleetpoll where we found it: an installed wheel, or a checkout that is not installed.
        env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # A session of its own: Ctrl-C is for us, and the workers that drain then still need somebody who answers.
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and flags
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True
        )
        url = self.process.stdout.readline().strip() if self.process.stdout else ""
        super().__init__(url)
        if not url:
            exit_code = self.close()
            raise FleetpollError(f"the simulator did not start (exit code {exit_code}); its words are on stderr")

    def close(self) -> int:
        """Stop the process and return its exit code; stopping twice is the same as once."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self) -> Self:
        """Itself; it runs already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the process."""
        self.close()

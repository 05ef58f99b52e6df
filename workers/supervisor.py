"""The parent of the pollers: spawns them, replaces those that die or stand still, and takes them down in order.

A poller stamps a shared number each time its own loop turns; one whose stamp is old is stuck, however well its process
looks. A poller that dies before its first stamp, unless somebody killed it, failed to boot: that is answered with longer
and longer pauses, and when none of them ever got further, with giving up, never with a storm of restarts.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Sequence
from ctypes import c_double
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from random import Random

import structlog

from fleetpoll.awsbatch.api import preload_models
from fleetpoll.backoff import doubling_delay
from fleetpoll.client.pulse import Pulse
from fleetpoll.clock import system_mono
from fleetpoll.settings import Settings
from workers import poller
from workers.notify import notify
from workers.orphans import bury_orphans
from workers.stopping import Stopping
from workers.tracing import loaded

TICK_S = 0.5
RESTART_S = (0.5, 30.0)
"""The first and the longest pause before a poller is replaced; doubles while replacements keep dying."""
ASLEEP_S = 3.0
"""Between two looks of our own at the pollers: longer than this, and we did not run either."""
HEALTHY_S = 10.0
"""A poller that lived this long starts its slot's pauses over."""
BOOT_S = 30.0
"""How long a poller may take to its first stamp."""
BOOT_FAILURES = 3
"""Boots that may fail in a row, while none ever succeeded, before the supervisor gives up."""
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
"""Exit codes of a poller that was ended; if not by us, they say nothing of whether it could have booted."""
KILL_AFTER_S = 2.0
"""From the second signal, or the end of the drain, to the kill."""
START = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
"""How a poller begins: as a copy of us, which has loaded everything. Where libraries of the system do not outlive a fork,
it loads everything itself."""
EXIT_BOOT = 3
"""The supervisor's exit code when no poller can boot."""

log = structlog.get_logger("supervisor")


def preload(settings: Settings) -> None:
    """Read what each poller needs, and let no garbage collector write to it: so they all share its memory.

    Raises SettingsError for settings that want what is not installed.
    """
    preload_models(settings)
    loaded(settings)
    gc.collect()
    gc.freeze()


@dataclass(slots=True)
class Slot:
    """One place for a poller, and who sits in it."""

    process: BaseProcess | None
    stamp: c_double
    since: float = 0.0
    deaths: int = 0
    next_start: float = 0.0
    left: bool = False
    overdue: bool = False  # killed by us, because it stood still

    @property
    def booted(self) -> bool:
        """Whether the present poller's loop has turned at least once."""
        return self.stamp.value > 0


class Supervisor:
    """Runs pollers that serve `fleets`, on the Redis at `url`, until told to stop.

    What concerns processes (`workers`, `drain_timeout`, `stuck_after`) is the same for all fleets: the first one's is taken.
    """

    def __init__(self, fleets: Sequence[Settings], url: str) -> None:
        self._fleets, self._url = tuple(fleets), url
        self._settings = settings = self._fleets[0]
        self._slots = [Slot(None, RawValue(c_double, 0.0)) for _ in range(settings.workers)]
        self._stopping = Stopping()
        self._rng = Random()
        self._boot_failures = 0
        self._ever_booted = False
        self._ready = False
        self._last_look = system_mono()
        self._exit = 0
        self._pulse = Pulse(one.fleet for one in fleets)

    def run(self) -> int:
        """Supervise until the end. Returns the exit code."""
        self._stopping.on(signal.SIGTERM, signal.SIGINT)
        log.info("supervisor started", workers=len(self._slots), fleets=[one.fleet for one in self._fleets])
        preload(self._settings)
        self._pulse.beat()  # before any poller's first beat: who sees that finds us alive
        while not self._stopping.drain and not self._over():
            self._fill()
            self._pause()
            self._reap()
            self._replace_stuck()
            self._tell()
        self._drain()
        self._pulse.end()
        log.info("supervisor left", exit_code=self._exit)
        return self._exit

    def _over(self) -> bool:
        """Whether nothing is left to supervise: all left by order, or none can boot."""
        return self._exit != 0 or all(slot.left for slot in self._slots)

    def _fill(self) -> None:
        """Start a poller in every free slot whose pause has passed."""
        now = system_mono()
        for slot in self._slots:
            if slot.process is None and not slot.left and now >= slot.next_start:
                slot.stamp.value, slot.since, slot.overdue = 0.0, now, False
                args = (self._fleets, self._url, slot.stamp)
                process = START.Process(target=poller.main, args=args, name="fleetpoll-poller")
                try:
                    with poller.signals_held():  # until the poller has handlers of its own: ours would do nothing in it
                        process.start()
                except OSError as error:  # no process or memory to be had; others may free some
                    log.error("poller could not be started", error=str(error))  # noqa: TRY400 - the sentence is enough
                    slot.next_start = now + RESTART_S[1]
                else:
                    slot.process = process

    def _pause(self) -> None:
        """Until a child dies, or for a tick."""
        wait_for_any([process.sentinel for process in self._living()], timeout=TICK_S)

    def _reap(self) -> None:
        """Note who died, why, and when the slot is filled again."""
        for slot in self._slots:
            if slot.process is not None and slot.process.exitcode is not None:
                self._bury(slot, slot.process.exitcode)
        bury_orphans([slot.process.pid for slot in self._slots if slot.process is not None])

    def _bury(self, slot: Slot, code: int) -> None:
        now = system_mono()
        pid = slot.process.pid if slot.process else None
        slot.process = None
        if code == poller.EXIT_ORDERED:
            log.info("poller left by order", poller=pid)
            slot.left = True
            return
        if code == poller.EXIT_SETTINGS and not self._ever_booted:  # else a profile that is being rewritten: try again
            self._exit = poller.EXIT_SETTINGS
            return
        if not slot.booted and (slot.overdue or code not in KILLED):
            self._boot_failures += 1
            if not self._ever_booted and self._boot_failures >= BOOT_FAILURES:
                log.error("no poller can boot, giving up", tries=self._boot_failures, exit_code=code)
                self._exit = EXIT_BOOT
                return
        healthy = slot.booted and now - slot.since > HEALTHY_S  # a boot that takes long before it fails is no life
        slot.deaths = 1 if healthy else slot.deaths + 1
        pause_s = doubling_delay(*RESTART_S, slot.deaths) * self._rng.uniform(0.5, 1.0)
        slot.next_start = now + pause_s
        log.warning("poller died, replacing it", poller=pid, exit_code=code, pause_s=round(pause_s, 2))

    def _replace_stuck(self) -> None:
        """Kill pollers whose loop has stood still, so that the next reap replaces them.

        When we have stood still as well (a suspended machine, Ctrl-Z), they get the time to catch up.
        """
        now = system_mono()
        asleep, self._last_look = now - self._last_look > ASLEEP_S, now
        if asleep:
            for slot in self._slots:
                slot.since = now
                if slot.booted:
                    slot.stamp.value = now
            return
        for slot in self._slots:
            if slot.process is None:
                continue
            if slot.booted:
                self._ever_booted, self._boot_failures = True, 0
            idle_s = now - (slot.stamp.value if slot.booted else slot.since)
            if idle_s > (self._settings.stuck_after if slot.booted else BOOT_S):
                log.error("poller is stuck, killing it", poller=slot.process.pid, idle_s=round(idle_s, 1))
                slot.overdue = True
                slot.process.kill()

    def _tell(self) -> None:
        """Tell systemd how it goes, if it listens."""
        if not self._ready and all(slot.booted for slot in self._slots):
            self._ready = True
            notify("READY=1")
        self._turned()

    def _turned(self) -> None:
        """Tell whoever looks after us that this loop turns."""
        notify("WATCHDOG=1")
        self._pulse.beat()

    def _drain(self) -> None:
        """Take the pollers down: drain, stop when the deadline or a second signal comes, then kill."""
        notify("STOPPING=1")
        self._signal_all()
        deadline = system_mono() + self._settings.drain_timeout
        while self._living() and system_mono() < deadline and not self._stopping.now:
            self._pause()
            self._turned()
        if self._living():
            log.warning("stopping now, leases under way end by themselves", pollers=len(self._living()))
            self._signal_all()
            wait_until = system_mono() + KILL_AFTER_S
            while self._living() and system_mono() < wait_until:
                self._pause()
        for process in self._living():
            process.kill()
        for slot in self._slots:
            if slot.process is not None:
                slot.process.join()

    def _living(self) -> list[BaseProcess]:
        return [slot.process for slot in self._slots if slot.process is not None and slot.process.exitcode is None]

    def _signal_all(self) -> None:
        for process in self._living():
            process.terminate()

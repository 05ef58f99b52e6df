"""What a supervisor makes of the ends of its pollers."""

from __future__ import annotations

import pytest

from fleetpoll.clock import system_mono
from fleetpoll.settings import Settings
from workers import poller
from workers.supervisor import BOOT_FAILURES, EXIT_BOOT, HEALTHY_S, Supervisor


def deaths(code: int, *, lived_s: float, booted: bool, before: bool = True, times: int = 6) -> tuple[int, float]:
    """The supervisor's exit code and its longest pause after so many deaths; `before`: pollers have worked before."""
    supervisor = Supervisor([Settings(workers=1)], "redis://nowhere")
    supervisor._ever_booted = before
    (slot,) = supervisor._slots
    pauses_s = []
    for _ in range(times):
        now = system_mono()
        slot.stamp.value, slot.since = now * booted, now - lived_s
        supervisor._bury(slot, code)
        pauses_s.append(slot.next_start - now)
    return supervisor._exit, max(pauses_s)


@pytest.mark.parametrize(("booted", "shortest_s", "longest_s"), [(True, 0.0, 0.6), (False, 8.0, 16.1)])
def test_only_a_life_starts_the_pauses_over(*, booted: bool, shortest_s: float, longest_s: float) -> None:
    """Ten seconds of work do; ten seconds of a boot that then fails, or is killed, do not."""
    _, pause_s = deaths(1, lived_s=HEALTHY_S + 1, booted=booted)

    assert shortest_s <= pause_s <= longest_s


def test_settings_that_were_good_before_are_tried_again() -> None:
    """A poller that is replaced while somebody rewrites the AWS profile does not take all others down with it."""
    assert deaths(poller.EXIT_SETTINGS, lived_s=1.0, booted=False)[0] == 0
    assert deaths(poller.EXIT_SETTINGS, lived_s=1.0, booted=False, before=False, times=1)[0] == poller.EXIT_SETTINGS


def test_pollers_that_never_boot_are_given_up() -> None:
    """After some tries, and only while none has ever worked."""
    assert deaths(1, lived_s=1.0, booted=False, before=False, times=BOOT_FAILURES)[0] == EXIT_BOOT
    assert deaths(1, lived_s=1.0, booted=False)[0] == 0

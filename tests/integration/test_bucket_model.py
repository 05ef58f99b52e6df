"""The bucket under any interleaving of those who draw from it: the real scripts on a real server, time by argument."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleetpoll.clock import system_mono
from fleetpoll.state.allowance import PACE_S, Allowance, Permit, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, Rooms
from tests.integration.machines import interleave

START_US = 1_800_000_000_000_000
RATE, BURST = 10.0, 1.0
DUST = 1e-3
"""Of a token: permits are kept to the microsecond."""


@dataclass(slots=True)
class Holder:
    """A worker that waits for its token as workers do: in slices, asking after each; the last one it sleeps to its end."""

    permit: Permit
    heard_us: int

    @property
    def next_us(self) -> int:
        """When it asks again, or goes."""
        return self.heard_us + round(min(PACE_S, self.permit.wait_s) * 1e6)

    @property
    def goes(self) -> bool:
        """Whether it goes then, without another question."""
        return self.permit.wait_s <= PACE_S


class Callers(RuleBasedStateMachine):
    """Workers that reserve, wait, leave, are throttled or never hear the answer; and an operator."""

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        key, allowance = rooms.keys.bucket(DESCRIBE), Allowance(DESCRIBE, RATE, 0.5, BURST, RATE)
        rooms.client.delete(key)
        self._bucket = FleetBucket(rooms.client, rooms.scripts, key, allowance, system_mono, worker=True)
        self._now_us, self._order = START_US, itertools.count()
        self._row: list[tuple[int, int, Holder]] = []
        self._calls_us: list[int] = []
        self._stamp_us = self._granted = 0

    @rule(wait_s=st.sampled_from((0.0, 2.0, 20.0)), callers=st.integers(1, 6), heard=st.sampled_from((True, True, False)))
    def reserve(self, wait_s: float, callers: int, heard: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        """Some workers come at once; now and then the answers are lost."""
        for _ in range(callers):
            answer = self._bucket.reserve(wait_s, now_us=self._now_us)
            if isinstance(answer, Permit):
                assert answer.wait_s <= wait_s
                self._granted += 1
                if heard:
                    self._wait(Holder(answer, self._now_us))

    @rule(passed_s=st.sampled_from((0.001, 0.1, 0.6, 3.0, 30.0)))
    def pass_time(self, passed_s: float) -> None:
        """Whose time comes goes, or asks again."""
        until_us = self._now_us + round(passed_s * 1e6)
        while self._row and self._row[0][0] <= until_us:
            self._now_us, _, holder = heapq.heappop(self._row)
            if holder.goes:
                self._calls_us.append(self._now_us)
                self._stamp_us = holder.permit.stamp_us
                continue
            answer = self._bucket.reconsider(holder.permit, now_us=self._now_us)
            if isinstance(answer, Permit):
                self._wait(Holder(answer, self._now_us))
            else:
                self._give_back(holder)
        self._now_us = until_us

    @precondition(lambda self: self._row)
    @rule(place=st.integers(0, 5))
    def leave(self, place: int) -> None:
        """A worker is told to leave while it waits, wherever it stands, and another comes in its place."""
        holder = self._row.pop(place % len(self._row))[2]
        heapq.heapify(self._row)
        self._give_back(holder)
        self.reserve(20.0, 1, heard=True)

    @precondition(lambda self: self._stamp_us)
    @rule(hint_s=st.sampled_from((0.0, 0.0, 2.0)), times=st.integers(1, 4))
    def throttle(self, hint_s: float, times: int) -> None:
        """AWS turns the last call away, and tells it several times."""
        for _ in range(times):
            self._bucket.penalize(self._stamp_us, hint_s, now_us=self._now_us)

    @rule(lasts_s=st.sampled_from((0.2, 5.0)))
    def pause(self, lasts_s: float) -> None:
        """The operator pauses: nobody is granted a token, and who asks again meanwhile gives up."""
        self._bucket.pause(True, now_us=self._now_us)
        assert isinstance(self._bucket.reserve(20.0, now_us=self._now_us), Refused)
        self.pass_time(lasts_s)
        self._bucket.pause(False, now_us=self._now_us)

    @invariant()
    def no_window_holds_more_than_the_allowance(self) -> None:
        """Between any two calls there are no more than the burst and what came in meanwhile; none without a token."""
        assert len(self._calls_us) + len(self._row) <= self._granted
        last_us = self._calls_us[-1] if self._calls_us else 0
        for number, call_us in enumerate(reversed(self._calls_us), 1):
            assert number <= BURST + RATE * (last_us - call_us) / 1e6 + DUST, f"{number} calls in {last_us - call_us} us"

    def _wait(self, holder: Holder) -> None:
        heapq.heappush(self._row, (holder.next_us, next(self._order), holder))

    def _give_back(self, holder: Holder) -> None:
        self._granted -= self._bucket.refund(holder.permit, now_us=self._now_us)


def test_no_interleaving_breaks_the_allowance(rooms: Rooms) -> None:
    """Whoever comes, goes, waits or is never heard of again, no window holds more calls than burst + rate · t."""
    interleave(lambda: Callers(rooms), examples=20, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_interleaving_breaks_the_allowance_in_minutes_of_trying(rooms: Rooms) -> None:
    """The same, with many more and longer ones."""
    interleave(lambda: Callers(rooms), examples=2000, steps=60)

"""How the granted rate finds AWS's limit and follows it: the law on a real server, in time that is passed in.

The world of these tests is a true token bucket, as AWS has it, and callers that always want to call.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from fleetpoll.state.allowance import PACE_S, Permit, Reason, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import SUBMIT, TERMINATE

T = 1_800_000_000_000_000
SECOND = 1_000_000
LATENCY_S = 0.03

Make = Callable[..., FleetBucket]


@dataclass
class Aws:
    """A true token bucket that can be changed, and rejects a share of all calls for no reason."""

    rate: float
    burst: float
    strays: float = 0.0
    tokens: float = 0.0
    at_s: float = 0.0
    rng: Random = field(default_factory=lambda: Random(7))

    def accepts(self, now_s: float) -> bool:
        """One call arrives."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        if self.rng.random() < self.strays or self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class World:
    """Callers on a bucket, each with one call in flight, and what AWS said to them."""

    bucket: FleetBucket
    aws: Aws
    now_s: float = 0.0
    accepted: list[float] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    _ahead: list[tuple[float, int, Permit | None]] = field(default_factory=list)

    def callers(self, count: int) -> World:
        """So many callers begin now."""
        self._ahead += [(self.now_s, number, None) for number in range(count)]
        return self

    def run(self, until_s: float) -> World:
        """Let time pass."""
        heapq.heapify(self._ahead)
        while self._ahead and self._ahead[0][0] < until_s:
            self.now_s, who, permit = heapq.heappop(self._ahead)
            heapq.heappush(self._ahead, self._step(who, permit))
        self.now_s = until_s
        return self

    def _step(self, who: int, permit: Permit | None) -> tuple[float, int, Permit | None]:
        now_us = T + round(self.now_s * SECOND)
        if permit is not None and permit.wait_s == 0:
            if self.aws.accepts(self.now_s):
                self.accepted.append(self.now_s)
            else:
                self.throttled.append(self.now_s)
                self.bucket.penalize(permit.stamp_us, now_us=now_us)
            return self.now_s + LATENCY_S, who, None
        asked = self.bucket.reserve(60.0, now_us=now_us) if permit is None else self.bucket.reconsider(permit, now_us=now_us)
        assert isinstance(asked, Permit)
        ready = asked.wait_s <= PACE_S
        held = Permit(0.0, asked.stamp_us, asked.granted, asked.position) if ready else asked
        return self.now_s + min(PACE_S, asked.wait_s), who, held

    def use(self, from_s: float, to_s: float) -> float:
        """Accepted calls in a span over what AWS allows now."""
        return sum(from_s <= moment < to_s for moment in self.accepted) / (self.aws.rate * (to_s - from_s))

    def throttled_share(self, from_s: float, to_s: float) -> float:
        """Throttled calls over all calls in a span."""
        throttled = sum(from_s <= moment < to_s for moment in self.throttled)
        return throttled / max(1, throttled + sum(from_s <= moment < to_s for moment in self.accepted))


def granted_at(bucket: FleetBucket, now_s: float) -> float:
    """The rate granted at a time; nothing is taken."""
    return bucket.reserve(0.0, 0, now_us=T + round(now_s * SECOND)).granted


def throttle(bucket: FleetBucket, now_s: float, count: int) -> list[bool]:
    """So many calls are booked and throttled at once; which of the throttles cut the rate."""
    now_us = T + round(now_s * SECOND)
    permits = [bucket.reserve(60.0, now_us=now_us) for _ in range(count)]
    return [bucket.penalize(p.stamp_us, now_us=now_us + 1) for p in permits if isinstance(p, Permit)]


def keep_busy(bucket: FleetBucket, from_s: float, to_s: float) -> None:
    """One caller that never rests and is never throttled."""
    World(bucket, Aws(1e6, 1e6, tokens=1e6), now_s=from_s).callers(8).run(to_s)


def test_an_unknown_limit_is_approached_from_below(make: Make) -> None:
    """The slow start doubles every five seconds while the fleet uses what it is granted, up to the ceiling."""
    bucket = make(rate=50, start=5)
    keep_busy(bucket, 0, 16)

    assert [granted_at(bucket, 16)] == [pytest.approx(5 * 2 ** (16 / 5), rel=0.05)]
    keep_busy(bucket, 16, 25)
    assert granted_at(bucket, 25) == 50


def test_an_allowance_that_is_not_used_does_not_grow(make: Make) -> None:
    """Who asks for one call a second has not shown that fifty would do."""
    bucket = make(rate=50, start=5)
    for second in range(60):
        bucket.reserve(60.0, now_us=T + second * SECOND)

    assert granted_at(bucket, 60) == pytest.approx(5, rel=0.2)


def test_a_rate_whose_limit_is_known_is_granted_at_once(make: Make) -> None:
    """Without a start there is no search: the configured rate is the limit."""
    assert granted_at(make(rate=50), 0) == 50


def test_an_unknown_limit_is_found_and_kept_to(make: Make) -> None:
    """Told 100, allowed 20: after a minute the fleet uses all of the 20 and is hardly throttled."""
    world = World(make(rate=100, start=5), Aws(20, 20)).callers(4).run(180)

    assert world.use(60, 180) >= 0.97
    assert world.throttled_share(60, 180) <= 0.005


def test_a_limit_that_is_halved_and_given_back_is_followed(make: Make) -> None:
    """Throttling is under 1 % within 20 s after the halving, and 90 % are used again within 30 s after its end."""
    aws = Aws(20, 20)
    world = World(make(rate=100, start=5), aws).callers(4).run(120)
    aws.rate = 10
    world.run(200)
    after_halving = world.throttled_share(140, 200)
    use_of_half = world.use(140, 200)
    aws.rate = 20
    world.run(235)

    assert after_halving <= 0.01
    assert use_of_half >= 0.97
    assert world.use(230, 235) >= 0.9


def test_stray_rejections_do_not_drag_the_rate_down(make: Make) -> None:
    """With 0.5 % of all calls rejected for no reason, the limit is used all the same, known or not."""
    unknown = World(make(rate=100, start=5), Aws(20, 20, strays=0.005)).callers(4).run(300)
    known = World(make(rate=20, operation=SUBMIT), Aws(20, 20, strays=0.005)).callers(4).run(300)

    assert unknown.use(60, 300) >= 0.97
    assert known.use(60, 300) >= 0.97


def test_a_known_limit_is_used_in_full_without_a_throttle(make: Make) -> None:
    """When the ceiling is AWS's limit, no call is ever refused."""
    world = World(make(rate=20), Aws(20, 20, tokens=20)).callers(8).run(120)

    assert world.use(10, 120) >= 0.98
    assert world.throttled == []


def test_twenty_throttles_of_one_event_are_one_cut(make: Make) -> None:
    """Calls whose makers had not yet heard of a cut are the same event, whoever made them; later ones are a new one."""
    bucket = make(rate=20)
    keep_busy(bucket, 0, 10)

    cuts = throttle(bucket, 10, 20)

    assert sum(cuts) == 1
    assert bucket.view().cuts == 1
    assert bucket.view().throttles == 20
    assert 5 < granted_at(bucket, 10.1) < 18
    assert sum(throttle(bucket, 11, 20)) == 1


def test_one_throttle_is_not_an_event(make: Make) -> None:
    """A single rejection is counted, takes the tokens that had piled up, and changes no rate."""
    bucket = make(rate=20)
    keep_busy(bucket, 0, 10)

    assert throttle(bucket, 40, 1) == [False]
    assert granted_at(bucket, 40) == 20
    answer = bucket.reserve(60.0, now_us=T + 40 * SECOND + 2)
    assert answer.wait_s == pytest.approx(1 / 20, rel=0.01)


def test_a_throttle_that_ends_a_probe_leaves_the_limit_as_it_was(make: Make) -> None:
    """Beyond the plateau the fleet asks whether the limit is higher; one no is enough, and is not taken for a lower one."""
    world = World(make(rate=100, start=5), Aws(20, 20)).callers(4).run(60)
    before = world.bucket.view()

    world.run(180)

    after = world.bucket.view()
    assert after.limit == pytest.approx(before.limit, rel=0.03)
    assert after.limit == pytest.approx(20, rel=0.03)
    assert after.cuts - before.cuts >= 3
    assert after.throttles - before.throttles <= 4 * (after.cuts - before.cuts)


def test_the_rate_never_falls_below_its_floor(make: Make) -> None:
    """However often AWS throttles, rate_min is left."""
    bucket = make(rate=10, rate_min=0.5)
    for second in range(100):
        throttle(bucket, second, 4)

    assert granted_at(bucket, 100) == pytest.approx(0.5, rel=0.06)


def test_held_permits_stretch_on_a_cut_and_shrink_with_growth(make: Make) -> None:
    """A permit is a place in the row of tokens: it is used when that many have come in, at whatever rate."""
    bucket = make(rate=20, start=10)
    permits = [bucket.reserve(60.0, now_us=T) for _ in range(40)]
    last = permits[-1]
    assert isinstance(last, Permit)
    assert last.wait_s == pytest.approx(4.0, rel=0.01)

    sooner = bucket.reconsider(last, now_us=T + 2 * SECOND)
    for n in range(3):
        bucket.penalize(T + 2 * SECOND + n, now_us=T + 2 * SECOND + n)
    cut = granted_at(bucket, 2.0001)
    later = bucket.reconsider(last, now_us=T + 2 * SECOND + 100)

    assert sooner.wait_s < 2.0 - 0.4
    assert cut < 10
    assert later.wait_s == pytest.approx(sooner.wait_s * sooner.granted / later.granted, rel=0.01)
    assert isinstance(later, Permit)
    assert later.stamp_us == T + 2 * SECOND + 100


def test_the_order_of_held_permits_outlasts_every_change(make: Make) -> None:
    """Whoever booked first goes first, and never two for one token."""
    bucket = make(rate=20)
    permits = [bucket.reserve(60.0, now_us=T + n) for n in range(10)]
    throttle(bucket, 0.2, 5)

    again = [bucket.reconsider(p, now_us=T + 300_000) for p in permits if isinstance(p, Permit)]

    waits = [answer.wait_s for answer in again if answer.wait_s > 0]
    gaps = [late - soon for soon, late in pairwise(waits)]
    assert len(waits) >= 3
    assert gaps == pytest.approx([1 / again[0].granted] * len(gaps), rel=0.01)


def test_a_hint_of_aws_holds_everybody(make: Make) -> None:
    """After Retry-After: 2 nobody may go for two seconds, who holds a permit no more than who asks for one."""
    bucket, other = make(rate=10, burst=5), make(rate=10, burst=5)
    held = bucket.reserve(60.0, now_us=T)
    assert isinstance(held, Permit)

    bucket.penalize(T, 2.0, now_us=T + 50_000)

    again, new = other.reconsider(held, now_us=T + 50_000), other.reserve(60.0, now_us=T + 50_000)
    assert again.wait_s == pytest.approx(2.05, abs=1e-3)
    assert new.wait_s == pytest.approx(2.15, abs=1e-3)
    assert other.reserve(60.0, now_us=T + 3 * SECOND).wait_s == 0.0


def test_a_pause_holds_permits_and_its_end_is_no_burst(make: Make) -> None:
    """What was booked before a pause is used after it, at the rate, as if the pause had not been."""
    bucket = make(rate=10)
    permits = [bucket.reserve(60.0, now_us=T) for _ in range(5)]
    bucket.pause(True, now_us=T)
    during = [bucket.reconsider(p, now_us=T + 30 * SECOND) for p in permits if isinstance(p, Permit)]
    bucket.pause(False, now_us=T + 60 * SECOND)

    after = [bucket.reconsider(p, now_us=T + 60 * SECOND).wait_s for p in permits if isinstance(p, Permit)]

    assert {answer.reason for answer in during if isinstance(answer, Refused)} == {Reason.PAUSED}
    assert after == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5], abs=1e-3)


def test_a_pinned_rate_moves_held_permits_at_once(make: Make) -> None:
    """From 10/s pinned to 2/s, a wait of one second becomes five."""
    bucket = make(rate=10)
    last = [bucket.reserve(60.0, now_us=T) for _ in range(10)][-1]
    assert isinstance(last, Permit)

    bucket.pin(2.0, now_us=T)

    assert bucket.reconsider(last, now_us=T).wait_s == pytest.approx(5.0, abs=1e-3)


def test_a_throttle_of_one_operation_does_not_slow_another(make: Make) -> None:
    """Each operation has its limit at AWS, and its bucket here: neither waits for the other, nor is cut with it."""
    describe, terminate = make(rate=20), make(rate=10, operation=TERMINATE)
    keep_busy(describe, 0, 5)
    for _ in range(400):
        describe.reserve(60.0, now_us=T + 5 * SECOND)
    throttle(describe, 5, 20)

    assert granted_at(describe, 5.1) < 20
    assert granted_at(terminate, 5.1) == 10
    assert terminate.reserve(60.0, now_us=T + 5 * SECOND).wait_s == pytest.approx(0.1, abs=1e-3)


def test_what_was_learnt_outlasts_the_workers(make: Make) -> None:
    """A fleet that comes back after a week goes on at the limit it had met, not at the ceiling and not from the start."""
    World(make(rate=100, start=5), Aws(20, 20)).callers(4).run(90)
    late = make(rate=100, start=5)

    late.reserve(60.0, now_us=T + 90 * SECOND + 7 * 86_400 * SECOND)

    assert granted_at(late, 90 + 7 * 86_400) == pytest.approx(20, rel=0.1)


def test_who_never_waits_finds_a_token_in_time(make: Make) -> None:
    """A bucket that was never used starts empty, and fills from the first question on, refused or not."""
    bucket = make(rate=10)

    answers = [bucket.reserve(0.0, now_us=T), bucket.reserve(0.0, now_us=T + 150_000)]

    assert [isinstance(answer, Permit) for answer in answers] == [False, True]

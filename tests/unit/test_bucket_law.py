"""How the granted rate finds AWS's limit and follows it: the bucket's own scripts, in the virtual time of the model.

That the model's server answers as a real one is a test of its own. The world here is a true token bucket, as AWS has it,
and callers that always want to call.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from benchmarks.model.aws import Aws
from benchmarks.model.callers import Latency, Process
from benchmarks.model.law import throttled_share, used_share
from benchmarks.model.server import EPOCH_US as T
from benchmarks.model.server import Server
from fleetpoll.forecast.loop import Loop
from fleetpoll.state.allowance import Allowance, Permit, Reason, Refused
from fleetpoll.state.bucket import FleetBucket
from fleetpoll.state.rooms import DESCRIBE, SUBMIT, TERMINATE

SECOND = 1_000_000
QUICK = Latency(0.03, 0.0)


class World:
    """A server and AWS, with time that passes when it is told to."""

    def __init__(self, limit: float = 1e6, *, strays: float = 0.0) -> None:
        self.loop, self.rng = Loop(), Random(7)
        self.server = Server(self.loop)
        self.aws = Aws(self.loop, self.rng, limit, limit, strays=strays)

    def bucket(
        self,
        rate: float = 10.0,
        burst: float | None = None,
        *,
        rate_min: float = 0.5,
        start: float | None = None,
        operation: str = DESCRIBE,
    ) -> FleetBucket:
        """The bucket of an operation, as one process has it."""
        return self.server.bucket(Allowance(operation, rate, rate_min, burst, start), operation)

    def busy(self, bucket: FleetBucket, callers: int = 4) -> FleetBucket:
        """So many callers use it from now on."""
        Process(self.loop, self.rng, bucket, self.aws, QUICK, callers)
        return bucket

    def throttle(self, bucket: FleetBucket, count: int) -> list[bool]:
        """So many calls are booked and throttled at once; which of the throttles cut the rate."""
        permits = [bucket.reserve(60.0) for _ in range(count)]
        return [bucket.penalize(permit.stamp_us) for permit in permits if isinstance(permit, Permit)]


def granted(bucket: FleetBucket) -> float:
    """The rate granted now; nothing is taken."""
    return bucket.reserve(0.0, 0).granted


def test_an_unknown_limit_is_approached_from_below() -> None:
    """The slow start doubles every five seconds while the fleet uses what it is granted, up to the ceiling."""
    world = World()
    bucket = world.busy(world.bucket(rate=50, start=5), 8)

    world.loop.run(15)
    after_three_doublings = granted(bucket)
    world.loop.run(25)

    assert after_three_doublings == pytest.approx(40, rel=0.05)
    assert granted(bucket) == 50


def test_an_allowance_that_is_not_used_does_not_grow() -> None:
    """Who asks for one call a second has not shown that fifty would do."""
    world = World()
    bucket = world.bucket(rate=50, start=5)
    for second in range(60):
        bucket.reserve(60.0, now_us=T + second * SECOND)
    world.loop.run(60)

    assert granted(bucket) == pytest.approx(5, rel=0.2)


def test_a_rate_whose_limit_is_known_is_granted_at_once() -> None:
    """Without a start there is no search: the configured rate is the limit."""
    assert granted(World().bucket(rate=50)) == 50


def test_an_unknown_limit_is_found_and_kept_to() -> None:
    """Told 100, allowed 20: after a minute the fleet uses all of the 20 and is hardly throttled."""
    world = World(20)
    world.busy(world.bucket(rate=100, start=5))
    world.loop.run(300)

    assert used_share(world.aws, 60, 300, 20) >= 0.97
    assert throttled_share(world.aws, 60, 300) <= 0.005


@pytest.mark.parametrize("moment_s", range(120, 145, 3))
def test_a_limit_that_is_halved_and_given_back_is_followed(moment_s: int) -> None:
    """At whatever moment: throttling is under 1 % within 20 s after the halving, 90 % are used within 30 s after its end."""
    world = World(20)
    world.busy(world.bucket(rate=100, start=5))
    world.loop.run(moment_s)
    world.aws.change(10)
    world.loop.run(2 * moment_s)
    world.aws.change(20)
    world.loop.run(2 * moment_s + 35)

    assert throttled_share(world.aws, moment_s + 20, 2 * moment_s) <= 0.01
    assert used_share(world.aws, moment_s + 20, 2 * moment_s, 10) >= 0.97
    assert used_share(world.aws, 2 * moment_s + 30, 2 * moment_s + 35, 20) >= 0.9


def test_stray_rejections_do_not_drag_the_rate_down() -> None:
    """With 0.5 % of all calls rejected for no reason, the limit is used all the same, known or not."""
    unknown, known = World(20, strays=0.005), World(20, strays=0.005)
    unknown.busy(unknown.bucket(rate=100, start=5))
    known.busy(known.bucket(rate=20))
    for world in (unknown, known):
        world.loop.run(600)

        assert used_share(world.aws, 60, 600, 20) >= 0.97


@pytest.mark.parametrize("callers", [1, 4, 64])
def test_a_known_limit_is_used_in_full_without_a_throttle(callers: int) -> None:
    """When the ceiling is AWS's limit, no call is ever refused, however many wait."""
    world = World(20)
    world.busy(world.bucket(rate=20), callers)
    world.loop.run(120)

    assert used_share(world.aws, 10, 120, 20) >= 0.98
    assert world.aws.throttled == []


def test_a_crowd_on_an_unknown_limit_is_as_exact_as_a_few() -> None:
    """With a hundred callers, who wait for five seconds each, every wait follows the rate, and throttles stay below 1 %."""
    world = World(20)
    world.busy(world.bucket(rate=100, start=5), 100)
    world.loop.run(180)

    assert used_share(world.aws, 60, 180, 20) >= 0.97
    assert throttled_share(world.aws, 60, 180) <= 0.01


def test_twenty_throttles_of_one_event_are_one_cut() -> None:
    """Calls whose makers had not yet heard of a cut are the same event, whoever made them; later ones are a new one."""
    world = World()
    bucket = world.busy(world.bucket(rate=20), 8)
    world.loop.run(10)

    cuts = world.throttle(bucket, 20)
    view = bucket.view()
    world.loop.run(11)

    assert sum(cuts) == 1
    assert (view.cuts, view.throttles) == (1, 20)
    assert 5 < view.granted < 18
    assert sum(world.throttle(bucket, 20)) == 1


def test_one_throttle_is_not_an_event() -> None:
    """A single rejection is counted, takes the tokens that had piled up, and changes no rate."""
    world = World()
    bucket = world.bucket(rate=20)
    bucket.reserve(60.0)
    world.loop.run(40)

    assert world.throttle(bucket, 1) == [False]
    assert granted(bucket) == 20
    assert bucket.reserve(60.0).wait_s == pytest.approx(1 / 20, rel=0.01)


def test_a_throttle_that_ends_a_probe_leaves_the_limit_as_it_was() -> None:
    """Beyond the plateau the fleet asks whether the limit is higher; one no is enough, and is not taken for a lower one."""
    world = World(20)
    bucket = world.busy(world.bucket(rate=100, start=5))
    world.loop.run(60)
    before = bucket.view()
    world.loop.run(240)
    after = bucket.view()

    assert after.limit == pytest.approx(20, rel=0.03)
    assert after.cuts - before.cuts >= 6
    assert after.throttles - before.throttles <= 2 * (after.cuts - before.cuts)


def test_the_rate_never_falls_below_its_floor() -> None:
    """However often AWS throttles, rate_min is left."""
    world = World()
    bucket = world.bucket(rate=10, rate_min=0.5)
    for second in range(100):
        world.loop.run(second)
        world.throttle(bucket, 4)

    assert granted(bucket) == pytest.approx(0.5, rel=0.06)


def test_held_permits_stretch_on_a_cut_and_shrink_with_growth() -> None:
    """A permit is a place in the row of tokens: it is used when that many have come in, at whatever rate."""
    world = World()
    bucket = world.bucket(rate=20, start=10)
    last = [bucket.reserve(60.0) for _ in range(40)][-1]
    assert isinstance(last, Permit)

    world.loop.run(2)
    sooner = bucket.reconsider(last)
    for n in range(3):
        bucket.penalize(T + 2 * SECOND - n)
    later = bucket.reconsider(last)

    assert last.wait_s == pytest.approx(4.0, rel=0.01)
    assert sooner.wait_s < 2.0 - 0.4
    assert later.granted < 10
    assert later.wait_s == pytest.approx(sooner.wait_s * sooner.granted / later.granted, rel=0.01)
    assert isinstance(later, Permit)
    assert later.stamp_us == T + 2 * SECOND


def test_the_order_of_held_permits_outlasts_every_change() -> None:
    """Whoever booked first goes first, and never two for one token."""
    world = World()
    bucket = world.bucket(rate=20)
    permits = [bucket.reserve(60.0) for _ in range(10)]
    world.loop.run(0.2)
    world.throttle(bucket, 5)
    world.loop.run(0.3)

    again = [bucket.reconsider(permit) for permit in permits if isinstance(permit, Permit)]

    waits = [answer.wait_s for answer in again if answer.wait_s > 0]
    gaps = [late - soon for soon, late in pairwise(waits)]
    assert len(waits) >= 3
    assert gaps == pytest.approx([1 / again[0].granted] * len(gaps), rel=0.01)


def test_a_hint_of_aws_holds_everybody() -> None:
    """After Retry-After: 2 nobody may go for two seconds, who holds a permit no more than who asks for one."""
    world = World()
    bucket, other = world.bucket(rate=10, burst=5), world.bucket(rate=10, burst=5)
    held = bucket.reserve(60.0)
    assert isinstance(held, Permit)
    world.loop.run(0.05)
    bucket.penalize(held.stamp_us, 2.0)

    again, new = other.reconsider(held), other.reserve(60.0)
    world.loop.run(3)

    assert again.wait_s == pytest.approx(2.05, abs=1e-3)
    assert new.wait_s == pytest.approx(2.15, abs=1e-3)
    assert other.reserve(60.0).wait_s == 0.0


def test_a_pause_holds_permits_and_its_end_is_no_burst() -> None:
    """What was booked before a pause is used after it, at the rate, as if the pause had not been."""
    world = World()
    bucket = world.bucket(rate=10)
    permits = [bucket.reserve(60.0) for _ in range(5)]
    bucket.pause(True)
    world.loop.run(30)
    during = [bucket.reconsider(permit) for permit in permits if isinstance(permit, Permit)]
    world.loop.run(60)
    bucket.pause(False)

    after = [bucket.reconsider(permit).wait_s for permit in permits if isinstance(permit, Permit)]

    assert {answer.reason for answer in during if isinstance(answer, Refused)} == {Reason.PAUSED}
    assert after == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5], abs=1e-3)


def test_a_pinned_rate_moves_held_permits_at_once() -> None:
    """From 10/s pinned to 2/s, a wait of one second becomes five."""
    bucket = World().bucket(rate=10)
    last = [bucket.reserve(60.0) for _ in range(10)][-1]
    assert isinstance(last, Permit)

    bucket.pin(2.0)

    assert bucket.reconsider(last).wait_s == pytest.approx(5.0, abs=1e-3)


def test_a_pin_leaves_the_search_where_it_was() -> None:
    """While an operator has pinned the rate nothing is found out, and nothing has grown when it is let go."""
    world = World()
    bucket = world.busy(world.bucket(rate=50, start=5), 8)
    world.loop.run(5)
    before = granted(bucket)
    bucket.pin(20)
    world.loop.run(600)
    bucket.pin(None)

    assert granted(bucket) == pytest.approx(before, rel=0.05)


def test_a_throttle_of_one_operation_does_not_slow_another() -> None:
    """Each operation has its limit at AWS, and its bucket here: neither waits for the other, nor is cut with it."""
    world = World()
    describe, terminate = world.busy(world.bucket(rate=20)), world.bucket(rate=10, operation=TERMINATE)
    submit = world.bucket(rate=10, operation=SUBMIT)
    world.loop.run(5)
    for _ in range(400):
        describe.reserve(60.0)
    world.throttle(describe, 20)

    assert granted(describe) < 20
    assert [granted(terminate), granted(submit)] == [10, 10]
    assert terminate.reserve(60.0).wait_s == pytest.approx(0.1, abs=1e-3)


def test_what_was_learnt_outlasts_the_workers() -> None:
    """A fleet that comes back after a week goes on at the limit it had met, not at the ceiling and not from the start."""
    world = World(20)
    world.busy(world.bucket(rate=100, start=5))
    world.loop.run(90)
    late_us = T + 7 * 86_400 * SECOND
    late = world.bucket(rate=100, start=5)

    late.reserve(60.0, now_us=late_us)

    assert late.reserve(0.0, 0, now_us=late_us).granted == pytest.approx(20, rel=0.1)


def test_who_never_waits_finds_a_token_in_time() -> None:
    """A bucket that was never used starts empty, and fills from the first question on, refused or not."""
    bucket = World().bucket(rate=10)

    answers = [bucket.reserve(0.0, now_us=T), bucket.reserve(0.0, now_us=T + 150_000)]

    assert [isinstance(answer, Permit) for answer in answers] == [False, True]


def test_a_pause_leaves_the_search_where_it_was() -> None:
    """A minute of pause is no proof of a higher limit: the fleet goes on at the rate that it had."""
    world = World(20)
    bucket = world.busy(world.bucket(rate=100, start=5))
    world.loop.run(100)
    before = granted(bucket)
    bucket.pause(True)
    world.loop.run(160)
    bucket.pause(False)
    after = granted(bucket)
    world.loop.run(166)

    assert after == pytest.approx(before, rel=0.01)
    assert [moment for moment in world.aws.throttled if moment > 160] == []


def test_a_hint_leaves_the_search_where_it_was() -> None:
    """A minute in which AWS wants no calls is no proof of a higher limit either."""
    world = World(20)
    bucket = world.busy(world.bucket(rate=100, start=5))
    world.loop.run(100)
    permit = bucket.reserve(60.0)
    assert isinstance(permit, Permit)
    bucket.penalize(permit.stamp_us, 60.0)
    before = granted(bucket)
    world.loop.run(160)

    assert granted(bucket) == pytest.approx(before, rel=0.01)


def test_a_later_hint_of_the_same_event_is_kept_to_as_well() -> None:
    """The longest hint counts, whichever throttle brought it."""
    bucket = World().bucket(rate=10)
    permits = [bucket.reserve(60.0) for _ in range(4)]
    for permit, hint_s in zip(permits, (0.1, 0.1, 0.1, 5.0), strict=True):
        assert isinstance(permit, Permit)
        bucket.penalize(permit.stamp_us, hint_s)

    assert bucket.reserve(60.0).wait_s > 5.0


def test_throttles_of_a_pinned_rate_are_forgotten_with_it() -> None:
    """What was refused at a rate that an operator chose says nothing of the one that is found."""
    world = World()
    bucket = world.busy(world.bucket(rate=10), 8)
    world.loop.run(5)
    bucket.pin(20)
    for second in range(5, 30):
        world.loop.run(second)
        world.throttle(bucket, 10)
    bucket.pin(None)
    world.loop.run(60)

    assert world.throttle(bucket, 1) == [False]
    assert granted(bucket) == 10


def test_a_permit_outlasts_the_loss_of_its_bucket() -> None:
    """A Redis that forgot everything counts tokens anew; who waits for one of before waits no longer than it had to."""
    world = World()
    bucket = world.busy(world.bucket(rate=20, rate_min=5))
    world.loop.run(100)
    permits = [bucket.reserve(60.0) for _ in range(40)]
    last = permits[-1]
    assert isinstance(last, Permit)

    bucket.flush()
    waits = []
    for moment_s in (100.5, 101.0, 102.0):
        world.loop.run(moment_s)
        last = bucket.reconsider(last)
        assert isinstance(last, Permit)
        waits.append(last.wait_s)

    assert waits[0] <= permits[-1].wait_s
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] <= 1.0


def test_a_refund_from_the_middle_takes_nobodys_place() -> None:
    """Only the end of the row can be booked again: fifty that leave from its middle never make two go for one token."""
    world = World()
    bucket = world.bucket(rate=10)
    permits = [bucket.reserve(60.0) for _ in range(100)]
    leaving = [permit for permit in permits[20:60] if isinstance(permit, Permit)]

    given_back = bucket.refund(*leaving)
    behind = bucket.reserve(60.0)

    assert given_back == 0
    assert behind.wait_s == pytest.approx(10.1, abs=1e-3)
    assert bucket.refund(*[permit for permit in permits[90:] if isinstance(permit, Permit)]) == 0
    assert isinstance(behind, Permit)
    assert bucket.refund(behind, *[permit for permit in permits[90:] if isinstance(permit, Permit)]) == 11
    assert bucket.reserve(60.0).wait_s == pytest.approx(9.1, abs=1e-3)


def test_a_token_whose_time_has_come_is_lost_while_others_wait() -> None:
    """They may sleep their last moment, and not hear that they moved up: who came now would go together with the last."""
    world = World()
    bucket = world.bucket(rate=10)
    first, second, third = (bucket.reserve(60.0) for _ in range(3))
    assert isinstance(first, Permit)
    assert isinstance(third, Permit)
    world.loop.run(0.1)

    assert bucket.refund(first) == 0
    assert bucket.reconsider(third).wait_s == pytest.approx(0.2, abs=1e-3)
    assert bucket.reserve(60.0).wait_s == pytest.approx(0.3, abs=1e-3)
    assert second.wait_s == pytest.approx(0.2, abs=1e-3)


def test_a_token_whose_time_has_come_is_there_for_the_next_if_nobody_waits() -> None:
    """It makes no burst of more than the bucket holds."""
    world = World()
    bucket = world.bucket(rate=10, burst=1.0)
    only = bucket.reserve(60.0)
    assert isinstance(only, Permit)
    world.loop.run(0.15)

    assert bucket.refund(only) == 1
    assert bucket.reserve(60.0).wait_s == 0.0
    assert bucket.reserve(60.0).wait_s == pytest.approx(0.1, abs=1e-3)


def test_a_clock_set_back_makes_no_events_of_one() -> None:
    """Stamps of before the step lie in the future: such throttles count, and cut nothing."""
    world = World()
    bucket = world.busy(world.bucket(rate=20), 8)
    world.loop.run(10)
    permits = [bucket.reserve(60.0) for _ in range(20)]
    back_us = T - 3_600 * SECOND

    cuts = [bucket.penalize(permit.stamp_us, now_us=back_us) for permit in permits if isinstance(permit, Permit)]

    assert cuts == [False] * 20

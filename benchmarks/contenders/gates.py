"""What stands before a call: nothing, or a limiter that the processes share through Redis, as its library ships it."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis
from pyrate_limiter import (
    AbstractBucket,
    Duration,
    Limiter,
    Rate,
    RedisBucket,
    RedisStateStore,
    StateBucket,
    TokenBucket,
)

KEY = "describe"
Gate = Callable[[], None]
"""Returns when a call may be made."""


def free(_redis_url: str, _rate: float) -> Gate:
    """No limiter."""
    return lambda: None


def pyrate_log(redis_url: str, rate: float) -> Gate:
    """pyrate-limiter's RedisBucket: a sliding log of the last second, as in its README."""
    rates = [Rate(round(rate), Duration.SECOND)]
    return through(RedisBucket.init(rates, redis.Redis.from_url(redis_url), KEY))


def pyrate_token(redis_url: str, rate: float) -> Gate:
    """pyrate-limiter's TokenBucket on its RedisStateStore."""
    rates = [Rate(round(rate), Duration.SECOND)]
    return through(StateBucket(rates, TokenBucket(), RedisStateStore(redis.Redis.from_url(redis_url), KEY)))


def through(bucket: AbstractBucket) -> Gate:
    """A bucket behind pyrate-limiter's own Limiter with its defaults; it waits inside."""
    limiter = Limiter(bucket)

    def take() -> None:
        while not limiter.try_acquire(KEY):
            pass

    return take


def limits_moving(redis_url: str, rate: float) -> Gate:
    """The moving window of `limits`. It has no wait of its own, so we sleep until the moment that its statistics name."""
    from limits import RateLimitItemPerSecond  # noqa: PLC0415 - of the group `bench`, which the tests do without
    from limits.storage import RedisStorage  # noqa: PLC0415 - likewise
    from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415 - likewise

    item = RateLimitItemPerSecond(round(rate))
    window = MovingWindowRateLimiter(RedisStorage(redis_url.replace("unix://", "redis+unix://", 1)))

    def take() -> None:
        while not window.hit(item, KEY):
            time.sleep(max(0.001, window.get_window_stats(item, KEY).reset_time - time.time()))

    return take


GATES: dict[str, Callable[[str, float], Gate]] = {
    "free": free,
    "pyrate-log": pyrate_log,
    "pyrate-token": pyrate_token,
    "limits-moving": limits_moving,
}

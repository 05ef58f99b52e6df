"""All exit codes, and which error ends with which. Where sysexits(3) has a number for it, that is the number."""

from __future__ import annotations

from fleetpoll.errors import (
    AccessDenied,
    BadRequest,
    EmbeddedError,
    EventsTrimmed,
    FleetpollError,
    RedisDenied,
    RedisUnavailable,
    SettingsError,
    Throttled,
    TokenRefused,
    Unreachable,
)

OK = 0
SOME_FAILED = 1  # wait: jobs failed; doctor: a check failed; terminate, cancel: AWS refused some
USAGE = 2  # an option, an id, a setting or a file of the user's is wrong
UNKNOWN = 3  # wait: jobs are lost, expired, rejected or untracked; show: the job is not tracked;
# learn show: nothing is learnt of it; worker: no poller can boot
REFUSED = 65  # EX_DATAERR: AWS refused the content of a call; events: what came after the cursor is not kept any more
UNAVAILABLE = 69  # EX_UNAVAILABLE: Redis, the embedded server, AWS or the simulator does not answer
SOFTWARE = 70  # EX_SOFTWARE: Redis refused a command, or anything else that should not be
TRY_AGAIN = 75  # EX_TEMPFAIL: AWS throttles, or the fleet's bucket has no token in time
DENIED = 77  # EX_NOPERM: Redis denies access; AWS credentials are missing, expired or not allowed to do this
TIMED_OUT = 124  # as timeout(1)
INTERRUPTED = 130  # Ctrl-C; demo: SIGTERM, too
CLOSED_PIPE = 141  # who read our output has left: as other programs that a closed pipe ends

ERRORS: tuple[tuple[type[FleetpollError], int], ...] = (
    (SettingsError, USAGE),
    (RedisUnavailable, UNAVAILABLE),
    (RedisDenied, DENIED),
    (EventsTrimmed, REFUSED),
    (EmbeddedError, UNAVAILABLE),
    (Unreachable, UNAVAILABLE),
    (Throttled, TRY_AGAIN),
    (TokenRefused, TRY_AGAIN),
    (AccessDenied, DENIED),
    (BadRequest, REFUSED),
    (FleetpollError, SOFTWARE),
)
"""The first that fits counts."""


def of(error: FleetpollError) -> int:
    """The exit code of a command that this error ended."""
    return next(code for kind, code in ERRORS if isinstance(error, kind))

"""Every error that fleetpoll raises on purpose, as one tree.

FleetpollError
├── SettingsError          a setting, an id or a file of the user's is wrong          (exit 2)
├── StateError             Redis
│   ├── EventsTrimmed      what came after a cursor is not kept any more                                          (exit 65)
│   ├── RedisUnavailable   it cannot be reached, went away during a command, or cannot serve for now    (exit 69)
│   │   └── RedisSilent    nobody answers at all: who asks the same server for another fleet need not try
│   └── RedisDenied        it refuses the user, the password or the right to a command                  (exit 77)
├── AwsError               AWS Batch answered no, or did not answer
│   ├── Throttled          slow down: the allowance of this operation is spent
│   ├── AccessDenied       credentials are missing, expired or not allowed to do this
│   ├── BadRequest         AWS refused the content of the call
│   └── Unreachable        no usable answer: time-out, reset, 5xx, a cut or foreign body
├── BadSignature           a webhook is not from who it says, or is repeated (fleetpoll.webhook)
├── FleetClosed            a fleet was closed while somebody waited on it, or is closed already
├── TokenRefused           the bucket has no token within the time the caller gave
├── BatchError             a job did not come to what was asked of it, or nobody could tell (fleetpoll.batch)
│   ├── JobFailed          it is FAILED
│   ├── JobNotComplete     it is not over yet
│   ├── JobOver            it is over, and never came to the status that was waited for
│   ├── JobLost            AWS Batch does not know it, or no more, or refuses to describe it
│   ├── JobStatusUnknown   it has a status that nobody knows
│   ├── DescriptionFailed  no description of it could be had, or none that can be used
│   ├── ChecksExceeded     all checks are made, and it has not come to what was waited for
│   └── WaitFailed         a waiter gave up, or found the job failed
└── EmbeddedError          the embedded Redis server cannot be found, started or joined
"""

from __future__ import annotations


class FleetpollError(Exception):
    """The root of all errors that fleetpoll raises on purpose."""


class SettingsError(FleetpollError):
    """A setting, an id or a file of the user's is wrong; the message says which and what to do."""


class StateError(FleetpollError):
    """Redis refused or failed."""


class EventsTrimmed(StateError):
    """The stream does not keep what came after a cursor any more. `oldest` is the cursor of the oldest entry it has."""

    def __init__(self, cursor: str, oldest: str = "") -> None:
        super().__init__(
            f"Transitions that came after {cursor} are not kept any more; the oldest that is left is {oldest}."
            f" Read what is known of the jobs now (`fleetpoll jobs`), and go on from 0-0, the beginning of what is left."
        )
        self.cursor, self.oldest = cursor, oldest


class RedisUnavailable(StateError):
    """Redis cannot be reached, went away during a command, or cannot serve for now (a failover, a full memory)."""


class RedisSilent(RedisUnavailable):
    """No answer from Redis at all, whatever it was asked: that is so for all fleets of the same server."""


class RedisDenied(StateError):
    """Redis refuses the user, the password, or the right to a command."""


class AwsError(FleetpollError):
    """AWS Batch answered no, or gave no usable answer. `code` is AWS's error code, or ''.

    `kind` is one short word to count it by: throttled, denied, refused; of an Unreachable timeout, connection, dns, server
    (a 5xx), body (a page, a cut or foreign one) or other.
    """

    kind = "other"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Throttled(AwsError):
    """AWS said slow down. `retry_after_s` is AWS's own hint, 0.0 when it gave none."""

    kind = "throttled"

    def __init__(self, message: str, code: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, code)
        self.retry_after_s = retry_after_s


class AccessDenied(AwsError):
    """Credentials are missing, expired, or not allowed to do this."""

    kind = "denied"


class BadRequest(AwsError):
    """AWS refused the content of the call; the same call will be refused again."""

    kind = "refused"


class Unreachable(AwsError):
    """No usable answer came: time-out, reset, 5xx, or a body that is cut off or not AWS's."""

    def __init__(self, message: str, code: str = "", kind: str = "other") -> None:
        super().__init__(message, code)
        self.kind = kind


class BadSignature(FleetpollError):
    """A webhook was not sent by a holder of one of the secrets, or not lately."""


class FleetClosed(FleetpollError):
    """The fleet was closed while somebody waited on it, or before."""


class TokenRefused(FleetpollError):
    """The bucket has no token within the time that the caller gave."""


class BatchError(FleetpollError):
    """A job of AWS Batch's did not come to what was asked of it, or nobody could tell whether it did."""


class JobFailed(BatchError):
    """The job is FAILED."""


class JobNotComplete(BatchError):
    """The job is not over yet."""


class JobOver(BatchError):
    """The job is over, and never came to the status that was waited for."""


class JobLost(BatchError):
    """AWS Batch does not know the job, or no more, or refuses to describe it; the fleet has given it up."""


class JobStatusUnknown(BatchError):
    """The job has a status that nobody knows."""


class DescriptionFailed(BatchError):
    """No description of the job could be had, or none that can be used."""


class ChecksExceeded(BatchError):
    """All checks are made, and the job has not come to what was waited for."""


class WaitFailed(BatchError):
    """A waiter gave up, or found the job failed."""


class EmbeddedError(FleetpollError):
    """The embedded Redis server cannot be found, started or joined."""

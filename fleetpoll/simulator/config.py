"""All knobs of the simulator, as one frozen value that refuses nonsense when it is made."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetpoll.errors import SettingsError

WEEK_S = 7 * 86_400.0
CREDENTIALS_MAX_S = 43_200.0  # AWS's own
TENANT_RATE_MAX = 10_000.0  # each call of a tenant is drawn, some 0.5 us


class Operation(StrEnum):
    """What is simulated: the operations of the API, each of which AWS throttles apart, and STS."""

    DESCRIBE = "describe"
    SUBMIT = "submit"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    LIST = "list"
    STS = "sts"  # all that is asked of STS

    @property
    def path(self) -> str:
        """Where botocore sends it."""
        if self is Operation.STS:
            return "/"
        return f"/v1/{self}jobs" if self in (Operation.DESCRIBE, Operation.LIST) else f"/v1/{self}job"


class Limit(msgspec.Struct, frozen=True):
    """A token bucket's size: `rate` tokens per second, up to `burst` of them; a rate of 0 is no limit."""

    rate: float = 0.0
    burst: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a bucket that could never grant a call."""
        if self.rate < 0 or (self.rate > 0 and self.burst < 1):
            raise SettingsError(f"limit {self.rate:g}:{self.burst:g}: the rate must be 0 or more, the burst 1 or more")


class Fault(StrEnum):
    """What may become of an accepted call instead of a good answer."""

    RESET = "reset"  # the connection is reset before anything is done
    LOST = "lost"  # the call is carried out, then the connection is reset: the answer is lost
    SERVER = "server"  # 500 ServerException
    UNAVAILABLE = "unavailable"  # 503, with a body that is not JSON
    HTML = "html"  # 200 with a web page, as proxies answer
    CUT = "cut"  # 200 with a body that ends before its length
    TRUNCATED = "truncated"  # 200 with a whole body that is half a JSON document
    SLOW = "slow"  # a good answer that comes in drops, over `slow_s`
    HANG = "hang"  # no answer at all for as long as the client waits
    EXPIRED = "expired"  # 403 ExpiredTokenException
    DENIED = "denied"  # 403 AccessDeniedException


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """What makes it hard to find out an operation's limit, or to get an answer at all."""

    reject_share: float = 0.0
    """The share of the calls that are throttled at random, whatever the bucket holds, 0 to 1; they take no token."""
    tenant_rate: float = 0.0
    """How many calls per second others make, out of the same bucket."""
    retry_after_ms: int = 0
    """The wait that a throttled call is told in `x-amz-retry-after`; 0 tells none."""
    faults: dict[Fault, float] = {}
    """The share of the calls that passed the bucket (they took their token) that meet each fault; at most 1 together."""

    def __post_init__(self) -> None:
        """Refuse a share that is none, and times and rates below nothing."""
        if not all(share >= 0 for share in self.faults.values()) or sum(self.faults.values()) > 1 + 1e-9:
            raise SettingsError("the shares of faults must be 0 or more each, and not above 1 together")
        if not 0 <= self.reject_share <= 1:
            raise SettingsError(f"reject_share is {self.reject_share:g}: give a share from 0 to 1")
        if not 0 <= self.tenant_rate <= TENANT_RATE_MAX:
            raise SettingsError(f"a tenant of {self.tenant_rate:g} calls/s: give 0 to {TENANT_RATE_MAX:g}")
        if self.retry_after_ms < 0:
            raise SettingsError(f"retry_after_ms is {self.retry_after_ms}: give 0 or more")


class SimulatorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each simulated account is like. Times end in their unit: `_s` seconds, `_ms` milliseconds."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 0
    """The port to listen on; 0 takes a free one."""
    region: str = "us-east-1"
    """The default account's Region: that of all who do not call with a key of the simulator's own."""
    account_id: str = "123456789012"
    """The default account's id: twelve digits, in ARNs."""
    seed: int = 0
    """Ids, lives, strays and tenants follow from it; 0 draws a fresh one, so that two runs never share an id."""
    life_min_s: float = 60.0
    """The shortest life of a job, createdAt to stoppedAt, in seconds."""
    life_max_s: float = 600.0
    """The longest life of a job in seconds; lives are uniform between the two."""
    fail_share: float = 0.05
    """The share of the jobs that end FAILED, 0 to 1."""
    retry_share: float = 0.05
    """The share of the attempts (but the last one allowed) that fail and are retried, 0 to 1."""
    array_slots: int = 0
    """How many children of an array run side by side, in the order of their numbers; 0 is no limit."""
    invisible_s: float = 0.0
    """How long a new job is left out of describe and list answers, in seconds."""
    latency_ms: float = 0.0
    """How long each accepted call takes, in milliseconds."""
    latency_jitter_ms: float = 0.0
    """How much longer it may take, uniformly, in milliseconds."""
    retention_s: float = WEEK_S
    """How long a finished job is remembered, in seconds."""
    limits: dict[Operation, Limit] = {}
    """The token bucket of each operation; an operation that is not named is unlimited."""
    tenants: dict[Operation, float] = {}
    """The calls per second that others make of an operation, out of its bucket."""
    reject_share: float = 0.0
    """The share of the calls of every operation that are throttled at random, token or not, 0 to 1."""
    retry_after_ms: int = 0
    """The wait that throttled calls are told in `x-amz-retry-after`, in milliseconds; 0 tells none."""
    faults: dict[Operation, dict[Fault, float]] = {}
    """The share of an operation's calls that meet each fault, of those that its bucket let pass."""
    slow_s: float = 5.0
    """How long a slow answer takes, in seconds."""
    external_id: str = ""
    """The external id without which no role can be assumed; empty asks for none."""
    credentials_s: float = 3600.0
    """How long the credentials that STS gives are good, in seconds."""
    exit_with_parent: bool = False
    """Whether to stop when standard input is closed, so that no process outlives the one that started it."""

    def __post_init__(self) -> None:
        """Refuse lives that end before they begin, and shares that are none."""
        if not 0 <= self.life_min_s <= self.life_max_s:
            raise SettingsError(f"life {self.life_min_s:g}:{self.life_max_s:g}: give 0 <= MIN <= MAX, in seconds")
        for name in ("fail_share", "retry_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: give a share from 0 to 1")
        for name in ("array_slots", "invisible_s", "latency_ms", "latency_jitter_ms", "retention_s", "slow_s"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}: give 0 or more")
        if not 0 < self.credentials_s <= CREDENTIALS_MAX_S:
            raise SettingsError(f"credentials_s is {self.credentials_s:g}: give more than 0, up to {CREDENTIALS_MAX_S:g}")
        for operation in Operation:
            self.disturbance(operation)

    def disturbance(self, operation: Operation) -> Disturbance:
        """What disturbs that operation at first."""
        return Disturbance(
            reject_share=self.reject_share,
            tenant_rate=self.tenants.get(operation, 0.0),
            retry_after_ms=self.retry_after_ms,
            faults=self.faults.get(operation, {}),
        )

"""One frozen model of everything that can be set, and where it comes from: defaults < TOML file < environment < flags.

A value that makes no sense, alone or beside another, is refused when the settings are made, with a sentence
that says what to do. Durations are in seconds, rates in calls per second.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import AWS_STATUSES
from fleetpoll.text import bounded, masked

PREFIX = "FLEETPOLL_"
NOT_SETTINGS = frozenset(
    {"FLEETPOLL_CONFIG", "FLEETPOLL_RELAY_TO", "FLEETPOLL_RELAY_SECRET"}
    # What a command of `relay --exec` is told of a transition: it may be fleetpoll itself.
    | {f"FLEETPOLL_{name}" for name in ("EVENT", "JOB_ID", "JOB_NAME", "FROM", "TO", "EXIT_CODE", "REASON")}
)

SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")
"""What Kubernetes puts into the environment of every container beside a Service named fleetpoll-something."""

SHOWN_MAX = 80

LIVE_STATUSES = [status.value for status in AWS_STATUSES if not status.terminal]
WEIGHTS = {"SUBMITTED": 0.02, "PENDING": 0.02, "RUNNABLE": 0.1, "STARTING": 0.1, "RUNNING": 1.0}
"""What users wait for: the end of a job, then its start, then everything else."""

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
FleetName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/@+-]{1,64}\Z")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. A key of the TOML file and FLEETPOLL_<NAME> have the field's name."""

    # redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// with TLS, or unix://PATH; none: an embedded server.
    # redis+sentinel://[USER:PASSWORD@]HOST[:26379],HOST,.../SERVICE[/DB]: the primary that these Sentinels name. They may
    #   have a user of their own: ?sentinel_username=USER&sentinel_password=PASSWORD. With TLS: rediss+sentinel://.
    # redis+cluster://[USER:PASSWORD@]HOST[:6379],HOST,...: some nodes of a Cluster. With TLS: rediss+cluster://.
    redis_url: str | None = None
    replicas_acked: Annotated[int, Meta(ge=0)] = 0  # so many replicas have what was tracked when `track` returns
    redis_server: str | None = None  # path of the server binary that the embedded server runs
    state_home: str | None = None  # where the embedded server keeps its data; none: the XDG state home
    fleet: FleetName = "default"  # one fleet is one AWS account and Region, hence one allowance

    region: str | None = None  # none: as boto3 finds it
    profile: str | None = None  # a profile of the AWS configuration files
    endpoint_url: str | None = None  # none: AWS_ENDPOINT_URL_BATCH, else AWS itself
    connect_timeout: Positive = 3.0
    read_timeout: Positive = 20.0

    rate: Positive = 10.0  # DescribeJobs calls per second, the hard ceiling of the whole fleet
    rate_min: Positive | None = None  # a throttled fleet never goes slower than this; none: min(0.5, rate)
    rate_start: Positive | None = None  # where the search for AWS's limit begins; none: min(5, rate)
    burst: Annotated[float, Meta(ge=1)] | None = None  # tokens that may pile up; none: max(1, granted rate / 4)
    submit_rate: Positive = 25.0  # SubmitJob calls per second; AWS states 50 per account and Region
    terminate_rate: Positive = 10.0
    cancel_rate: Positive = 10.0
    list_rate: Positive = 2.0
    token_wait: Positive = 20.0  # the longest that a worker books ahead for a token

    cadence: Literal["learned", "elastic", "even"] = "learned"  # what decides when a job is looked at again
    freshness: Positive = 5.0  # fresh enough: the fleet does not spend calls to know sooner than this
    freshness_by_status: dict[str, Positive] = msgspec.field(  # the same for jobs that have long been in a status
        default_factory=lambda: {"PENDING": 30.0, "RUNNABLE": 30.0}  # none: freshness; see cadence/policy.py
    )
    weights: dict[str, Positive] = msgspec.field(default_factory=dict)  # what it is worth to know that a status was left
    visibility: Positive = 60.0  # a claim that is not settled within this is void, its jobs are due again
    margin: Positive = 5.0  # a lease is trusted until this long before its end
    missing_grace: NotNegative = 60.0  # from tracking: AWS may not show a new job at once
    missing_checks: Count = 10  # absences in a row, after the grace, that make a job LOST, or EXPIRED if AWS had shown it

    workers: Count = 4  # poller processes under one supervisor
    beat: Positive = 5.0  # a worker shows that it is alive this often
    drain_timeout: Positive = 30.0  # from drain to stop
    stuck_after: Positive = 60.0  # a poller whose loop stood still this long is replaced

    events_kept: Count = 1_000_000  # transitions kept in the stream, about
    finished_kept: Positive = 7 * 86_400.0  # how long the ledger keeps finished jobs

    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        """Refuse values that make no sense, alone or beside each other."""
        for field in FIELDS:
            accepted("Settings", field, getattr(self, field.name), strict=True)
        call_s = self.token_wait + self.connect_timeout + self.read_timeout + self.margin
        if self.visibility <= call_s:
            raise SettingsError(
                f"visibility ({self.visibility:g} s) must be longer than token_wait + connect_timeout + read_timeout"
                f" + margin ({call_s:g} s): a lease that ends during its own call makes a second call for the same"
                f" jobs. Raise visibility or lower token_wait."
            )
        if self.rate_min is not None and self.rate_min > self.rate:
            raise SettingsError(f"rate_min ({self.rate_min:g}) is above rate ({self.rate:g}): lower it.")
        if self.rate_start is not None and self.rate_start > self.rate:
            raise SettingsError(f"rate_start ({self.rate_start:g}) is above rate ({self.rate:g}): lower it.")
        for name, status in [(table, status) for table in TABLES for status in getattr(self, table)]:
            if status not in LIVE_STATUSES:
                raise SettingsError(f"{name}: {status!r} is no status{did_you_mean(status, LIVE_STATUSES)}")
        if self.stuck_after <= self.read_timeout + self.connect_timeout:
            raise SettingsError(
                f"stuck_after ({self.stuck_after:g} s) must be longer than one call may take (connect_timeout +"
                f" read_timeout = {self.read_timeout + self.connect_timeout:g} s), else healthy workers are replaced."
            )

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What is set, without the passwords of URLs; rich and `repr` go by it."""
        return [(name, masked(at) if isinstance(at := getattr(self, name), str) else at) for name in NAMES]

    def __repr__(self) -> str:
        """As a call that would make it, but for passwords."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def floor_rate(self) -> float:
        """The rate below which throttles do not push the fleet: `rate_min`, or min(0.5, rate)."""
        return min(0.5, self.rate) if self.rate_min is None else self.rate_min

    @property
    def weight_of(self) -> dict[str, float]:
        """What it is worth to know soon that a job has left a status: `weights`, and the usual for those not named."""
        return WEIGHTS | self.weights

    @property
    def start_rate(self) -> float:
        """Where the search for AWS's limit begins, in calls/s: `rate_start`, or min(5, rate)."""
        return min(5.0, self.rate) if self.rate_start is None else self.rate_start


FIELDS = msgspec.structs.fields(Settings)
NAMES = tuple(field.name for field in FIELDS)
TABLES = frozenset({"freshness_by_status", "weights"})


def load(
    environ: Mapping[str, str],
    config: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    flags_from: str = "the command line",
) -> Settings:
    """Settings from the TOML file `config`, then `environ`, then `flags` (None means not given), the later winning.

    Raises SettingsError that names the source, the setting and what is wrong with it.
    """
    layers = [
        (str(config), _from_file(Path(config)) if config is not None else {}),
        ("the environment", _from_environ(environ)),
        (flags_from, {name: value for name, value in (flags or {}).items() if value is not None}),
    ]
    merged: dict[str, Any] = {}
    for source, values in layers:
        for name, value in values.items():
            merged[name] = _checked(source, name, value)
    return Settings(**merged)


def _checked(source: str, name: str, value: Any) -> Any:
    """The value as the field's own type, from text if need be."""
    if name not in NAMES:
        raise SettingsError(f"{source}: there is no setting {name!r}{did_you_mean(name, NAMES)}")
    return accepted(source, FIELDS[NAMES.index(name)], value, strict=False)


def accepted(source: str, field: msgspec.structs.FieldInfo, value: Any, *, strict: bool) -> Any:
    """The value as the field's type, read from text unless `strict`. Raises SettingsError."""
    try:
        converted = msgspec.convert(table(value) if field.name in TABLES else value, field.type, strict=strict)
    except (ValueError, OverflowError, RecursionError) as error:
        raise SettingsError(f"{source}: {shown(field.name, value)} will not do: {error}.") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise SettingsError(f"{source}: {shown(field.name, value)} will not do: give a finite number.")
    return converted


def shown(name: str, value: Any) -> str:
    """A setting and its value for a refusal: of a URL only the name, for it may hold a password; of a long one the start."""
    return name if name.endswith("_url") else f"{name} = {bounded(repr(value), SHOWN_MAX)}"


def table(value: Any) -> Any:
    """A table as text, `NAME=VALUE NAME=VALUE` with spaces or commas, as a mapping; everything else as it is."""
    if not isinstance(value, str):
        return value
    return {name: number for name, _, number in (pair.partition("=") for pair in value.replace(",", " ").split())}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"The configuration file {path} is not TOML: {error}.") from None
    except ValueError:  # of the path itself
        raise SettingsError(f"The configuration file {str(path)!r} cannot be read: that is no path.") from None


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or SERVICE_LINK.search(variable):
            continue
        if not value:  # compose and systemd write X= for a variable that is not set
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in NAMES:
            known = sorted({*(PREFIX + n.upper() for n in NAMES), *NOT_SETTINGS})
            raise SettingsError(f"The environment sets {variable}, which is no setting{did_you_mean(variable, known)}")
        values[name] = value
    return values


def did_you_mean(word: str, known: tuple[str, ...] | list[str]) -> str:
    """The end of a refusal: '; did you mean X?' when a known word is near, else '.'."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "."

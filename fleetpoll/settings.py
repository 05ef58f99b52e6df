"""One frozen model of everything that can be set, and where it comes from: defaults < TOML file < environment < flags.

A file may describe many fleets, each in a section `[fleets.NAME]` that has what is the fleet's own. What is more special
wins: defaults < the file's top < environment < the fleet's section < flags. A section is above the environment because a
variable speaks to the whole process: FLEETPOLL_REGION must not move twenty fleets into one Region. Flags are typed by
somebody who means them; those that would give several fleets one identity are refused (see fleets.py).

A value that makes no sense, alone or beside another, is refused when the settings are made, with a sentence
that says what to do. Durations are in seconds, rates in calls per second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from fleetpoll.errors import SettingsError
from fleetpoll.jobs import AWS_STATUSES
from fleetpoll.sources import QUOTES, did_you_mean, from_environ, from_file
from fleetpoll.text import bounded, masked

SECTIONS = "fleets"
"""The one table of a file that is no setting: `[fleets.NAME]` has the settings that are that fleet's own."""
SHARED = frozenset(
    {"redis_url", "redis_server", "state_home", "replicas_acked", "fleet", "workers", "beat", "drain_timeout", "stuck_after"}
    | {"log_format", "log_level", "tracing"}
)
"""Settings of a process, which serves all fleets of a file: a section cannot have them."""

SHOWN_MAX, LISTED_MAX = 80, 300

LIVE_STATUSES = [status.value for status in AWS_STATUSES if not status.terminal]
WEIGHTS = {"SUBMITTED": 0.02, "PENDING": 0.02, "RUNNABLE": 0.1, "STARTING": 0.1, "RUNNING": 1.0}
"""What users wait for: the end of a job, then its start, then everything else."""

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
FleetName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/@+-]{1,64}\Z")]
RoleArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}\Z")]
ExternalId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}\Z")]


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

    region: str | None = None  # the AWS Region; none: as boto3 finds it
    profile: str | None = None  # a profile of the AWS configuration files
    role_arn: RoleArn | None = None  # a role that is assumed; by the credentials of `profile`, else those that boto3 finds
    external_id: ExternalId | None = None  # what the role's trust policy wants to hear
    endpoint_url: str | None = None  # where AWS Batch answers; none: AWS_ENDPOINT_URL_BATCH, else AWS itself
    connect_timeout: Positive = 3.0  # the longest that a call may take to connect to AWS
    read_timeout: Positive = 20.0  # the longest that a call may wait for AWS's answer

    rate: Positive = 10.0  # DescribeJobs calls per second, the hard ceiling of the whole fleet
    rate_min: Positive | None = None  # a throttled fleet never goes slower than this; none: min(0.5, rate)
    rate_start: Positive | None = None  # where the search for AWS's limit begins; none: min(5, rate)
    burst: Annotated[float, Meta(ge=1)] | None = None  # tokens that may pile up; none: max(1, granted rate / 4)
    submit_rate: Positive = 25.0  # SubmitJob calls per second; AWS states 50 per account and Region
    terminate_rate: Positive = 10.0  # TerminateJob calls per second
    cancel_rate: Positive = 10.0  # CancelJob calls per second
    list_rate: Positive = 2.0  # ListJobs calls per second
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

    share: Positive = 1.0  # of the time of processes that serve several fleets, beside the others' shares
    workers: Count = 4  # poller processes under one supervisor
    beat: Positive = 5.0  # a worker shows that it is alive this often
    drain_timeout: Positive = 30.0  # from drain to stop
    stuck_after: Positive = 60.0  # a poller whose loop stood still this long is replaced

    events_kept: Count = 1_000_000  # transitions kept in the stream, about
    finished_kept: Positive = 7 * 86_400.0  # how long the ledger keeps finished jobs

    log_format: Literal["auto", "console", "json"] = "auto"  # auto: for people on a terminal, else JSON
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # the least that is logged
    tracing: bool = False  # workers send each pass as OpenTelemetry spans; OTEL_EXPORTER_OTLP_ENDPOINT says where to

    def __post_init__(self) -> None:
        """Refuse values that make no sense, alone or beside each other."""
        for field in FIELDS:
            accepted("Settings", field, getattr(self, field.name), strict=True)
        if self.external_id is not None and self.role_arn is None:
            raise SettingsError("external_id goes with role_arn, the role that is assumed: set role_arn, or leave it out.")
        if self.rate_min is not None and self.rate_min > self.rate:
            raise SettingsError(f"rate_min ({self.rate_min:g}) is above rate ({self.rate:g}): lower it.")
        if self.rate_start is not None and self.rate_start > self.rate:
            raise SettingsError(f"rate_start ({self.rate_start:g}) is above rate ({self.rate:g}): lower it.")
        for name, status in [(table, status) for table in TABLES for status in getattr(self, table)]:
            if status not in LIVE_STATUSES:
                raise SettingsError(f"{name}: {status!r} is no status{did_you_mean(status, LIVE_STATUSES)}")
        self._check_durations()

    def _check_durations(self) -> None:
        """Refuse what would void leases, or replace workers, in the midst of their calls."""
        call_s = self.token_wait + self.connect_timeout + self.read_timeout + self.margin
        if self.visibility <= call_s:
            raise SettingsError(
                f"visibility ({self.visibility:g} s) must be longer than token_wait + connect_timeout + read_timeout"
                f" + margin ({call_s:g} s): a lease that ends during its own call makes a second call for the same"
                f" jobs. Raise visibility or lower token_wait."
            )
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
    def role_account(self) -> str | None:
        """The number of the account that `role_arn` is of; None without a role."""
        return None if self.role_arn is None else self.role_arn.split(":")[4]

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
FORMS = {
    "fleet": "give letters, digits and . _ / @ + -, 64 at most",
    "role_arn": "give the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME",
}
IN_COMMON = "is common to all fleets: set it at the top of the file, above the sections."
OUTSIDE = {"fleet": "is what the section is called: leave it out, or rename the section."}


@dataclass(frozen=True, slots=True)
class Sources:
    """What is set and where, each value as its field's own type: for all fleets, in the sections of a file, by flags."""

    file: str
    common: dict[str, Any]
    sections: dict[str, dict[str, Any]]
    flags: dict[str, Any]

    @property
    def named(self) -> str | None:
        """The fleet that was asked for, wherever."""
        name: str | None = (self.common | self.flags).get("fleet")
        return name

    @property
    def listed(self) -> str:
        """The fleets of the file, for a refusal."""
        return bounded(", ".join(self.sections), LISTED_MAX)

    def fleet(self, name: str) -> Settings:
        """All settings of the fleet of a section. Raises SettingsError, also if there is no such section."""
        if name not in self.sections:
            near = did_you_mean(name, self.sections)
            raise SettingsError(f"{self.file} has no [{SECTIONS}.{name}]{near} It has {self.listed}.")
        try:
            return Settings(**self.common | self.sections[name] | self.flags | {"fleet": name})
        except SettingsError as error:
            raise SettingsError(f"{self.file} [{SECTIONS}.{name}]: {error}") from None

    def one(self) -> Settings:
        """The settings of one fleet: that of no section, the one that is named, or the only one. Raises SettingsError."""
        if not self.sections:
            return Settings(**self.common | self.flags)
        if self.named is None and len(self.sections) > 1:
            hows = "--fleet, FLEETPOLL_FLEET or the schema of an Airflow connection"
            raise SettingsError(f"Which fleet? Name one by {hows}: {self.file} has {self.listed}.")
        return self.fleet(self.named or next(iter(self.sections)))


def load(
    environ: Mapping[str, str],
    config: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    flags_from: str = "the command line",
) -> Settings:
    """Settings of one fleet from the TOML file `config`, `environ` and `flags` (None means not given), the later winning.

    Where the file has sections, `fleet` says which one, if there are several. Raises SettingsError that names the source,
    the setting and what is wrong with it.
    """
    return read(environ, config, flags, flags_from).one()


def read(environ: Mapping[str, str], config: str | Path | None, flags: Mapping[str, Any] | None, flags_from: str) -> Sources:
    """What all sources say, read and checked one by one; how they relate is seen when settings are made of them."""
    file = str(config)
    top = from_file(Path(config)) if config is not None else {}
    if isinstance(top.get("fleet"), dict):
        raise SettingsError(f"{file}: [fleet.NAME] is no section; did you mean [{SECTIONS}.NAME]?")
    sections = {name: _section(file, name, values) for name, values in _sections(file, top.pop(SECTIONS, {}))}
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return Sources(
        file=file,
        common=_checked(file, top, [*NAMES, SECTIONS]) | _checked("the environment", from_environ(environ, NAMES)),
        sections=sections,
        flags=_checked(flags_from, given),
    )


def _sections(file: str, table: Any) -> Iterable[tuple[str, Any]]:
    """The sections, as long as they are tables of their own with names that fleets may have."""
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: {SECTIONS} is no list of fleets: give each a section of its own, [{SECTIONS}.NAME].")
    for name in table:
        accepted(f"{file} [{SECTIONS}.{bounded(name, SHOWN_MAX)}]", FIELDS[NAMES.index("fleet")], name, strict=True)
    return table.items()


def _section(file: str, name: str, values: Any) -> dict[str, Any]:
    """What a section sets. Raises SettingsError for what is no setting, or none of a fleet's own."""
    source = f"{file} [{SECTIONS}.{name}]"
    if not isinstance(values, dict):
        raise SettingsError(f"{source} is no section with settings. What holds for all fleets stands above the sections.")
    for key, value in values.items():
        if key in SHARED:
            raise SettingsError(f"{source}: {key} {OUTSIDE.get(key, IN_COMMON)}")
        if key not in NAMES and isinstance(value, dict):
            raise SettingsError(f"{source}: there is no setting {bounded(repr(key), SHOWN_MAX)}. {QUOTES}")
    return _checked(source, values, [key for key in NAMES if key not in SHARED])


def _checked(source: str, values: Mapping[str, Any], known: Iterable[str] = ()) -> dict[str, Any]:
    """The values as the fields' own types, from text if need be. Raises SettingsError, for what is not `known` as well."""
    for name in values:
        if name not in NAMES:
            said = bounded(repr(name), SHOWN_MAX)
            raise SettingsError(f"{source}: there is no setting {said}{did_you_mean(name, known or NAMES)}")
    return {name: accepted(source, FIELDS[NAMES.index(name)], value, strict=False) for name, value in values.items()}


def accepted(source: str, field: msgspec.structs.FieldInfo, value: Any, *, strict: bool) -> Any:
    """The value as the field's type, read from text unless `strict`. Raises SettingsError."""
    try:
        converted = msgspec.convert(table(value) if field.name in TABLES else value, field.type, strict=strict)
    except (ValueError, OverflowError, RecursionError) as error:
        words = get_args(field.type) if get_origin(field.type) is Literal else ()
        why = FORMS.get(field.name) or (f"give {', '.join(words)}" if words else bounded(str(error), LISTED_MAX))
        raise SettingsError(f"{source}: {shown(field.name, value)} will not do: {why}.") from None
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

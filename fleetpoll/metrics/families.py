"""Every metric there is: its name, kind and labels, and one sentence that says what it tells.

The page, its descriptions and the table in the docs are all made from this list. Names and units follow Prometheus: base
units, counters that end in `_total`. No label grows with jobs or workers: operations, statuses, kinds and groups are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; `name` as Prometheus shows it, `help` one sentence."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ("fleet",)


def counter(name: str, text: str, *labels: str) -> Family:
    """What only grows, of a fleet."""
    return Family(name, Kind.COUNTER, text, ("fleet", *labels))


def gauge(name: str, text: str, *labels: str) -> Family:
    """What goes up and down, of a fleet."""
    return Family(name, Kind.GAUGE, text, ("fleet", *labels))


def histogram(name: str, text: str) -> Family:
    """Durations of a fleet, counted by bounds."""
    return Family(name, Kind.HISTOGRAM, text)


BUILD_INFO = Family("fleetpoll_build_info", Kind.GAUGE, "The release of this exporter, always 1.", ("version",))
UP = gauge("fleetpoll_up", "Whether Redis answered for this fleet: 1, or 0 and then nothing else of the fleet is told.")
READ_SECONDS = gauge("fleetpoll_read_duration_seconds", "How long it took to read the fleet from Redis.")

CALLS = counter(
    "fleetpoll_calls_total",
    "DescribeJobs calls since the fleet began, by how they ended: answered, throttled, or the kind of the failure.",
    "outcome",
)
CALL_IDS = counter("fleetpoll_call_ids_total", "Job ids that answered DescribeJobs calls carried, at most 100 a call.")
CALL_SECONDS = histogram("fleetpoll_call_duration_seconds", "How long AWS took to answer a DescribeJobs call.")
TOKENS = counter("fleetpoll_tokens_granted_total", "Tokens that the bucket of an operation has granted.", "operation")
THROTTLES = counter(
    "fleetpoll_throttles_total",
    "Throttles by AWS that the bucket of an operation was told of, by whoever met them.",
    "operation",
)
RATE_CUTS = counter("fleetpoll_rate_cuts_total", "How often AWS's throttles made the fleet slow down.", "operation")
GRANTED = gauge("fleetpoll_rate_granted", "Calls a second that the bucket grants now.", "operation")
CONFIGURED = gauge("fleetpoll_rate_configured", "Calls a second that the bucket may grant at most.", "operation")
LIMIT = gauge(
    "fleetpoll_rate_limit", "AWS's limit in calls a second as last met; absent before the first time.", "operation"
)
PINNED = gauge("fleetpoll_rate_pinned", "The rate that an operator has fixed; absent unless one has.", "operation")
PAUSED = gauge(
    "fleetpoll_paused", "Whether an operator has paused the bucket, so that no call is made: 1, else 0.", "operation"
)

JOBS = gauge("fleetpoll_jobs", "Tracked jobs by their last known status, finished ones until they are forgotten.", "status")
LIVE = gauge("fleetpoll_live_jobs", "Jobs that are not over and are looked at again and again.")
DUE = gauge("fleetpoll_due_jobs", "Jobs that are due and on no lease: they wait for a worker or for a token.")
ARRAYS = gauge("fleetpoll_arrays", "Array jobs whose children are followed.")
CHILDREN = gauge("fleetpoll_array_children", "Children of followed arrays that are not over.")
TRANSITIONS = counter("fleetpoll_transitions_total", "Changes of status that were published.", "from", "to")
LAG = histogram(
    "fleetpoll_lag_seconds", "From AWS's end of a job, or its tracking if that came later, to the moment the fleet saw it."
)
START_LAG = histogram(
    "fleetpoll_start_lag_seconds",
    "From AWS's start of a job, or its tracking if that came later, to the moment the fleet saw it.",
)
STALENESS = histogram("fleetpoll_staleness_seconds", "How old what was known of a job was when a look renewed it.")

WORKERS = gauge("fleetpoll_workers", "Workers on the roster: alive, or silent because they missed three beats.", "state")
RELEASES = gauge("fleetpoll_worker_releases", "Workers that are alive, by the release of fleetpoll they run.", "version")
DOING = gauge("fleetpoll_workers_doing", "Workers that are alive, by what they were doing at their last beat.", "doing")
TROUBLE = gauge("fleetpoll_trouble", "Workers that AWS fails, by the kind of the failure.", "kind")
ORDER = gauge("fleetpoll_order", "Whether this order to all workers stands: 1, else 0.", "kind")
LEASES = counter("fleetpoll_leases_total", "Leases that workers were given: claims that found jobs.")
EXPIRED = counter(
    "fleetpoll_leases_expired_total", "Leases that ran out before they were closed: a worker died, hung or was cut off."
)

EVENTS = gauge("fleetpoll_events", "Transitions that the stream keeps now.")
GROUP_PENDING = gauge(
    "fleetpoll_group_pending", "Transitions given to a consumer of a group and not yet acknowledged.", "group"
)
GROUP_LAG = gauge(
    "fleetpoll_group_lag", "Transitions that a consumer group was not given yet; absent before Redis 7.", "group"
)
DEAD_LETTERS = gauge(
    "fleetpoll_dead_letters", "Transitions that a relay gave up, kept until they are sent again or dropped."
)

REDIS_INFO = Family(
    "fleetpoll_redis_info", Kind.GAUGE, "Which server keeps the fleets, always 1.", ("server", "flavour", "version")
)
REDIS_MEMORY = Family("fleetpoll_redis_memory_used_bytes", Kind.GAUGE, "Memory that the whole server uses.", ("server",))
REDIS_MEMORY_MAX = Family(
    "fleetpoll_redis_memory_max_bytes", Kind.GAUGE, "Memory that the server may use; absent without a limit.", ("server",)
)
REDIS_COMMANDS = Family(
    "fleetpoll_redis_commands_total",
    Kind.COUNTER,
    "Commands that the whole server has run for anybody, those inside scripts too.",
    ("server", "command"),
)
REDIS_COMMAND_SECONDS = Family(
    "fleetpoll_redis_commands_duration_seconds_total",
    Kind.COUNTER,
    "Time the whole server has spent on a command for anybody; evalsha holds that of all that scripts do.",
    ("server", "command"),
)

FAMILIES: tuple[Family, ...] = (
    *(BUILD_INFO, UP, READ_SECONDS),
    *(CALLS, CALL_IDS, CALL_SECONDS, TOKENS, THROTTLES, RATE_CUTS, GRANTED, CONFIGURED, LIMIT, PINNED, PAUSED),
    *(JOBS, LIVE, DUE, ARRAYS, CHILDREN, TRANSITIONS, LAG, START_LAG, STALENESS),
    *(WORKERS, DOING, RELEASES, TROUBLE, ORDER, LEASES, EXPIRED),
    *(EVENTS, GROUP_PENDING, GROUP_LAG, DEAD_LETTERS),
    *(REDIS_INFO, REDIS_MEMORY, REDIS_MEMORY_MAX, REDIS_COMMANDS, REDIS_COMMAND_SECONDS),
)
"""In the order of the page."""


def table() -> Iterator[str]:
    """The list as lines of Markdown, for docs/metrics.md."""
    yield "| metric | kind | labels | what it tells |"
    yield "|---|---|---|---|"
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"| `{family.name}` | {family.kind} | {labels} | {family.help} |"
